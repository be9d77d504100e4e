//! The second layer of the reader: from what was said to what it means, one
//! section after the other. The table says what may be said; here it is looked
//! up, and what is unknown, twice or too much is told.

use heapless::Vec;

use super::diagnostic::{Argument, Findings, Source, Template, Told, template};
use super::foreign::{advice, alias, begins, foreign};
use super::machine::Interface;
use super::model::{AuthMode, Check, CheckKind, Config, Notify, Release, Router, Sysctl};
use super::service::Service;
use super::statement::{Flaw, LINE_MAX, NO_ENTRY, Statement, Statements, find};
use super::table::{Absence, Key, SECTIONS, Section, Value};
use super::value;
use super::words::Words;
use super::{Limits, check_entry, service_entry, suggest};
use crate::board;
use crate::protocol::{Family, Version};

/// `lease = auto` until the interval is known.
pub(super) const LEASE_AUTO: u32 = u32::MAX;

/// A track line's weight until its check is known.
pub(super) const WEIGHT_ABSENT: i16 = i16::MIN;

/// A file on its way to becoming a configuration.
pub(super) struct Reader<'c, 'a> {
    pub source: Source<'a>,
    pub limits: &'c Limits,
    pub config: &'c mut Config<'a>,
    pub findings: Findings<'a>,
    /// The names of all checks, which track lines may name before they come.
    pub check_names: Vec<&'a str, { board::CHECKS_MAX }>,
    /// The names of all services, for the same reason.
    pub service_names: Vec<&'a str, { board::SERVICES_MAX }>,
    /// Every interface that is named, once.
    pub interfaces: Vec<&'a str, { board::INTERFACES_MAX }>,
    /// The section that is being read; `None` when it is an unknown one.
    section: Option<&'static Section>,
    /// Its brackets with what is in them.
    pub header: &'a str,
    pub name: &'a str,
    /// One bit for each of its keys that was said.
    said: u64,
    /// One bit for each of these whose value was accepted.
    given: u64,
    /// What a `[vrrp]` section becomes.
    pub router: Router<'a>,
    /// What a `[check]` section becomes.
    pub check: Check<'a>,
    /// What an `[interface]` section becomes.
    pub interface: Interface<'a>,
    /// What some kinds of check are told besides.
    pub ask: check_entry::Asking<'a>,
    /// What a `[service]` section becomes.
    pub service: Service<'a>,
    /// Where listeners and servers stand.
    pub places: service_entry::Places,
}

impl<'c, 'a> Reader<'c, 'a> {
    /// `config` is emptied.
    pub fn new(source: Source<'a>, limits: &'c Limits, config: &'c mut Config<'a>) -> Self {
        config.clear();
        Reader {
            source,
            limits,
            config,
            findings: Findings::new(),
            check_names: Vec::new(),
            service_names: Vec::new(),
            interfaces: Vec::new(),
            section: None,
            header: "",
            name: "",
            said: 0,
            given: 0,
            router: Router::blank(),
            check: Check::blank(),
            interface: Interface::BLANK,
            ask: check_entry::Asking::NOTHING,
            service: Service::blank(),
            places: service_entry::Places::NONE,
        }
    }

    /// Reads the whole file; what is wrong with it is in `findings` then.
    #[inline(never)]
    pub fn read(&mut self) {
        if self.source.text.len() > self.limits.file {
            return self.too_long();
        }
        if let Some((word, template)) = foreign(self.source.text) {
            self.findings.error(word, template, &[]);
            return;
        }
        // Names first: a track line may name a check that comes later.
        for statement in Statements::new(self.source.text) {
            // More of them than there is room for are told where they stand.
            let Ok(Statement::Section { kind, name, .. }) = statement else {
                continue;
            };
            if kind == "check" && !self.check_names.contains(&name) {
                let _ = self.check_names.push(name);
            }
            if kind == "service" && !self.service_names.contains(&name) {
                let _ = self.service_names.push(name);
            }
        }
        self.defaults(&SECTIONS[0]);
        let mut empty = true;
        for statement in Statements::new(self.source.text) {
            match statement {
                Ok(Statement::Section { header, kind, name }) => {
                    empty = false;
                    self.end_section();
                    self.begin_section(header, kind, name);
                }
                Ok(Statement::Entry { key, value }) => {
                    // What is wrong with it has been told.
                    let _ = self.entry(key, value);
                }
                Err(flaw) => self.flaw(&flaw),
            }
        }
        self.end_section();
        if empty && !self.findings.has_errors() {
            self.findings.error(
                self.start(),
                template!(
                    "`{0}` has no section",
                    "begin with `[vrrp NAME]`; the manual smena(8) has an example"
                ),
                &[Argument::Text(self.source.file)],
            );
        }
        self.end_file();
    }

