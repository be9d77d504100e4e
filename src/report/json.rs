//! Status as one JSON object, for programs. Every member is always there; what
//! is not known is null.

use core::fmt::{self, Display, Write};

use super::{LatestCall, View, age_ms, name};
use crate::event::RouterId;
use crate::node::Node;
use crate::wire::Reject;

/// Writes the object and a line feed.
pub fn json(node: &Node<'_>, view: &View<'_>, out: &mut dyn Write) -> fmt::Result {
    let mut json = Json { out, comma: false };
    let config = node.config();
    json.open('{')?;
    json.key("node")?.text(&name(node, view))?;
    json.key("version")?.text(&view.version)?;
    json.key("uptime_ms")?.number(view.uptime.total_millis())?;
    json.key("loop_lag_us")?.open('{')?;
    json.key("last")?.number(view.lag_last.total_micros())?;
    json.key("max")?.number(view.lag_max.total_micros())?;
    json.close('}')?;
    json.key("standby")?.truth(false)?;

    json.key("vrrp")?.open('[')?;
    for id in (0u8..).take(config.routers.len()).map(RouterId) {
        router(&mut json, node, view, id)?;
    }
    json.close(']')?;
    json.key("checks")?.open('[')?;
    for index in 0..config.checks.len() {
        check(&mut json, node, view, index)?;
    }
    json.close(']')?;
    json.key("services")?.open('[')?.close(']')?;
    json.key("hooks")?.open('[')?;
    for index in 0..config.routers.len() {
        hook(&mut json, node, index)?;
    }
    json.close(']')?;
    json.close('}')?;
    json.out.write_char('\n')
}

fn router(json: &mut Json<'_>, node: &Node<'_>, view: &View<'_>, id: RouterId) -> fmt::Result {
    let config = &node.config().routers[usize::from(id.0)];
    let router = &node.routers()[usize::from(id.0)];
    json.open('{')?;
    json.key("name")?.text(&config.name)?;
    json.key("interface")?.text(&config.interface)?;
    json.key("virtual_router_id")?
        .number(config.virtual_router_id.into())?;
    json.key("version")?
        .number(config.version.number().into())?;
    json.key("family")?.text(&config.family)?;
    json.key("state")?.text(&router.role().name())?;
    json.key("releasing")?.truth(router.releasing())?;
    json.key("base_priority")?.number(config.priority.into())?;
    json.key("priority")?.number(router.priority().into())?;
    json.key("since_ms")?.number(age_ms(view, router.since()))?;
    json.key("reason")?
        .text(&router.reason().display(node.config(), node))?;
    json.key("master")?;
    match router.master() {
        Some(master) => json.text(&master)?,
        None => json.null()?,
    };
    json.key("addresses")?.open('[')?;
    for address in &config.addresses {
        json.text(&format_args!("{}/{}", address.address, address.prefix_len))?;
    }
    json.close(']')?;
    json.key("lease_ms")?
        .number(1000 * u64::from(config.lease_s))?;
    json.key("adverts_sent")?.number(router.adverts_sent())?;
    json.key("adverts_received")?
        .number(router.adverts_received())?;
    json.key("discarded")?.open('{')?;
    for (reject, &count) in Reject::ALL.iter().zip(node.discarded(id)) {
        json.key(reject.name())?.number(count.into())?;
    }
    json.close('}')?;
    json.key("diagnoses")?.open('[')?.close(']')?;
    json.key("transitions")?
        .number(router.transitions().into())?;
    json.close('}')
}

fn check(json: &mut Json<'_>, node: &Node<'_>, view: &View<'_>, index: usize) -> fmt::Result {
    let config = &node.config().checks[index];
    let check = &node.checks()[index];
    json.open('{')?;
    json.key("name")?.text(&config.name)?;
    json.key("kind")?.text(&config.kind.name())?;
    json.key("state")?.text(&check.health().name())?;
    json.key("since_ms")?.number(age_ms(view, check.since()))?;
    json.key("last")?;
    match check.detail() {
        Some(detail) => json.text(&detail)?,
        None => json.null()?,
    };
    json.key("duration_us")?
        .optional(check.duration().map(|took| took.total_micros()))?;
    json.close('}')
}

fn hook(json: &mut Json<'_>, node: &Node<'_>, index: usize) -> fmt::Result {
    let hook = &node.hooks()[index];
    if !hook.configured() {
        return Ok(());
    }
    let latest = LatestCall::of(hook);
    json.open('{')?;
    json.key("vrrp")?.text(&node.config().routers[index].name)?;
    json.key("state")?;
    match latest.state {
        Some(state) => json.text(&state)?,
        None => json.null()?,
    };
    json.key("running")?.truth(latest.running)?;
    json.key("exit")?.optional(latest.exit.map(u64::from))?;
    json.key("duration_ms")?.optional(latest.duration_ms)?;
    json.key("queued")?.number(hook.queued().into())?;
    json.key("runs")?.number(hook.runs().into())?;
    json.close('}')
}

/// Writes values and puts the commas between them.
struct Json<'w> {
    out: &'w mut dyn Write,
    /// A value stands before, so that the next one needs a comma.
    comma: bool,
}

