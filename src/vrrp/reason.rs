//! Why a router is in the state it is in: one name for each cause, with the
//! facts that it had. Status, hooks and the log show the same sentence.

use core::fmt;
use core::net::IpAddr;

use crate::Duration;
use crate::address::Shown;
use crate::config::Config;
use crate::event::{CheckId, Errno, InterfaceId, RouterId, ServiceId, Verb};
use crate::say::{Number, Plain};

/// The cause of a transition, or what keeps a router from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The node has not begun.
    NotStarted,
    /// `startup_delay` has not passed.
    StartupDelay,
    /// An unweighted check has no result yet.
    CheckPending(CheckId),
    /// An unweighted check fails.
    CheckFailed(CheckId),
    /// No server of an unweighted service has a result yet.
    ServicePending(ServiceId),
    /// No server of an unweighted service takes sessions.
    ServiceDown(ServiceId),
    /// There is no interface of this name.
    InterfaceMissing(InterfaceId),
    /// The interface is down or has no carrier.
    InterfaceDown(InterfaceId),
    /// The interface is up, and should not be.
    InterfaceUp(InterfaceId),
    /// The interface has no address that adverts could come from.
    NoSourceAddress(InterfaceId),
    /// Another host has the address that adverts would come from.
    DuplicateAddress(InterfaceId),
    /// The system refused to set the addresses.
    AddressesRefused(Errno),
    /// A resource of the router failed at this.
    ResourceFailed(RouterId, u8, Verb),
    /// Somebody else removes the addresses again and again.
    AddressesRemoved,
    /// Nothing keeps the router from running: it listens for a master.
    Ready,
    /// It owns the addresses (priority 255), so it does not wait.
    Owner,
    /// The master was silent this long; `None`: there never was one.
    NoAdvert(Duration, Option<IpAddr>),
    /// The master gave up (priority 0).
    MasterLeft(IpAddr),
    /// The master had this lower priority, and we preempt.
    Preemption(IpAddr, u8),
    /// Another master has a higher priority.
    HigherPriority(IpAddr, u8),
    /// Another master has the same priority and a higher address.
    HigherAddress(IpAddr, u8),
    /// This process slept longer than the others wait.
    Stalled(Duration),
    /// This router of the same group is not able to run, or waits.
    HeldByGroup(RouterId),
    /// This router of the same group is no longer master.
    GroupYields(RouterId),
    /// A planned stop.
    Stopped,
    /// A planned stop; nobody was heard to take over in time.
    NoSuccessor,
}

impl Reason {
    /// A better master of this address is the reason.
    pub fn names(self, master: IpAddr) -> bool {
        match self {
            Reason::HigherPriority(from, _) | Reason::HigherAddress(from, _) => from == master,
            _ => false,
        }
    }

    /// The sentence for a person, with the configuration's names.
    pub fn display<'a>(self, config: &'a Config<'a>, interfaces: &'a dyn Names) -> Sentence<'a> {
        Sentence {
            reason: self,
            config,
            interfaces,
        }
    }
}

/// Who knows the names of interfaces.
pub trait Names {
    /// The name of an interface of the node.
    fn interface_name(&self, id: InterfaceId) -> &str;
}

/// A [`Reason`] with its names, to be displayed.
pub struct Sentence<'a> {
    reason: Reason,
    config: &'a Config<'a>,
    interfaces: &'a dyn Names,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = |id: CheckId| {
            let check = self.config.checks.get(usize::from(id.0));
            Plain(check.map_or("?", |check| check.name))
        };
        let service = |id: ServiceId| {
            let service = self.config.services.get(usize::from(id.0));
            Plain(service.map_or("?", |service| service.name))
        };
        let router = |id: RouterId| {
            let router = self.config.routers.get(usize::from(id.0));
            Plain(router.map_or("?", |router| router.name))
        };
        let interface = |id: InterfaceId| Plain(self.interfaces.interface_name(id));
        match self.reason {
            Reason::NotStarted => f.write_str("not started yet"),
            Reason::StartupDelay => f.write_str("startup_delay has not passed"),
            Reason::CheckPending(id) => write!(f, "check {} has no result yet", check(id)),
            Reason::CheckFailed(id) => write!(f, "check {} fails", check(id)),
            Reason::ServicePending(id) => write!(f, "service {} has no result yet", service(id)),
            Reason::ServiceDown(id) => write!(f, "service {} has no server", service(id)),
            Reason::InterfaceMissing(id) => write!(f, "there is no interface {}", interface(id)),
            Reason::InterfaceDown(id) => write!(f, "interface {} is down", interface(id)),
            Reason::InterfaceUp(id) => write!(f, "interface {} is up", interface(id)),
            Reason::NoSourceAddress(id) => {
                write!(f, "interface {} has no address to send from", interface(id))
            }
            Reason::DuplicateAddress(id) => {
                write!(
                    f,
                    "another host has the address of interface {}",
                    interface(id)
                )
            }
            Reason::AddressesRefused(Errno(number)) => {
                let number = Number(number.into());
                write!(f, "the system refused the addresses (error {number})")
            }
            Reason::AddressesRemoved => {
                f.write_str("somebody else removes the addresses again and again")
            }
            Reason::Ready => f.write_str("listening for a master"),
            Reason::Owner => f.write_str("owner of the addresses"),
            Reason::NoAdvert(silence, Some(from)) => {
                let (ms, from) = (Number(silence.total_millis()), Shown(from));
                write!(f, "no advert for {ms} ms from {from}")
            }
            Reason::NoAdvert(silence, None) => {
                let ms = Number(silence.total_millis());
                write!(f, "no advert for {ms} ms from anybody")
            }
            Reason::MasterLeft(from) => write!(f, "{} gave up (priority 0)", Shown(from)),
            Reason::Preemption(from, priority) => {
                let (from, priority) = (Shown(from), Number(priority.into()));
                write!(f, "{from} was master with the lower priority {priority}")
            }
            Reason::HigherPriority(from, priority) => {
                let (from, priority) = (Shown(from), Number(priority.into()));
                write!(f, "{from} has the higher priority {priority}")
            }
            Reason::HigherAddress(from, priority) => {
                let (from, priority) = (Shown(from), Number(priority.into()));
                write!(
                    f,
                    "{from} has the same priority {priority} and the higher address"
                )
            }
            Reason::Stalled(slept) => {
                let ms = Number(slept.total_millis());
                write!(f, "stalled for {ms} ms, longer than the others wait")
            }
            Reason::ResourceFailed(id, number, verb) => {
                let router = self.config.routers.get(usize::from(id.0));
                let resource = router.and_then(|r| r.resources.get(usize::from(number)));
                let program = resource.and_then(|r| r.command.iter().next());
                let (program, verb) = (program.map_or("?", |w| w.as_written()), verb.name());
                write!(f, "resource {} failed at {}", Plain(program), Plain(verb))
            }
            Reason::HeldByGroup(id) => write!(f, "router {} of its group cannot run", router(id)),
            Reason::GroupYields(id) => write!(f, "router {} of its group yielded", router(id)),
            Reason::Stopped => f.write_str("stopped"),
            Reason::NoSuccessor => f.write_str("stopped, although nobody was heard to take over"),
        }
    }
}
