//! HAProxy's `show stat` and `show info`, for the tools that read them: of the
//! former the first 39 columns, in which those tools look.

use core::fmt::{self, Display, Write};

use super::service::{Sum, code, counts, servers, services};
use super::{View, name};
use crate::config;
use crate::event::{ServerId, ServiceId};
use crate::node::Node;
use crate::pack::packed;
use crate::say::{Number, Plain};
use crate::server::State;

/// Columns that have something in them.
const SCUR: usize = 4;
const SLIM: usize = 6;
const STOT: usize = 7;
const BIN: usize = 8;
const BOUT: usize = 9;
const DREQ: usize = 10;
const ECON: usize = 13;
const STATUS: usize = 17;
const WEIGHT: usize = 18;
const ACT: usize = 19;
const BCK: usize = 20;
const LASTCHG: usize = 23;
const PID: usize = 26;
const IID: usize = 27;
const SID: usize = 28;
const TYPE: usize = 32;
const CHECK_STATUS: usize = 36;
const CHECK_DURATION: usize = 38;
const COLUMNS: usize = 39;

/// A column and what is in it.
type Cell<'c> = (usize, &'c dyn Display);

/// Writes `show stat`.
#[inline(never)]
pub fn stat(node: &Node<'_>, view: &View<'_>, out: &mut dyn Write) -> fmt::Result {
    let head = packed!(
        "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration,\n"
    );
    write!(out, "{head}")?;
    for (id, service) in services(node.config()) {
        whole(node, view, id, service, false, out)?;
        for server in servers(service) {
            one(node, view, id, server, out)?;
        }
        whole(node, view, id, service, true, out)?;
    }
    out.write_char('\n')
}

