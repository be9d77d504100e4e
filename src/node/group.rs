//! Groups: routers that move together, such as the inside and the outside
//! address of one gateway. keepalived's `vrrp_sync_group`:
//!
//! - one that cannot run keeps all from running;
//! - one that ceases to be master takes all along;
//! - all become master in one moment, when the election of each says so.
//!
//! After each event a group is brought together again; between events its
//! members are all master or none is, but for a planned stop, where each hands
//! over by itself as its successor is heard.

use log::Level;

use super::{Node, Phase, fits, note};
use crate::event::{Action, Actions, HookState, RouterId, Subject};
use crate::vrrp::{Readiness, Reason, Role, Router};
use crate::{Duration, Instant};

/// A group and what its members are together.
#[derive(Debug)]
pub struct Group<'a> {
    /// Its name, as the `group` lines say it.
    pub name: &'a str,
    /// `None`: not known yet, or it waits.
    state: Option<HookState>,
    /// It changed since it was last told, from this.
    news: Option<Option<HookState>>,
}

impl Group<'_> {
    /// What a hook would be told now; nothing while the group waits.
    pub fn state(&self) -> Option<HookState> {
        self.state
    }
}

impl<'a> Node<'a> {
    /// The groups, in the order in which the file names them.
    pub fn groups(&self) -> &[Group<'a>] {
        &self.groups
    }

    /// The routers of a group.
    pub fn members(&self, group: usize) -> impl Iterator<Item = RouterId> {
        let groups = (0u8..).map(RouterId).zip(&self.router_groups);
        groups
            .filter(move |(_, of)| **of == Some(group as u8))
            .map(|(id, _)| id)
    }

    /// The number of a group of this name, new if it was not named before.
    pub(super) fn name_group(&mut self, name: &'a str) -> u8 {
        let known = self.groups.iter().position(|group| group.name == name);
        let number = known.unwrap_or(self.groups.len());
        if known.is_none() {
            let group = Group {
                name,
                state: None,
                news: None,
            };
            fits(self.groups.push(group).is_ok());
        }
        number as u8
    }

    /// The routers of a group have one patience at a hand-over, the longest.
    pub(super) fn share_patience(&mut self) {
        for group in 0..self.groups.len() as u8 {
            let mut longest = Duration::ZERO;
            // What the first round finds, the second one gives to all.
            for _ in 0..2 {
                let members = self.routers.iter_mut().zip(&self.router_groups);
                for (router, _) in members.filter(|(_, of)| **of == Some(group)) {
                    longest = router.wait_for_successor(longest);
                }
            }
        }
    }

    /// Brings each group together again, after an event.
    pub(super) fn move_groups(&mut self, now: Instant, actions: &mut Actions) {
        for group in 0..self.groups.len() {
            if self.phase == Phase::Running {
                self.share_obstacles(now, group, actions);
                self.move_together(now, group, actions);
            }
            self.look_at_group(group);
        }
    }

    /// What keeps one member from running keeps the others as well.
    fn share_obstacles(&mut self, now: Instant, group: usize, actions: &mut Actions) {
        for index in 0..self.routers.len() {
            if self.router_groups[index] != Some(group as u8) {
                continue;
            }
            let others = self.members(group).filter(|id| usize::from(id.0) != index);
            let company = others.fold(Readiness::Ready, |company, id| {
                company.and(match self.routers[usize::from(id.0)].obstacle() {
                    Readiness::Ready => Readiness::Ready,
                    Readiness::Waiting(_) => Readiness::Waiting(Reason::HeldByGroup(id)),
                    Readiness::Unable(_) => Readiness::Unable(Reason::HeldByGroup(id)),
                })
            });
            self.routers[index].on_company(now, company, actions);
        }
    }

    /// All are master, or none is.
    #[inline(never)]
    fn move_together(&mut self, now: Instant, group: usize, actions: &mut Actions) {
        let is_master = |router: &Router| router.role() == Role::Master;
        let apart = |id: &RouterId| !is_master(&self.routers[usize::from(id.0)]);
        let reluctant = |id: &RouterId| apart(id) && !self.routers[usize::from(id.0)].willing();
        let leader = self.members(group).find(reluctant);
        let were_master = self.members(group).any(|id| !apart(&id));
        for index in 0..self.routers.len() {
            if self.router_groups[index] != Some(group as u8) {
                continue;
            }
            match leader {
                None => self.routers[index].take_over(now, actions),
                Some(member) => self.routers[index].follow(now, member, actions),
            }
        }
        if let (Some(member), true) = (leader, were_master) {
            self.give_way(group, member);
        }
    }

    /// Two groups of equal priorities, of which each has the higher address on
    /// one side, would take over, tie and give up in step for ever. So the one
    /// that lost on the side of the lowest id lets the other go first.
    fn give_way(&mut self, group: usize, loser: RouterId) {
        let configs = &self.config.routers;
        let number = |id: &RouterId| configs[usize::from(id.0)].virtual_router_id;
        let decisive = self.members(group).min_by_key(number);
        let reason = self.routers[usize::from(loser.0)].reason();
        if decisive != Some(loser) || !matches!(reason, Reason::HigherAddress(..)) {
            return;
        }
        let members = self.routers.iter_mut().zip(&self.router_groups);
        for (router, of) in members {
            if *of == Some(group as u8) {
                router.stand_back();
            }
        }
    }

    /// What the members are together.
    fn look_at_group(&mut self, group: usize) {
        let members = || {
            self.members(group)
                .map(|id| &self.routers[usize::from(id.0)])
        };
        let any = |role: Role| members().any(|router| router.role() == role);
        let state = if members().all(Router::stopped) {
            Some(HookState::Stop)
        } else if self.phase != Phase::Running {
            // A stop is under way; it is told when it is complete.
            return;
        } else if any(Role::Fault) {
            Some(HookState::Fault)
        } else if any(Role::Initialize) {
            None
        } else if any(Role::Backup) {
            Some(HookState::Backup)
        } else {
            Some(HookState::Master)
        };
        let group = &mut self.groups[group];
        if state != group.state {
            group.news = Some(core::mem::replace(&mut group.state, state));
        }
    }

    /// A router of a group that is what the group is, if one is: whose reason
    /// and master are told as the group's.
    pub fn speaker(&self, group: u8) -> Option<&Router> {
        let state = self.groups.get(usize::from(group))?.state;
        let members = self.members(group.into());
        let mut routers = members.map(|id| &self.routers[usize::from(id.0)]);
        routers.find(|router| router.hook_state() == state)
    }

    /// Carries each change of a group to its hook, into the log and to the FIFO.
    pub(super) fn tell_groups(&mut self, now: Instant, actions: &mut Actions) {
        let fifo = self.config.node.notify_fifo.is_some();
        let (_, hooks) = self.hooks.split_at_mut(self.routers.len());
        let mut hooks = hooks.iter_mut();
        for (number, group) in (0u8..).zip(&mut self.groups) {
            // Those that have a hook come first.
            let hook = hooks.next();
            if group.news.take().is_none() {
                continue;
            }
            match (hook, group.state) {
                (Some(hook), Some(state)) if self.phase != Phase::Abandoning => {
                    hook.on_change(now, state, 0, actions);
                }
                (Some(hook), None) => hook.on_wait(),
                _ => {}
            }
            match group.state {
                Some(_) if fifo => actions.push(Action::TellFifo(Subject::Group(number))),
                _ => {}
            }
            match group.state {
                Some(state) => note(
                    Level::Info,
                    group.name,
                    format_args!("the group is {state}"),
                ),
                None => note(Level::Info, group.name, format_args!("the group waits")),
            }
        }
    }
}