impl Json<'_> {
    /// `{` or `[`.
    fn open(&mut self, bracket: char) -> Result<&mut Self, fmt::Error> {
        self.separate()?;
        self.comma = false;
        self.out.write_char(bracket)?;
        Ok(self)
    }

    fn close(&mut self, bracket: char) -> fmt::Result {
        self.comma = true;
        self.out.write_char(bracket)
    }

    /// A member's name; its value follows.
    fn key(&mut self, name: &str) -> Result<&mut Self, fmt::Error> {
        self.text(&name)?;
        self.comma = false;
        self.out.write_char(':')?;
        Ok(self)
    }

    fn text(&mut self, value: &dyn Display) -> fmt::Result {
        self.separate()?;
        self.out.write_char('"')?;
        write!(Escaped(self.out), "{value}")?;
        self.out.write_char('"')
    }

    fn number(&mut self, value: u64) -> fmt::Result {
        self.separate()?;
        write!(self.out, "{value}")
    }

    fn optional(&mut self, value: Option<u64>) -> fmt::Result {
        match value {
            Some(value) => self.number(value),
            None => self.null(),
        }
    }

    fn truth(&mut self, value: bool) -> fmt::Result {
        self.separate()?;
        self.out.write_str(if value { "true" } else { "false" })
    }

    fn null(&mut self) -> fmt::Result {
        self.separate()?;
        self.out.write_str("null")
    }

    fn separate(&mut self) -> fmt::Result {
        if self.comma {
            self.out.write_char(',')?;
        }
        self.comma = true;
        Ok(())
    }
}

/// Passes text on as the inside of a JSON string (RFC 8259 section 7).
struct Escaped<'w>(&'w mut dyn Write);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.0.write_str(text.get(plain..at).unwrap_or_default())?;
            plain = at + 1;
            match byte {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                _ => write!(self.0, "\\u{byte:04x}")?,
            }
        }
        self.0.write_str(text.get(plain..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use crate::report::sample::{self, Sample};

    fn written(sample: &Sample) -> String {
        let mut out = String::new();
        json(&sample.node, &sample.view(), &mut out).unwrap();
        out
    }

    #[test]
    fn nothing_configured() {
        let expected = concat!(
            r#"{"node":"host-a","version":"0.1.0","uptime_ms":123456,"#,
            r#""loop_lag_us":{"last":40,"max":900},"standby":false,"#,
            r#""vrrp":[],"checks":[],"services":[],"hooks":[]}"#,
            "\n"
        );
        assert_eq!(written(&sample::empty()), expected);
    }

    /// Before any result everything that is not known is null.
    #[test]
    fn before_the_first_result() {
        let expected = concat!(
            r#"{"node":"gw-a","version":"0.1.0","uptime_ms":123456,"#,
            r#""loop_lag_us":{"last":40,"max":900},"standby":false,"vrrp":["#,
            r#"{"name":"VI_01","interface":"eth0","virtual_router_id":51,"version":2,"#,
            r#""family":"ipv4","state":"INIT","releasing":false,"base_priority":101,"#,
            r#""priority":101,"since_ms":0,"reason":"not started yet","master":null,"#,
            r#""addresses":["192.168.0.49/24","10.0.0.49/32"],"lease_ms":2000,"#,
            r#""adverts_sent":0,"adverts_received":0,"discarded":{"ip-header":0,"#,
            r#""fragment":0,"own":0,"ttl":0,"version":0,"length":0,"checksum":0,"vrid":0,"#,
            r#""type":0,"count":0,"destination":0,"source":0,"auth-type":0,"auth-data":0,"#,
            r#""interval":0,"stale":0,"hmac":0,"replayed":0},"#,
            r#""diagnoses":[],"transitions":0}],"#,
            r#""checks":[{"name":"haproxy","kind":"process","state":"unknown","since_ms":0,"#,
            r#""last":null,"duration_us":null}],"services":[],"#,
            r#""hooks":[{"vrrp":"VI_01","state":null,"running":false,"exit":null,"#,
            r#""duration_ms":null,"queued":0,"runs":0}]}"#,
            "\n"
        );
        assert_eq!(written(&sample::new()), expected);
    }

    #[test]
    fn a_master_with_its_check_and_hook() {
        let expected = concat!(
            r#"{"node":"gw-a","version":"0.1.0","uptime_ms":123456,"#,
            r#""loop_lag_us":{"last":40,"max":900},"standby":false,"vrrp":["#,
            r#"{"name":"VI_01","interface":"eth0","virtual_router_id":51,"version":2,"#,
            r#""family":"ipv4","state":"MASTER","releasing":false,"base_priority":101,"#,
            r#""priority":103,"since_ms":900,"reason":"no advert for 3598 ms from anybody","#,
            r#""master":"192.168.0.11","addresses":["192.168.0.49/24","10.0.0.49/32"],"#,
            r#""lease_ms":2000,"adverts_sent":1,"adverts_received":0,"discarded":{"#,
            r#""ip-header":1,"fragment":0,"own":0,"ttl":0,"version":0,"length":0,"#,
            r#""checksum":0,"vrid":0,"type":0,"count":0,"destination":0,"source":0,"#,
            r#""auth-type":0,"auth-data":0,"interval":0,"stale":0,"hmac":0,"replayed":0},"#,
            r#""diagnoses":[],"transitions":2}],"#,
            r#""checks":[{"name":"haproxy","kind":"process","state":"up","since_ms":4498,"#,
            r#""last":"2 \"odd\\\u001b\" processes","duration_us":140}],"services":[],"#,
            r#""hooks":[{"vrrp":"VI_01","state":"MASTER","running":false,"exit":0,"#,
            r#""duration_ms":12,"queued":0,"runs":2}]}"#,
            "\n"
        );
        assert_eq!(written(&sample::master()), expected);
    }
}
