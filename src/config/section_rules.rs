//! The rules that tie the keys of one section together. They are applied at
//! its end, when all of it is known.

use super::diagnostic::{Argument, template};
use super::model::{Release, Router};
use super::reader::{LEASE_AUTO, Reader};
use crate::Duration;
use crate::protocol::{Family, Version};

const SECOND: Duration = Duration::from_secs(1);

impl Reader<'_, '_> {
    /// The end of a `[vrrp]` section.
    #[inline(never)]
    pub(super) fn end_router(&mut self) {
        self.check_family();
        self.check_version();
        self.check_keys();
        self.check_unicast();
        self.check_preemption();
        self.check_lease();
        self.check_hooks();
        let router = core::mem::replace(&mut self.router, Router::blank());
        let room = self.limits.routers;
        if self.config.routers.len() >= room || self.config.routers.push(router).is_err() {
            self.no_room(self.header, "[vrrp] sections", room, "routers");
        }
    }

    /// All addresses that adverts list are of one family, which is the router's.
    fn check_family(&mut self) {
        let excluded = self.router.addresses.first();
        let listed = self.router.advertised().next();
        let Some(first) = listed.or(excluded) else {
            // Another mistake may be all that is wrong with the lines.
            let said = self.said("address") || self.said("excluded_address");
            if !said && !self.said("notify") {
                self.findings.error(
                    self.header,
                    template!(
                        "{0} has neither `address` nor `notify`",
                        "add a line such as `address = 192.0.2.1/24`"
                    ),
                    &[self.section()],
                );
            }
            return;
        };
        let (family, advertised) = (Family::of(&first.address), listed.is_some());
        if !self.given("family") {
            self.router.family = family;
        } else if advertised && self.router.family != family {
            self.findings.error(
                self.value_of("family"),
                template!("the addresses have another family", "remove the line"),
                &[],
            );
        }
    }

    fn check_version(&mut self) {
        let (interval, family) = (self.router.advert_int, self.router.family);
        match family {
            Family::Ipv4 => {}
            Family::Ipv6 if self.given("version") && self.router.version == Version::V2 => {
                let template = template!(
                    "version 2 has no IPv6",
                    "write `version = 3`, or remove the line"
                );
                self.findings.error(self.value_of("version"), template, &[]);
                return;
            }
            Family::Ipv6 => self.router.version = Version::V3,
        }
        let micros = interval.total_micros();
        let (fits, template) = match self.router.version {
            Version::V2 => (
                micros.is_multiple_of(SECOND.total_micros()),
                template!(
                    "version {0} has no `advert_int` of {1}",
                    "write whole seconds, or `version = 3` on both nodes"
                ),
            ),
            Version::V3 => (
                micros <= 40_950_000 && micros.is_multiple_of(10_000),
                template!(
                    "version {0} has no `advert_int` of {1}",
                    "write a multiple of 10ms, up to 40.95s"
                ),
            ),
        };
        let version = Argument::Number(self.router.version.number().into());
        if !fits {
            self.findings.error(
                self.value_of("advert_int"),
                template,
                &[version, Argument::Time(interval)],
            );
        }
        if self.router.auth_pass.is_some() && self.router.version == Version::V3 {
            self.findings.error(
                self.value_of("auth_pass"),
                template!(
                    "version 3 has no password",
                    "remove the line, or use `version = 2` with IPv4"
                ),
                &[],
            );
        }
    }

    fn check_preemption(&mut self) {
        if self.router.preempt {
            return;
        }
        if self.router.priority == 255 {
            self.findings.error(
                self.value_of("preempt"),
                template!(
                    "the owner of the addresses (priority 255) always preempts",
                    "use a priority up to 254, or remove the line"
                ),
                &[],
            );
        }
        if self.router.preempt_delay > Duration::ZERO {
            self.findings.error(
                self.value_of("preempt_delay"),
                template!(
                    "`preempt_delay` without preemption",
                    "remove it, or `preempt = no`"
                ),
                &[],
            );
        }
    }

    /// What a hook is told to do, there must be one for.
    fn check_hooks(&mut self) {
        if self.said("notify") {
            return;
        }
        if self.router.release == Release::AfterHook && !self.said("resource") {
            self.findings.error(
                self.value_of("release"),
                template!(
                    "`release = after-hook` without a hook",
                    "add `notify = COMMAND` or a `resource`, or use `overlap`"
                ),
                &[],
            );
        }
        for key in [
            "notify_settle",
            "notify_overtake",
            "notify_again",
            "reconcile",
        ] {
            let counts = key == "notify_overtake" && self.said("resource");
            if self.given(key) && !counts {
                self.findings.error(
                    self.value_of(key),
                    template!(
                        "`{0}` without `notify`",
                        "add `notify = COMMAND`, or remove it"
                    ),
                    &[Argument::Text(key)],
                );
            }
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
            self.findings.error(
                self.value_of("lease"),
                template!(
                    "the lease ends before the next advert renews it",
                    "make it longer than `advert_int`, which is {0}"
                ),
                &[Argument::Time(interval)],
            );
        }
    }
}
