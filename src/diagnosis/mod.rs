//! Diagnoses: what is wrong between a router of ours and the others on its
//! link, each with a stable code, the peer, and the edit that cures it.
//!
//! ```text
//!   a packet, a state --compare, node--> Evidence --see--> Table --news--> log, event
//!                                                            `--shown--> status, with Text
//! ```
//!
//! What was found is kept as a few facts, not as text, in a table of fixed size;
//! it is said once and then rarely, counted as long as it is seen, and forgotten
//! when it is cured or not seen any more. Nothing here changes what a router
//! does.

mod code;
mod compare;
mod text;

pub use code::Code;
pub use compare::{differences, refused, shares};
pub use text::{Peer, Text};

use core::net::IpAddr;

use crate::address::Bits;
use crate::event::{InterfaceId, Mac};
use crate::wire::{Head, Said};
use crate::{Duration, Instant};

/// Findings of one router; the one that was not seen for longest makes room.
const FINDINGS_MAX: usize = 6;
/// What is not seen for this long, or for three intervals, has ended.
const AGE: Duration = Duration::from_secs(60);
/// What lasts is said again this often.
const REPEAT: Duration = Duration::from_secs(600);
/// Who is asked on the link answers within this time.
const ANSWER: Duration = Duration::from_secs(1);
/// See [`Finding::cost`].
const SAME: i64 = 0;

/// What was seen once: the code and the facts that its sentence names. A fact
/// that the sentence does not name is of no matter.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// What it is.
    pub code: Code,
    /// Who is at the other end; none: it is not known by an address.
    pub peer: Bits,
    /// The address that it is about.
    pub address: Bits,
    /// What the peer said.
    pub head: Head,
    /// The highest priority that the peer said.
    pub highest: u8,
    /// A machine without an address.
    pub mac: Mac,
    /// Where it is, when that is not the router's own interface.
    pub carrier: Option<InterfaceId>,
}

impl Evidence {
    /// What a packet shows.
    pub fn of(code: Code, said: &Said<'_>) -> Evidence {
        Evidence {
            peer: said.source.into(),
            head: said.head,
            ..Evidence::about(code, said.destination)
        }
    }

    /// What an address shows, whoever is at its other end.
    pub fn about(code: Code, address: IpAddr) -> Evidence {
        Evidence {
            code,
            address: address.into(),
            ..Evidence::NONE
        }
    }

    const NONE: Evidence = Evidence {
        code: Code::ForeignVrid,
        peer: Bits::NONE,
        address: Bits::NONE,
        head: Head::NONE,
        highest: 0,
        mac: [0; 6],
        carrier: None,
    };
}

/// What is wrong with a router, for how long and how often it was seen.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// What was seen last.
    pub evidence: Evidence,
    /// When it was first seen.
    pub since: Instant,
    /// When it was last seen.
    pub seen_at: Instant,
    /// How often it was seen; 0: it is cured.
    pub count: u32,
    /// It was said; when last.
    said_at: Option<Instant>,
}

impl Finding {
    const NONE: Finding = Finding {
        evidence: Evidence::NONE,
        since: Instant::ZERO,
        seen_at: Instant::ZERO,
        count: 0,
        said_at: None,
    };

    /// Somebody is at the other end, who can be named.
    pub fn has_peer(&self) -> bool {
        self.evidence.peer != Bits::NONE || self.evidence.code == Code::AddressConflict
    }

    /// What new evidence in its place would cost: nothing where the same thing
    /// is seen again, with other facts perhaps; little where nothing is; and the
    /// less the longer it was not seen.
    fn cost(&self, new: &Evidence) -> i64 {
        let old = &self.evidence;
        let named = new.peer != Bits::NONE;
        let alike =
            old.peer == new.peer && old.mac == new.mac && (named || old.address == new.address);
        if self.count > 0 && old.code == new.code && alike {
            SAME
        } else if self.count == 0 && self.said_at.is_none() {
            1
        } else {
            2 + self.seen_at.total_micros()
        }
    }

    /// Some things are ordinary for a moment; only what lasts is a diagnosis.
    fn holds(&self, now: Instant, interval: Duration) -> bool {
        let lasted = match self.evidence.code {
            // Three adverts in a row: one that came back is a curiosity, a loop
            // returns them all.
            Code::OwnPackets | Code::DuplicateSource => return self.count >= 3,
            // A master that should yield gets time to hear of us, and one that
            // follows us says that it has the addresses before we have let go.
            Code::TwoMasters | Code::AddressConflict => self.seen_at,
            // Who profits takes over within this time, and the kernel may tell
            // of an address after it was asked to remove it.
            Code::WeightTooSmall | Code::AddressLeft => now,
            _ => return self.count > 0,
        };
        self.count > 0 && lasted >= self.since + interval * 3
    }

