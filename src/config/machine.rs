//! What `[interface NAME]` and `[init]` mean: what the machine itself is to be
//! when smena is its first process. Values only; nothing here mounts or starts.

use core::net::IpAddr;

use heapless::Vec;

use super::model::Address;
use super::words::Words;
use crate::board;

/// The `[init]` section.
#[derive(Debug)]
pub struct Init<'a> {
    /// `hostname`; the kernel's when absent.
    pub hostname: Option<&'a str>,
    /// `watchdog`: the device that restarts the machine unless it is fed.
    pub watchdog: Option<&'a str>,
    /// `module`, in the order of the file: a name, and parameters.
    pub modules: Vec<Words<'a>, { board::MODULES_MAX }>,
    /// `mount`, in the order of the file.
    pub mounts: Vec<Mount<'a>, { board::MOUNTS_MAX }>,
    /// `start`, in the order of the file: a command each.
    pub programs: Vec<Words<'a>, { board::PROGRAMS_MAX }>,
}

impl Init<'_> {
    /// Nothing said.
    pub(super) const EMPTY: Self = Init {
        hostname: None,
        watchdog: None,
        modules: Vec::new(),
        mounts: Vec::new(),
        programs: Vec::new(),
    };
}

/// One `mount` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// The kind of file system.
    pub kind: &'a str,
    /// What is mounted; as `kind` when absent.
    pub source: &'a str,
    /// Where: an absolute path.
    pub target: &'a str,
}

/// An `[interface NAME]` section: it is brought up, with this.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// The section's name.
    pub name: &'a str,
    /// `mtu`; 0: as it is.
    pub mtu: u16,
    /// `gateway`: the way to all other networks, of IPv4 and of IPv6.
    pub gateways: [Option<IpAddr>; 2],
}

impl Interface<'_> {
    /// Nothing said.
    pub(super) const BLANK: Self = Interface {
        name: "",
        mtu: 0,
        gateways: [None; 2],
    };
}

/// An `address` line of an `[interface NAME]` section.
#[derive(Clone, Copy, Debug)]
pub struct OwnAddress<'a> {
    /// Index into [`Config::interfaces`](super::Config::interfaces).
    pub interface: u8,
    /// The address, which is there for good.
    pub address: Address<'a>,
}