    /// A line that is no statement. One without `=` may begin with a key of its
    /// section, in its words or in those of others.
    fn flaw(&mut self, flaw: &Flaw<'a>) {
        let text = str::from_utf8(flaw.at).unwrap_or_default();
        let keys = || self.section.map_or(&[][..], |section| section.keys).iter();
        let begun = keys().filter(|key| begins(text, key.name));
        let key = begun.map(|key| key.name).max_by_key(|name| name.len());
        let key = key.or_else(|| alias(text, &|meant| keys().any(|key| key.name == meant)));
        let (template, argument) = match (key, advice(text)) {
            _ if flaw.template != NO_ENTRY => return self.findings.flaw(flaw),
            (None, None) => return self.findings.flaw(flaw),
            (Some(key), _) => (
                match key.contains('=') {
                    true => template!("neither a section nor `KEY = VALUE`", "write `{0}`"),
                    false => {
                        template!("neither a section nor `KEY = VALUE`", "write `{0} = VALUE`")
                    }
                },
                Argument::Text(key),
            ),
            (None, Some(advice)) => (
                template!("neither a section nor `KEY = VALUE`", "{0}"),
                Argument::Fixed(advice),
            ),
        };
        self.findings.error(text, template, &[argument]);
    }

    /// A file that is too long may have been cut by whoever read it, so only what
    /// made it long is looked for.
    fn too_long(&mut self) {
        let room = self.limits.file;
        self.no_room(self.start(), "bytes of configuration", room, "file");
        for statement in Statements::new(self.source.text) {
            match statement {
                Err(flaw) if flaw.at.len() > LINE_MAX => self.findings.flaw(&flaw),
                _ => {}
            }
        }
    }

