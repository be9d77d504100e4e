//! The rules that tie keys, sections and the whole file together. They are
//! applied at the end of a section and of the file, when everything is known.

use super::diagnostic::{Argument, Problem};
use super::model::{CheckKind, Router};
use super::reader::{LEASE_AUTO, Reader, WEIGHT_ABSENT};
use super::statement::find;
use super::{entry, words::Words};
use crate::Duration;
use crate::protocol::{Family, Version};

const SECOND: Duration = Duration::from_secs(1);

impl<'a> Reader<'_, 'a> {
    /// The end of a `[vrrp]` section.
    pub(super) fn end_router(&mut self) {
        self.check_family();
        self.check_version();
        self.check_preemption();
        self.check_lease();
        let router = core::mem::replace(&mut self.router, Router::blank());
        let room = self.limits.routers;
        if self.config.routers.len() >= room || self.config.routers.push(router).is_err() {
            self.too_many(self.header, "[vrrp] sections", room, "routers");
        }
    }

    /// All addresses of a router are of one family, which is the router's.
    fn check_family(&mut self) {
        let mut families = self.router.addresses.iter().map(|a| Family::of(&a.address));
        let Some(family) = families.next() else {
            return;
        };
        self.router.family = family;
        if let Some(other) = families.position(|other| other != family) {
            self.error(Problem::new(
                self.value("address", other + 1),
                "{0} has IPv4 and IPv6 addresses",
                "a router has one family: move this one to a [vrrp] section of its own",
                &[self.section()],
            ));
        }
        // What fits into one packet of 1500 bytes, and the 8 bits of the count.
        let most = match family {
            Family::Ipv4 => 255,
            Family::Ipv6 => (1500 - 40 - 8) / 16,
        };
        if self.router.addresses.len() > most {
            self.error(Problem::new(
                self.value("address", most),
                "more than {0} addresses do not fit into one advert",
                "move this one and those after it to another [vrrp] section",
                &[Argument::Number(most as i64)],
            ));
        }
    }

    fn check_version(&mut self) {
        let (interval, family) = (self.router.advert_int, self.router.family);
        match family {
            Family::Ipv4 => {}
            Family::Ipv6 if self.given("version") && self.router.version == Version::V2 => {
                return self.error(Problem::new(
                    self.value_of("version"),
                    "version 2 has no IPv6",
                    "write `version = 3`, or remove the line",
                    &[],
                ));
            }
            Family::Ipv6 => self.router.version = Version::V3,
        }
        let micros = interval.total_micros();
        let (fits, hint) = match self.router.version {
            Version::V2 => (
                micros % SECOND.total_micros() == 0,
                "it counts whole seconds, from 1s to 255s; version 3 is finer",
            ),
            Version::V3 => (
                micros <= 40_950_000 && micros % 10_000 == 0,
                "it counts hundredths of a second, from 10ms to 40.95s",
            ),
        };
        let version = Argument::Number(self.router.version.number().into());
        if !fits {
            self.error(Problem::new(
                self.value_of("advert_int"),
                "version {0} has no `advert_int` of {1}",
                hint,
                &[version, Argument::Time(interval)],
            ));
        }
        if self.router.auth_pass.is_some() && self.router.version == Version::V3 {
            self.error(Problem::new(
                self.value_of("auth_pass"),
                "version 3 has no password",
                "remove the line, or use `version = 2` with IPv4",
                &[],
            ));
        }
    }

    fn check_preemption(&mut self) {
        if self.router.preempt {
            return;
        }
        if self.router.priority == 255 {
            self.error(Problem::new(
                self.value_of("preempt"),
                "the owner of the addresses (priority 255) always preempts",
                "use a priority up to 254, or remove the line",
                &[],
            ));
        }
        if self.router.preempt_delay > Duration::ZERO {
            self.error(Problem::new(
                self.value_of("preempt_delay"),
                "`preempt_delay` without preemption",
                "remove it, or `preempt = no`",
                &[],
            ));
        }
    }

    /// The lease ends before anybody else may take over, if whole seconds allow.
    fn check_lease(&mut self) {
        let interval = self.router.advert_int;
        if self.router.lease_s == LEASE_AUTO {
            let micros = (3 * interval.total_micros()).saturating_sub(SECOND.total_micros());
            self.router.lease_s = (micros / SECOND.total_micros()).max(1) as u32;
        } else if self.router.lease_s > 0
            && Duration::from_secs(self.router.lease_s.into()) <= interval
        {
            self.error(Problem::new(
                self.value_of("lease"),
                "the lease ends before the next advert renews it",
                "make it longer than `advert_int`, which is {0}",
                &[Argument::Time(interval)],
            ));
        }
    }

    /// The end of a `[check]` section.
    pub(super) fn end_check(&mut self) {
        match (self.said("process"), self.said("exec")) {
            (true, true) => self.error(Problem::new(
                self.value_of("exec"),
                "{0} has two things to check",
                "a check is either `process` or `exec`: make two of it",
                &[self.section()],
            )),
            (false, false) => self.error(Problem::new(
                self.header,
                "{0} has nothing to check",
                "add `process = NAME` or `exec = COMMAND`",
                &[self.section()],
            )),
            (true, false) if self.shell => self.error(Problem::new(
                self.value_of("shell"),
                "`shell` without `exec`",
                "remove it",
                &[],
            )),
            (true, false) => {}
            (false, true) if self.shell => self.check.kind = CheckKind::Shell(self.exec),
            (false, true) => {
                self.check.kind = CheckKind::Exec(self.exec);
                let hint = "add `shell = yes`, or put quotes around it";
                if let Err(problem) = entry::no_shell_words(self.exec, hint) {
                    self.error(problem);
                } else {
                    self.check_program();
                }
            }
        }
        if !self.given("timeout") {
            self.check.timeout = self.check.interval;
        }
        let check = core::mem::replace(&mut self.check, super::Check::blank());
        let room = self.limits.checks;
        if self.config.checks.len() >= room || self.config.checks.push(check).is_err() {
            self.too_many(self.header, "[check] sections", room, "checks");
        }
        self.exec = Words::new("");
    }

    /// Commands run in `/`, so a path that is neither absolute nor a mere name
    /// is hardly what was meant.
    fn check_program(&mut self) {
        let Some(program) = self.exec.iter().next() else {
            return;
        };
        let mut characters = program.chars();
        if characters.next() != Some('/') && characters.any(|c| c == '/') {
            self.error(Problem::new(
                program.as_written(),
                "the command of `exec` has a relative path",
                "begin it with `/`",
                &[],
            ));
        }
    }

    /// The end of the file: everything that needs more than one section.
    pub(super) fn end_file(&mut self) {
        self.resolve_weights();
        self.check_routers();
        self.check_use();
        let secret = self.config.routers.iter().find(|r| r.auth_pass.is_some());
        if let Some(router) = secret
            && self.source.others_can_read
        {
            self.warning(Problem::new(
                self.find(router.name, "auth_pass", 0),
                "everybody can read `{0}`, which has a password",
                "`chmod o-r {0}` changes that",
                &[Argument::Text(self.source.file)],
            ));
        }
    }

    /// A track line without a weight has the check's.
    fn resolve_weights(&mut self) {
        for router in &mut self.config.routers {
            for track in &mut router.tracks {
                if track.weight == WEIGHT_ABSENT {
                    let check = self.config.checks.get(usize::from(track.check));
                    track.weight = check.map_or(0, |check| check.weight);
                }
            }
        }
        let owners = self.config.routers.iter().filter(|r| r.priority == 255);
        for router in owners {
            if let Some(nth) = router.tracks.iter().position(|track| track.weight != 0) {
                let problem = Problem::new(
                    find(self.source.text, "vrrp", router.name, "track", nth),
                    "no weight changes the priority 255 of an owner",
                    "use a priority up to 254, or weight 0",
                    &[],
                );
                self.findings.add(super::Severity::Warning, problem);
            }
        }
    }

    /// What no two routers of a node may share.
    fn check_routers(&mut self) {
        for index in 0..self.config.routers.len() {
            let (before, rest) = self.config.routers.split_at(index);
            let Some(router) = rest.first() else {
                return;
            };
            for other in before {
                let same_id = router.virtual_router_id == other.virtual_router_id
                    && router.interface == other.interface
                    && router.family == other.family;
                if same_id && router.virtual_router_id != 0 && !router.interface.is_empty() {
                    self.findings.add(
                        super::Severity::Error,
                        Problem::new(
                            find(
                                self.source.text,
                                "vrrp",
                                router.name,
                                "virtual_router_id",
                                0,
                            ),
                            "{0} on `{1}` has this `virtual_router_id` already",
                            "each router of an interface and family needs its own",
                            &[
                                Argument::Section("vrrp", other.name),
                                Argument::Text(other.interface),
                            ],
                        ),
                    );
                }
                let shared = router.addresses.iter().position(|address| {
                    other.addresses.iter().any(|theirs| {
                        address.address == theirs.address
                            && router.carrier(address) == other.carrier(theirs)
                    })
                });
                if let Some(nth) = shared {
                    self.findings.add(
                        super::Severity::Error,
                        Problem::new(
                            find(self.source.text, "vrrp", router.name, "address", nth),
                            "{0} has this address already",
                            "remove one: only one router can decide where it is",
                            &[Argument::Section("vrrp", other.name)],
                        ),
                    );
                }
            }
        }
    }

    /// What was defined and then forgotten.
    fn check_use(&mut self) {
        for (index, check) in self.config.checks.iter().enumerate() {
            let mut tracks = self.config.routers.iter().flat_map(|router| &router.tracks);
            if !tracks.any(|track| usize::from(track.check) == index) {
                let problem = Problem::new(
                    find(self.source.text, "check", check.name, "", 0),
                    "nothing tracks {0}",
                    "add `track = {1}` to a [vrrp] section, or remove it",
                    &[
                        Argument::Section("check", check.name),
                        Argument::Text(check.name),
                    ],
                );
                self.findings.add(super::Severity::Warning, problem);
            }
        }
    }

    fn find(&self, router: &str, key: &str, nth: usize) -> &'a str {
        find(self.source.text, "vrrp", router, key, nth)
    }

    fn value(&self, key: &str, nth: usize) -> &'a str {
        self.find(self.name, key, nth)
    }
}
