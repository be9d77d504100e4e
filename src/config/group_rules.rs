//! The rules about routers of one group. They move together, so what one of
//! them tracks counts for all; each gets the lines of the others.

use super::diagnostic::{Argument, template};
use super::model::{Group, Notify, Track};
use super::reader::Reader;
use super::statement::find;

impl<'a> Reader<'_, 'a> {
    /// The end of a `[group]` section, whose keys were read as a router's.
    pub(super) fn end_group(&mut self) {
        let notify = core::mem::replace(&mut self.router.notify, Notify::NOTHING);
        let (name, room) = (self.name, self.limits.routers);
        let groups = &mut self.config.groups;
        if groups.len() >= room || groups.push(Group { name, notify }).is_err() {
            self.no_room(self.header, "[group] sections", room, "routers");
        }
    }

    /// The end of the file, when every router is known and good.
    pub(super) fn check_groups(&mut self) {
        for group in &self.config.groups {
            let mut members = self.config.routers.iter();
            if !members.any(|router| router.group == Some(group.name)) {
                let header = find(self.source.text, "group", group.name, "", 0);
                self.findings.error(
                    header,
                    template!(
                        "no router is in {0}",
                        "write `group = {1}` in each [vrrp] section that moves with it"
                    ),
                    &[Argument::Text(header), Argument::Text(group.name)],
                );
            }
        }
        for index in 0..self.config.routers.len() {
            let router = &self.config.routers[index];
            let (name, Some(group)) = (router.name, router.group) else {
                continue;
            };
            let mut alone = true;
            for other in (0..self.config.routers.len()).filter(|other| *other != index) {
                if self.config.routers[other].group == Some(group) {
                    alone = false;
                    self.share_tracks(index, other);
                }
            }
            if alone {
                self.findings.warning(
                    find(self.source.text, "vrrp", name, "group", 0),
                    template!(
                        "no other router is in this group",
                        "write the line in each [vrrp] section that moves with it"
                    ),
                    &[],
                );
            }
        }
    }

    /// What `other` tracks counts for the router as well.
    #[inline(never)]
    fn share_tracks(&mut self, index: usize, other: usize) {
        for nth in 0..self.config.routers[other].tracks.len() {
            let theirs = self.config.routers[other].tracks[nth];
            let (name, text) = (self.config.routers[index].name, self.source.text);
            let tracks = &self.config.routers[index].tracks;
            let same = |track: &Track<'_>| track.what == theirs.what;
            match tracks.iter().position(same) {
                Some(nth) if tracks[nth] != theirs && other < index => {
                    let line = find(text, "vrrp", name, "track", nth);
                    if line == find(text, "vrrp", name, "", 0) {
                        // It was not written here, and told where it was.
                        continue;
                    }
                    let theirs = self.config.routers[other].name;
                    let header = find(text, "vrrp", theirs, "", 0);
                    self.findings.error(
                        line,
                        template!(
                            "{0} of the same group counts this otherwise",
                            "what one of a group tracks counts for all: write the same in both"
                        ),
                        &[Argument::Text(header)],
                    );
                }
                Some(_) => {}
                None => {
                    let room = self.limits.tracks;
                    let tracks = &mut self.config.routers[index].tracks;
                    if tracks.len() >= room || tracks.push(theirs).is_err() {
                        let at = find(text, "vrrp", name, "group", 0);
                        self.no_room(at, "track lines in one group", room, "tracks");
                        return;
                    }
                }
            }
        }
    }
}
