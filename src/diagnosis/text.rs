//! A finding as a sentence for a person: the code's template with its facts.
//! Made when somebody looks, from what was kept and from the configuration.

use core::fmt::{self, Display, Formatter, Write};

use super::{Code, Finding};
use crate::Instant;
use crate::address::{Bits, Shown};
use crate::config::{Router, highest, write_time};
use crate::pack::packed;
use crate::say::write_number;

/// The sentence of a finding, with what it names besides the finding's facts.
pub struct Text<'a> {
    /// What was found.
    pub finding: &'a Finding,
    /// The router's configuration.
    pub router: &'a Router<'a>,
    /// Where its adverts come from.
    pub source: Bits,
    /// The interface that the finding is about.
    pub interface: &'a str,
    /// The router's priority.
    pub priority: u8,
    /// The router is master.
    pub master: bool,
    /// The present, for how long it lasts.
    pub now: Instant,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let code = self.finding.evidence.code;
        let mut in_gap = false;
        // It may be the only way to this node.
        let only = code == Code::AddressLeft
            && self.source == Bits::NONE
            && self.interface == self.router.interface;
        let sentence = match only {
            true => packed!(
                "%a is on %i, which has no address of its own to send adverts from: give it one first, then \
                 run ip address del %a/%l dev %i"
            ),
            false => code.sentence(),
        };
        sentence.each(&mut |c| match (in_gap, c) {
            (true, letter) => {
                in_gap = false;
                self.fill(letter, f)
            }
            (false, '%') => {
                in_gap = true;
                Ok(())
            }
            (false, _) => f.write_char(c),
        })?;
        // Who sends adverts is master.
        if code.splits() && self.master {
            f.write_str("; until then both are master")?;
        }
        Ok(())
    }
}

impl Text<'_> {
    #[inline(never)]
    fn fill(&self, letter: char, f: &mut Formatter<'_>) -> fmt::Result {
        let (router, evidence) = (self.router, &self.finding.evidence);
        let head = &evidence.head;
        let number = match letter {
            'p' => return Shown(evidence.peer.address()).fmt(f),
            'a' => return Shown(evidence.address.address()).fmt(f),
            'o' => return Shown(self.source.address()).fmt(f),
            'm' => return Peer(self.finding).fmt(f),
            'i' => return f.write_str(self.interface),
            'n' => return f.write_str(router.name),
            'T' => return write_time(f, router.advert_int),
            't' => return write_time(f, head.interval()),
            's' => (self.now - self.finding.since).secs() as u32,
            'H' => highest(router),
            'P' => self.priority.into(),
            'V' => router.virtual_router_id.into(),
            'R' => router.version.number().into(),
            'Q' => evidence.highest.into(),
            'q' => head.priority.into(),
            'v' => head.virtual_router_id.into(),
            'r' => head.version.into(),
            'l' => head.hop_limit.into(),
            _ => head.auth_type.into(),
        };
        write_number(f, number.into(), 10, 1)
    }
}

/// Who is at the other end: an address, or the MAC of a machine that has none
/// of its own here.
pub struct Peer<'a>(pub &'a Finding);

impl Display for Peer<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let evidence = &self.0.evidence;
        if evidence.code != Code::AddressConflict {
            return Shown(evidence.peer.address()).fmt(f);
        }
        for (at, byte) in evidence.mac.iter().enumerate() {
            if at > 0 {
                f.write_str(":")?;
            }
            write_number(f, (*byte).into(), 16, 2)?;
        }
        Ok(())
    }
}