    /// A place for what is wrong with the file as a whole.
    fn start(&self) -> &'a str {
        let start = self.source.text.get(..0).unwrap_or_default();
        str::from_utf8(start).unwrap_or_default()
    }

    /// More of something than the board has room for.
    pub fn no_room(&mut self, at: &'a str, what: &'a str, room: usize, capacity: &'a str) -> Told {
        self.findings.error(
            at,
            template!(
                "too many {1}: there is room for {0}",
                "`{2}` in board.ini is the limit: raise it there and build again"
            ),
            &[
                Argument::Number(room as i64),
                Argument::Text(what),
                Argument::Text(capacity),
            ],
        )
    }

    /// Notes that this interface is named at this place.
    pub fn note_interface(&mut self, at: &'a str, name: &'a str) -> Result<(), Told> {
        let room = self.limits.interfaces;
        let noted = &mut self.interfaces;
        if !noted.contains(&name) && (noted.len() >= room || noted.push(name).is_err()) {
            return Err(self.no_room(at, "interfaces", room, "interfaces"));
        }
        Ok(())
    }

    /// The section that is being read, as its brackets say it.
    pub fn section(&self) -> Argument<'a> {
        Argument::Text(self.header)
    }

    /// Whether a key of this section was written.
    pub fn said(&self, name: &str) -> bool {
        self.said & self.bit(name) != 0
    }

    /// Whether a key of this section was written, and its value was good.
    pub fn given(&self, name: &str) -> bool {
        self.given & self.bit(name) != 0
    }

    /// Those of the first so many keys of this section that were written.
    pub fn said_of_first(&self, keys: usize) -> impl Iterator<Item = &'static str> + use<> {
        let (said, section) = (self.said, self.section);
        let names = section.map_or(&[][..], |section| section.keys).iter();
        let numbered = names.take(keys).enumerate();
        numbered.filter_map(move |(n, key)| (said >> n & 1 == 1).then_some(key.name))
    }

    fn bit(&self, name: &str) -> u64 {
        let keys = self.section.map_or(&[][..], |section| section.keys);
        let index = keys.iter().position(|key| key.name == name);
        index.map_or(0, |index| 1 << index)
    }

    /// The value of a key of this section, where it stands; the header when it
    /// was not written.
    pub fn value_of(&self, key: &str) -> &'a str {
        let kind = self.section.map_or("", |section| section.kind);
        find(self.source.text, kind, self.name, key, 0)
    }

    #[inline(never)]
    fn begin_section(&mut self, header: &'a str, kind: &'a str, name: &'a str) {
        self.header = header;
        self.name = name;
        self.said = 0;
        self.given = 0;
        self.section = SECTIONS.iter().find(|section| section.kind == kind);
        let Some(section) = self.section else {
            return self.unknown_section(kind);
        };
        let first = find(self.source.text, kind, name, "", 0);
        if self.source.offset(first.as_bytes()) < self.source.offset(header.as_bytes()) {
            let line = self.source.line(first.as_bytes());
            self.findings.error(
                header,
                template!(
                    "{0} is there twice",
                    "the first is in line {1}: join them, or rename one"
                ),
                &[self.section(), Argument::Number(line.into())],
            );
        }
        let wrong: Option<&Template> = match (section.named, name) {
            (true, "") => Some(template!("[{0}] has no name", "write `[{0} NAME]`")),
            (false, "") => None,
            (false, _) => Some(template!("[{0}] takes no name", "write `[{0}]`")),
            (true, _) => {
                let _ = value::name(&mut self.findings, name);
                None
            }
        };
        if let Some(template) = wrong {
            self.findings
                .error(header, template, &[Argument::Text(kind)]);
        }
        if kind == "check" && matches!(name, "interface" | "service") {
            self.findings.error(
                name,
                template!(
                    "no check may be called `{0}`",
                    "in a track line the word has a meaning of its own"
                ),
                &[Argument::Text(name)],
            );
        }
        // All are blank: the end of the section before took what was read.
        self.router.name = name;
        self.check.name = name;
        self.service.name = name;
        self.service.listeners.first = self.config.listeners.len() as u8;
        self.service.servers.first = self.config.servers.len() as u8;
        self.interface.name = name;
        if kind != "node" {
            self.defaults(section);
        }
    }

    fn unknown_section(&mut self, kind: &'a str) {
        let known = || SECTIONS.iter().map(|section| section.kind);
        let meant = alias(kind, &|meant| known().any(|kind| kind == meant));
        let meant = meant.or_else(|| suggest::nearest(kind, &mut known()));
        let argument = match advice(kind) {
            Some(advice) => Argument::Fixed(advice),
            None => Argument::Text(meant.unwrap_or_default()),
        };
        let template = match (meant, argument) {
            (_, Argument::Fixed(_)) => template!("unknown section [{0}]", "{1}"),
            (Some(_), _) => template!("unknown section [{0}]", "did you mean `{1}`?"),
            (None, _) => template!(
                "unknown section [{0}]",
                "there are [node], [vrrp NAME], [group NAME], [check NAME], [service NAME], [interface NAME], [init] and [sysctl]"
            ),
        };
        self.findings
            .error(kind, template, &[Argument::Text(kind), argument]);
    }

    /// Sets what holds as long as nothing else is said.
    fn defaults(&mut self, section: &'static Section) {
        for key in section.keys {
            if let Absence::Text(text) = key.default() {
                let result = self.set(key, text);
                assert!(result.is_ok(), "a default of the table is refused");
            }
        }
    }

    #[inline(never)]
    fn entry(&mut self, name: &'a str, value: &'a str) -> Result<(), Told> {
        let Some(section) = self.section else {
            // The entries of an unknown section are not looked at.
            return match self.header {
                "" => Err(self.findings.error(
                    name,
                    template!(
                        "`{0}` stands before the first section",
                        "write a section such as `[node]` above it"
                    ),
                    &[Argument::Text(name)],
                )),
                _ => Ok(()),
            };
        };
        if section.keys.is_empty() {
            return self.sysctl(name, value);
        }
        let Some(index) = section.keys.iter().position(|key| key.name == name) else {
            return Err(self.unknown_key(section, name));
        };
        let key = &section.keys[index];
        if self.said >> index & 1 == 1 && !key.plural {
            return Err(self.twice(name));
        }
        self.said |= 1 << index;
        self.set(key, value)?;
        self.given |= 1 << index;
        Ok(())
    }

    fn twice(&mut self, name: &'a str) -> Told {
        let line = self.source.line(self.value_of(name).as_bytes());
        self.findings.error(
            name,
            template!(
                "`{0}` is there twice in {1}",
                "the first is in line {2}: remove one"
            ),
            &[
                Argument::Text(name),
                self.section(),
                Argument::Number(line.into()),
            ],
        )
    }

    fn unknown_key(&mut self, section: &Section, name: &'a str) -> Told {
        if section.later.contains(&name) {
            return self.findings.error(
                name,
                template!(
                    "this version of smena has no `{0}` yet",
                    "remove it, or use a version that has it"
                ),
                &[Argument::Text(name)],
            );
        }
        if section.kind == "service"
            && let Some(template) = service_entry::foreign(name)
        {
            return self.findings.error(name, template, &[Argument::Text(name)]);
        }
        let known = |section: &Section, name: &str| section.keys.iter().any(|k| k.name == name);
        let names = || section.keys.iter().map(|key| key.name);
        let meant = alias(name, &|meant| known(section, meant));
        let meant = meant.or_else(|| suggest::nearest(name, &mut names()));
        let other = SECTIONS.iter().find(|section| known(section, name));
        let (template, argument) = match (advice(name), meant, other) {
            (Some(advice), ..) => (
                template!("unknown key `{0}` in {1}", "{2}"),
                Argument::Fixed(advice),
            ),
            (_, _, Some(other)) => (
                template!("unknown key `{0}` in {1}", "it is a key of [{2}]"),
                Argument::Text(other.kind),
            ),
            (_, Some(meant), None) => (
                template!("unknown key `{0}` in {1}", "did you mean `{2}`?"),
                Argument::Text(meant),
            ),
            (None, None, None) => (
                template!(
                    "unknown key `{0}` in {1}",
                    "see `man smena` for the keys there are"
                ),
                Argument::Text(""),
            ),
        };
        let arguments = [Argument::Text(name), self.section(), argument];
        self.findings.error(name, template, &arguments)
    }

    /// Reads a value and puts it where it belongs.
    fn set(&mut self, key: &'static Key, value: &'a str) -> Result<(), Told> {
        let f = &mut self.findings;
        match key.value {
            Value::Number(min, max, set) => {
                let number = value::number(f, value, key.name, min, max)?;
                set(self, number);
            }
            Value::Time(min, max, set) => {
                let time = value::time(f, value, key.name, min, max)?;
                set(self, time);
            }
            Value::Switch(set) => {
                let on = value::switch(f, value)?;
                set(self, on);
            }
            Value::Choice(words, set) => {
                let index = value::choice(f, value, key.name, words)?;
                set(self, index);
            }
            Value::Name(set) => {
                let name = value::name(f, value)?;
                set(self, name);
            }
            Value::Path(set) => {
                let path = value::path(f, value)?;
                set(self, path);
            }
            Value::Words(set) => set(self, Words(value)),
            Value::Own(read) => read(self, value)?,
        }
        Ok(())
    }

    /// A line of `[sysctl]`: the key is the name of the setting.
    fn sysctl(&mut self, name: &'a str, value: &'a str) -> Result<(), Told> {
        if self.config.sysctls.iter().any(|other| other.name == name) {
            return Err(self.twice(name));
        }
        let value = value::text(&mut self.findings, value)?;
        let name = value::sysctl(&mut self.findings, name)?;
        let room = self.limits.sysctls;
        let sysctls = &mut self.config.sysctls;
        if sysctls.len() >= room || sysctls.push(Sysctl { name, value }).is_err() {
            return Err(self.no_room(name, "lines of [sysctl]", room, "sysctls"));
        }
        Ok(())
    }

    fn end_section(&mut self) {
        let Some(section) = self.section else {
            return;
        };
        for (index, key) in section.keys.iter().enumerate() {
            if let Absence::Required(example) = key.default()
                && self.said >> index & 1 == 0
            {
                self.findings.error(
                    self.header,
                    template!("{0} has no `{1}`", "add a line such as `{1} = {2}`"),
                    &[
                        self.section(),
                        Argument::Text(key.name),
                        Argument::Text(example),
                    ],
                );
            }
        }
        match section.kind {
            "vrrp" => self.end_router(),
            "check" => self.end_check(),
            "group" => self.end_group(),
            "service" => self.end_service(),
            "interface" => self.end_interface(),
            _ => {}
        }
    }
}