    /// `claimed_at` is when another machine last answered for an address of ours.
    fn ended(&self, now: Instant, interval: Duration, claimed_at: Instant) -> bool {
        let age = match self.evidence.code {
            code if code.stands() => return self.count == 0,
            // What lasts an advert or two is told with its length.
            Code::TwoMasters => interval * 4,
            // It was asked again, and there was no answer.
            Code::AddressConflict if !self.holds(now, interval) => interval * 3 + ANSWER,
            _ => AGE.max(interval * 3),
        };
        // Of adverts that keepalived drops, each puts its own next one off: such a
        // master falls silent and remains one, as its answers for the address tell.
        let seen_at = match self.evidence.code.splits() {
            true => self.seen_at.max(claimed_at),
            false => self.seen_at,
        };
        self.count == 0 || now > seen_at + age
    }
}

/// What was found about one router.
#[derive(Debug)]
pub struct Table {
    findings: [Finding; FINDINGS_MAX],
    interval: Duration,
}

impl Table {
    /// Nothing was found about a router of this interval.
    pub const fn new(interval: Duration) -> Table {
        Table {
            findings: [Finding::NONE; FINDINGS_MAX],
            interval,
        }
    }

    /// Something was seen.
    pub fn see(&mut self, now: Instant, evidence: &Evidence) {
        let findings = self.findings.iter_mut();
        let Some(place) = findings.min_by_key(|finding| finding.cost(evidence)) else {
            return;
        };
        if place.cost(evidence) != SAME {
            *place = Finding::NONE;
            place.since = now;
        }
        place.evidence = *evidence;
        place.seen_at = now;
        place.count = place.count.saturating_add(1);
    }

    /// When to ask again for an address that somebody else says to have; `None`:
    /// nobody does, or it is certain.
    pub fn ask_at(&self, now: Instant) -> Option<Instant> {
        let unsure = |finding: &Finding| {
            finding.evidence.code == Code::AddressConflict
                && finding.count > 0
                && !finding.holds(now, self.interval)
        };
        let any = self.findings.iter().any(unsure);
        any.then(|| now + self.interval * 3)
    }

    /// What is cured is forgotten with the next [`Table::news`].
    pub fn cure(&mut self, cured: &dyn Fn(&Finding) -> bool) {
        for finding in &mut self.findings {
            if cured(finding) {
                finding.count = 0;
            }
        }
    }

    /// An advert of a peer was accepted and what it shows was seen: whatever it
    /// does not show any more is cured.
    pub fn cure_unseen(&mut self, now: Instant, peer: Bits) {
        self.cure(&|finding| {
            let Evidence { code, peer: of, .. } = finding.evidence;
            finding.seen_at < now && of == peer && code.is_advertised()
        });
    }

    /// What is to be said now, one thing at a time, and whether it has ended;
    /// what ended is forgotten.
    #[inline(never)]
    pub fn news(&mut self, now: Instant) -> Option<(Finding, bool)> {
        let claimed_at = self.claimed_at();
        for finding in &mut self.findings {
            let said = finding.said_at;
            let ended = finding.ended(now, self.interval, claimed_at);
            if !ended && !finding.holds(now, self.interval) {
                continue;
            }
            let before = *finding;
            if ended {
                *finding = Finding::NONE;
                if said.is_some() {
                    return Some((before, true));
                }
            } else if said.is_none_or(|at| now >= at + REPEAT) {
                finding.said_at = Some(now);
                return Some((before, false));
            }
        }
        None
    }

    /// What is wrong with the router now.
    pub fn shown(&self, now: Instant) -> impl Iterator<Item = &Finding> {
        let claimed_at = self.claimed_at();
        let holds = move |finding: &&Finding| {
            finding.holds(now, self.interval) && !finding.ended(now, self.interval, claimed_at)
        };
        self.findings.iter().filter(holds)
    }

    /// When another machine last answered for an address of ours.
    fn claimed_at(&self) -> Instant {
        let conflict = |finding: &&Finding| {
            finding.count > 0 && finding.evidence.code == Code::AddressConflict
        };
        let last = self
            .findings
            .iter()
            .filter(conflict)
            .map(|f| f.seen_at)
            .max();
        last.unwrap_or(Instant::ZERO)
    }
}
