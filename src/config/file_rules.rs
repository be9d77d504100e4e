//! The rules that need more than one section. They are applied at the end of
//! the file.

use super::diagnostic::{Argument, template};
use super::model::Tracked;
use super::reader::{Reader, WEIGHT_ABSENT};
use super::statement::find;

impl Reader<'_, '_> {
    /// The end of the file: everything that needs more than one section.
    #[inline(never)]
    pub(super) fn end_file(&mut self) {
        self.resolve_weights();
        self.check_routers();
        self.check_loops();
        if self.findings.has_errors() {
            // A mistake elsewhere would be told once more here.
            return;
        }
        self.check_groups();
        self.check_owners();
        self.check_use();
        self.check_readers();
    }

    /// A file with secrets is not for everybody.
    fn check_readers(&mut self) {
        if !self.source.others_can_read {
            return;
        }
        let secret = self.config.routers.iter().find_map(|router| {
            let pass = router
                .auth_pass
                .map(|_| ("auth_pass", "which has a password"));
            let key = router.keys.first();
            let secret = pass.or(key.map(|_| ("auth_hmac", "which has a secret key")))?;
            Some((router.name, secret))
        });
        if let Some((name, (key, what))) = secret {
            self.findings.warning(
                find(self.source.text, "vrrp", name, key, 0),
                template!(
                    "everybody can read `{0}`, {1}",
                    "`chmod o-r {0}` changes that"
                ),
                &[Argument::Text(self.source.file), Argument::Text(what)],
            );
        }
    }

    /// A track line without a weight has the check's.
    fn resolve_weights(&mut self) {
        for router in &mut self.config.routers {
            for track in &mut router.tracks {
                if track.weight == WEIGHT_ABSENT {
                    let check = match track.what {
                        Tracked::Check(index) => self.config.checks.get(usize::from(index)),
                        Tracked::Interface(_) | Tracked::Service(_) => None,
                    };
                    track.weight = check.map_or(0, |check| check.weight);
                }
            }
        }
    }

    /// An owner's priority never changes.
    fn check_owners(&mut self) {
        let owners = self.config.routers.iter().filter(|r| r.priority == 255);
        for router in owners {
            if let Some(nth) = router.tracks.iter().position(|track| track.weight != 0) {
                self.findings.warning(
                    find(self.source.text, "vrrp", router.name, "track", nth),
                    template!(
                        "no weight changes the priority 255 of an owner",
                        "use a priority up to 254, or weight 0"
                    ),
                    &[],
                );
            }
        }
    }

    /// What no two routers of a node may share.
    fn check_routers(&mut self) {
        let text = self.source.text;
        for (index, router) in self.config.routers.iter().enumerate() {
            let (before, _) = self.config.routers.split_at(index);
            for other in before {
                let same_id = router.virtual_router_id == other.virtual_router_id
                    && router.interface == other.interface
                    && router.family == other.family;
                let header = Argument::Text(find(text, "vrrp", other.name, "", 0));
                if same_id && router.virtual_router_id != 0 && !router.interface.is_empty() {
                    self.findings.error(
                        find(text, "vrrp", router.name, "virtual_router_id", 0),
                        template!(
                            "{0} on `{1}` has this `virtual_router_id` already",
                            "each router of an interface and family needs its own"
                        ),
                        &[header, Argument::Text(other.interface)],
                    );
                }
                if router.state_file.is_some() && router.state_file == other.state_file {
                    self.findings.error(
                        find(text, "vrrp", router.name, "state_file", 0),
                        template!(
                            "{0} has this `state_file` already",
                            "each router needs its own"
                        ),
                        &[header],
                    );
                }
                let shared = router.addresses.iter().position(|address| {
                    other.addresses.iter().any(|theirs| {
                        address.address == theirs.address
                            && router.carrier(address) == other.carrier(theirs)
                    })
                });
                if let Some(nth) = shared {
                    self.findings.error(
                        router.line_of(text, nth),
                        template!(
                            "{0} has this address already",
                            "remove one: only one router can decide where it is"
                        ),
                        &[header],
                    );
                }
            }
        }
    }

    /// What was defined and then forgotten.
    fn check_use(&mut self) {
        for (index, check) in self.config.checks.iter().enumerate() {
            let mut tracks = self.config.routers.iter().flat_map(|router| &router.tracks);
            if !tracks.any(|track| track.what == Tracked::Check(index as u8)) {
                let header = find(self.source.text, "check", check.name, "", 0);
                self.findings.warning(
                    header,
                    template!(
                        "nothing tracks {0}",
                        "add `track = {1}` to a [vrrp] section, or remove it"
                    ),
                    &[Argument::Text(header), Argument::Text(check.name)],
                );
            }
        }
    }
}