impl Router<'_> {
    /// Nothing said; the table's defaults come over it.
    // It is large, so it is built in one place.
    #[inline(never)]
    pub(super) fn blank() -> Self {
        Router {
            name: "",
            interface: "",
            virtual_router_id: 0,
            version: Version::V2,
            family: Family::Ipv4,
            priority: 0,
            advert_int: crate::Duration::ZERO,
            addresses: Vec::new(),
            preempt: false,
            preempt_delay: crate::Duration::ZERO,
            startup_delay: crate::Duration::ZERO,
            takeover_probe: crate::Duration::ZERO,
            auth_pass: None,
            keys: Vec::new(),
            auth_mode: AuthMode::Enforce,
            auth_monotonic: false,
            unicast_src_ip: None,
            peers: Vec::new(),
            checksum: None,
            vmac: false,
            garp_master_delay: crate::Duration::ZERO,
            garp_master_repeat: 0,
            garp_master_refresh: crate::Duration::ZERO,
            lease_s: 0,
            release: Release::Overlap,
            tracks: Vec::new(),
            group: None,
            resources: Vec::new(),
            notify: Notify::NOTHING,
            state_file: None,
        }
    }
}

impl Check<'_> {
    /// Nothing said; the table's defaults come over it.
    pub(super) fn blank() -> Self {
        Check {
            name: "",
            kind: CheckKind::Exec(Words("")),
            interval: crate::Duration::ZERO,
            timeout: crate::Duration::ZERO,
            rise: 0,
            fall: 0,
            weight: 0,
            reverse: false,
        }
    }
}