/// The line of a service as HAProxy's frontend or backend.
fn whole(
    node: &Node<'_>,
    view: &View<'_>,
    id: ServiceId,
    service: &config::Service<'_>,
    backend: bool,
    out: &mut dyn Write,
) -> fmt::Result {
    let sum = Sum::of(view, id, service);
    let open = node.service_is_open(id);
    let status = match (backend, open) {
        (false, true) => "OPEN",
        (false, false) => "STOP",
        (true, true) => "UP",
        (true, false) => "DOWN",
    };
    let admits = |id: &ServerId| node.servers()[usize::from(id.0)].admits();
    let is_backup = |id: &ServerId| node.config().servers[usize::from(id.0)].backup;
    let (mut active, mut backups, mut weight) = (0, 0, 0);
    for server in servers(service).filter(admits) {
        match is_backup(&server) {
            true => backups += 1,
            false => active += 1,
        }
        weight += u64::from(node.servers()[usize::from(server.0)].weight());
    }
    let common: [Cell<'_>; 9] = [
        (SCUR, &Number(sum.service.sessions.into())),
        (SLIM, &Number(service.maxconn.into())),
        (STOT, &Number(sum.total)),
        (BIN, &Number(sum.bytes_in)),
        (BOUT, &Number(sum.bytes_out)),
        (DREQ, &Number(sum.service.refused.into())),
        (STATUS, &Plain(status)),
        (PID, &Number(1)),
        (IID, &Number(u64::from(id.0) + 2)),
    ];
    let kind: [Cell<'_>; 5] = [
        (WEIGHT, &Number(weight)),
        (ACT, &Number(active)),
        (BCK, &Number(backups)),
        (SID, &Number(0)),
        (TYPE, &Number(1)),
    ];
    let (name, kind): (_, &[Cell<'_>]) = match backend {
        true => ("BACKEND", &kind),
        false => ("FRONTEND", &[(SID, &Number(0)), (TYPE, &Number(0))]),
    };
    row(service.name, name, [&common, kind], out)
}

/// The line of a server.
fn one(
    node: &Node<'_>,
    view: &View<'_>,
    id: ServiceId,
    server: ServerId,
    out: &mut dyn Write,
) -> fmt::Result {
    let at = usize::from(server.0);
    let config = &node.config().servers[at];
    let service = &node.config().services[usize::from(id.0)];
    let (machine, check) = (&node.servers()[at], node.server_check(server));
    let counts = counts(view, server);
    let checked = !matches!(service.check, config::ServerCheck::None);
    let status = match machine.state() {
        State::Up if !checked => "no check",
        State::Unknown | State::Up => "UP",
        State::Down => "DOWN",
        State::Drain => "DRAIN",
        State::Maint => "MAINT",
    };
    let took = check.duration().map_or(0, |took| took.total_millis());
    let code = code(node.config(), server, check).unwrap_or("");
    let sid = u64::from(server.0 - service.servers.first) + 1;
    let cells: [Cell<'_>; 17] = [
        (SCUR, &Number(counts.sessions.into())),
        (SLIM, &Number(config.maxconn.into())),
        (STOT, &Number(counts.total)),
        (BIN, &Number(counts.bytes_in)),
        (BOUT, &Number(counts.bytes_out)),
        (ECON, &Number(counts.refused.into())),
        (STATUS, &Plain(status)),
        (WEIGHT, &Number(machine.weight().into())),
        (ACT, &Number((!config.backup).into())),
        (BCK, &Number(config.backup.into())),
        (
            LASTCHG,
            &Number(super::age_ms(view, machine.since()) / 1000),
        ),
        (PID, &Number(1)),
        (IID, &Number(u64::from(id.0) + 2)),
        (SID, &Number(sid)),
        (TYPE, &Number(2)),
        (CHECK_STATUS, &Plain(code)),
        (CHECK_DURATION, &Number(took)),
    ];
    row(service.name, config.name, [&cells, &[]], out)
}

/// A line, whose empty columns stay empty. A 0 is a limit that there is not.
#[inline(never)]
fn row(service: &str, server: &str, cells: [&[Cell<'_>]; 2], out: &mut dyn Write) -> fmt::Result {
    write!(out, "{},{},", Plain(service), Plain(server))?;
    for column in 2..COLUMNS {
        let mut all = cells.iter().copied().flatten();
        if let Some((_, value)) = all.find(|(at, _)| *at == column) {
            write!(out, "{value}")?;
        }
        out.write_char(',')?;
    }
    out.write_char('\n')
}

/// Writes `show info`.
#[inline(never)]
pub fn info(node: &Node<'_>, view: &View<'_>, out: &mut dyn Write) -> fmt::Result {
    let (mut now, mut ever) = (0, 0);
    for (id, service) in services(node.config()) {
        let sum = Sum::of(view, id, service);
        now += u64::from(sum.service.sessions);
        ever += sum.total;
    }
    let lines: [(&str, &dyn Display); 7] = [
        ("Name", &Plain("smena")),
        ("Version", &Plain(view.version)),
        ("Nbproc", &Number(view.workers.len() as u64)),
        ("Uptime_sec", &Number(view.uptime.secs())),
        ("CurrConns", &Number(now)),
        ("CumConns", &Number(ever)),
        ("node", &Plain(name(node, view))),
    ];
    for (key, value) in lines {
        writeln!(out, "{}: {value}", Plain(key))?;
    }
    out.write_char('\n')
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::*;
    use crate::event::{Admin, Event};
    use crate::report::sample;

    #[test]
    fn each_line_has_the_columns_of_its_head() {
        let mut sample = sample::service();
        sample.on(5, Event::Order(ServerId(1), Admin::Drain));
        let mut out = String::new();
        stat(&sample.node, &sample.view(), &mut out).unwrap();
        let mut lines = out.lines();
        let head: Vec<_> = lines.next().unwrap()[2..].split(',').collect();
        let rows: Vec<Vec<_>> = lines
            .take_while(|line| !line.is_empty())
            .map(|line| line.split(',').collect())
            .collect();
        let shown = |row: &Vec<&str>, key: &str| {
            assert_eq!(row.len(), head.len(), "{row:?}");
            let at = head.iter().position(|name| *name == key).unwrap();
            String::from(row[at])
        };
        let names: Vec<_> = rows.iter().map(|row| row[1]).collect();
        assert_eq!(names, ["FRONTEND", "udst1", "udst2", "BACKEND"]);
        let states: Vec<_> = rows.iter().map(|row| shown(row, "status")).collect();
        assert_eq!(states, ["OPEN", "UP", "DRAIN", "UP"]);
        let kinds: Vec<_> = rows.iter().map(|row| shown(row, "type")).collect();
        assert_eq!(kinds, ["0", "2", "2", "1"]);
        assert_eq!(shown(&rows[3], "act"), "1");
        assert_eq!(shown(&rows[2], "sid"), "2");
        assert!(out.ends_with("\n\n"));
    }

    #[test]
    fn info_is_key_and_value() {
        let sample = sample::service();
        let mut out = String::new();
        info(&sample.node, &sample.view(), &mut out).unwrap();
        assert!(out.starts_with("Name: smena\nVersion: 0.1.0\n"), "{out}");
        assert!(out.contains("\nUptime_sec: 123\n"), "{out}");
    }
}
