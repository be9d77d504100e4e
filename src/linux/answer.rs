//! What a forked copy of the keeper has to say before it ends: one small record
//! for each child in memory that keeper and copies share. A copy that became
//! another program has lost it, so nobody else can write there.
//!
//! # Safety
//!
//! The mapping lives as long as the process. A child writes to its own record
//! only, and the keeper reads it only after it has collected that child, so no
//! byte is read while it is written.
#![allow(unsafe_code)]

use core::fmt;
use core::ptr;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use smena::event::Outcome;
use smena::pack::packed;

use super::failure::Failure;
use super::text::Text;

/// Whether a failure is told that came so often in a row: the first time, and
/// then ever less often.
pub const fn is_news(count: u32) -> bool {
    count == 1 || count >= 64 && count.is_power_of_two()
}

/// The longest text of an answer in bytes.
pub const TEXT_MAX: usize = 248;

/// One record. All zero: nothing was said.
#[repr(C)]
struct Record {
    outcome: u8,
    length: u8,
    number: i16,
    process: i32,
    text: [u8; TEXT_MAX],
}

/// The records of all children.
pub struct Answers {
    records: *mut Record,
    count: usize,
}

impl Answers {
    /// Maps room for this many children.
    pub fn open(count: usize) -> Result<Answers, Failure> {
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let mapping = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                count.max(1) * size_of::<Record>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        };
        match mapping {
            Ok(records) => Ok(Answers {
                records: records.cast(),
                count,
            }),
            Err(errno) => Err(Failure::new(
                format_args!("mmap (shared memory)"),
                errno,
                packed!(""),
            )),
        }
    }

    /// The record of a child.
    fn record(&self, child: usize) -> *mut Record {
        assert!(child < self.count);
        // SAFETY: the mapping has room for `count` records.
        unsafe { self.records.add(child) }
    }

    /// Forgets what an earlier child of this number said.
    pub fn clear(&self, child: usize) {
        let record = self.record(child);
        // SAFETY: the record is inside the mapping and no child runs that has it.
        // A page that was never written stays untouched.
        unsafe {
            if (*record).outcome != 0 {
                (*record).outcome = 0;
            }
        }
    }

    /// In the child: leaves an answer. What is longer than [`TEXT_MAX`] is cut.
    pub fn leave(&self, child: usize, outcome: Outcome, arguments: fmt::Arguments<'_>) {
        let text = Text::<TEXT_MAX>::of(arguments);
        let bytes = text.as_str().as_bytes();
        let record = self.record(child);
        // SAFETY: the record is inside the mapping, this child is its only
        // writer, and the keeper does not read before this child has ended.
        unsafe {
            ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                (&raw mut (*record).text).cast(),
                bytes.len(),
            );
            (*record).length = bytes.len() as u8;
            (*record).outcome = match outcome {
                Outcome::Success => 1,
                Outcome::Failure => 2,
                Outcome::Unknown => 3,
                Outcome::Number(number) => {
                    (*record).number = number;
                    4
                }
            };
        }
    }

    /// In the child: names a process that it found.
    pub fn name(&self, child: usize, process: i32) {
        // SAFETY: as in `leave`.
        unsafe { (*self.record(child)).process = process };
    }

    /// In the keeper, after the child was collected: the process that it named,
    /// or 0.
    pub fn named(&self, child: usize) -> i32 {
        // SAFETY: the record is inside the mapping and its writer has ended.
        unsafe { (*self.record(child)).process }
    }

    /// In the child of a check that names no process, or in the keeper when there
    /// is none: its program could not be started, for this reason. Returns how
    /// often in a row.
    pub fn refused(&self, child: usize, errno: Errno) -> u32 {
        let (before, errno) = (self.named(child), errno.raw_os_error());
        let count = match before >> 16 == errno {
            true => (before & 0xffff) + 1,
            false => 1,
        };
        self.name(child, errno << 16 | count.min(0xffff));
        count.unsigned_abs()
    }

    /// In the keeper, after the child was collected: what it left.
    pub fn read(&self, child: usize) -> Option<(Outcome, Text<TEXT_MAX>)> {
        let record = self.record(child);
        // SAFETY: the record is inside the mapping and its writer has ended.
        let (outcome, length) = unsafe { ((*record).outcome, (*record).length) };
        let outcome = match outcome {
            // SAFETY: as above.
            4 => Outcome::Number(unsafe { (*record).number }),
            1 => Outcome::Success,
            2 => Outcome::Failure,
            3 => Outcome::Unknown,
            _ => return None,
        };
        let mut bytes = [0; TEXT_MAX];
        let length = usize::from(length).min(TEXT_MAX);
        // SAFETY: as above; length is at most the size of both.
        unsafe {
            ptr::copy_nonoverlapping(
                (&raw const (*record).text).cast(),
                bytes.as_mut_ptr(),
                length,
            );
        }
        let bytes = bytes.get(..length).unwrap_or_default();
        let text = core::str::from_utf8(bytes).unwrap_or_default();
        Some((outcome, Text::copy_of(text)))
    }
}
