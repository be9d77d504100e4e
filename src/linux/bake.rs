//! `smena bake`: a copy of this program with a configuration inside.
//!
//! The configuration becomes a section of the ELF file, `.smena.ini`, behind
//! everything else, with a new table of sections behind it, so that whatever
//! signs or inspects ELF files sees it. A record in the read-only data says where
//! it is; the copy reads it from its own file. What was there before stays byte
//! for byte, but for the record and the place of the table: a baked copy can be
//! baked again, as if it had not been.
//!
//! # Safety
//!
//! The mapping of the program's file is private, as long as the file, and never
//! given back. The record is only read, as memory that may be anything.
#![allow(unsafe_code)]

use core::ptr;

use rustix::fs::{Mode, OFlags, fchmod, fstat, open, rename, unlink};
use rustix::io::{Errno, pread};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use smena::pack::packed;
use smena::say::Plain;

use super::cell::Cell;
use super::failure::Failure;
use super::load::Memory;
use super::output::write_all;
use super::text::Text;

/// Where the configuration is in the file of this program.
#[repr(C)]
#[derive(Clone, Copy)]
struct Record {
    /// By which it is found.
    mark: [u8; 16],
    /// Where the configuration begins: the length of what was there before.
    offset: u32,
    /// How long it is; 0: there is none.
    length: u32,
    /// Where the table of sections was before.
    table: u32,
}

#[used]
static RECORD: Record = Record {
    mark: *b"\x7fsmena.ini is at",
    offset: 0,
    length: 0,
    table: 0,
};

/// Room for the names of sections and their table: a linker makes a dozen.
static TAIL: Cell<[u8; 4096]> = Cell::new([0; _]);

/// The section that holds it.
const NAME: &[u8] = b".smena.ini\0";
/// Bytes of a word of this processor's ELF files.
const WORD: usize = size_of::<usize>();
/// Places in the head of the file: the table of sections, the size of an entry,
/// how many there are, and which of them holds the names.
const TABLE_AT: usize = if WORD == 8 { 0x28 } else { 0x20 };
const SIZE_AT: usize = if WORD == 8 { 0x3a } else { 0x2e };
const COUNT_AT: usize = SIZE_AT + 2;
const NAMES_AT: usize = SIZE_AT + 4;
/// Places in an entry: where the section begins, and its length behind that.
const BEGIN_AT: usize = 8 + 2 * WORD;
/// Bytes of an entry: four numbers of 32 bits, and six words.
const ENTRY: usize = 16 + 6 * WORD;

/// The record as it is in memory, whatever the compiler thinks of it.
fn record() -> Record {
    // SAFETY: it is a valid static of plain numbers.
    unsafe { ptr::read_volatile(&raw const RECORD) }
}

/// Reads the configuration inside this program, if there is one: its length.
pub fn read_inside(memory: &mut Memory) -> Option<usize> {
    let record = record();
    let room = memory.get_mut(..record.length as usize)?;
    if room.is_empty() {
        return None;
    }
    let file = open(c"/proc/self/exe", OFlags::CLOEXEC, Mode::empty()).ok()?;
    let whole = pread(&file, &mut *room, record.offset.into()).ok()? == room.len();
    whole.then_some(record.length as usize)
}

/// Writes a copy with this configuration inside.
///
/// # Errors
/// The system refused, or this program is no ELF file that can be added to.
pub fn write_copy(config: &[u8], out: &str) -> Result<(), Failure> {
    let mut step = ("open", "/proc/self/exe");
    try_write(config, out, &mut step).map_err(|errno| {
        let (call, object) = step;
        Failure::new(
            format_args!("{} {}", Plain(call), Plain(object)),
            errno,
            packed!("check the folder, and the room in it"),
        )
    })
}

fn try_write<'a>(
    config: &[u8],
    out: &'a str,
    step: &mut (&'static str, &'a str),
) -> Result<(), Errno> {
    let bytes = map_program()?;
    *step = ("read", "/proc/self/exe");
    let parts = add(bytes, config).ok_or(Errno::NOEXEC)?;
    let mut new = Text::<1024>::of(format_args!("{}.new", Plain(out)));
    let new = new.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    let mut name = Text::<1024>::copy_of(out);
    let name = name.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    *step = ("write", out);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = open(new, flags, Mode::from_raw_mode(0o755))?;
    let done = parts
        .iter()
        .try_for_each(|part| write_all(&file, part))
        .and_then(|()| fchmod(&file, Mode::from_raw_mode(0o755)))
        .and_then(|()| rename(new, name));
    if done.is_err() {
        let _ = unlink(new);
    }
    done
}

/// The bytes of this program's file, to be changed at will.
fn map_program() -> Result<&'static mut [u8], Errno> {
    let file = open(c"/proc/self/exe", OFlags::CLOEXEC, Mode::empty())?;
    let length = fstat(&file)?.st_size as usize;
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: a new mapping at an address of the kernel's choice, whose pages are
    // this process's own once they are written to.
    let start = unsafe { mmap(ptr::null_mut(), length, access, flags, &file, 0)? };
    // SAFETY: so many bytes are mapped, for good, and nobody else names them.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.cast(), length) })
}

/// The pieces of the copy in their order. `None`: this is no file to add to.
fn add<'b>(file: &'b mut [u8], config: &'b [u8]) -> Option<[&'b [u8]; 3]> {
    let mut record = record();
    let count = usize::from(u16_at(file, COUNT_AT)?);
    let names = usize::from(u16_at(file, NAMES_AT)?);
    let size = usize::from(u16_at(file, SIZE_AT)?);
    let (mut base, mut table, mut sections) = (file.len(), word_at(file, TABLE_AT)?, count);
    if record.length != 0 {
        base = record.offset as usize;
        table = record.table as usize;
        sections = count.checked_sub(1)?;
    }
    if size != ENTRY || names >= sections {
        return None;
    }
    let (begin, end) = (table, table + sections * ENTRY);
    let at = begin + names * ENTRY + BEGIN_AT;
    let (names_from, names_length) = (word_at(file, at)?, word_at(file, at + WORD)?);
    let names_to = base + config.len();
    let new_table = (names_to + names_length + NAME.len()).next_multiple_of(WORD);

    let place = file.windows(16).position(|bytes| *bytes == record.mark)?;
    (record.offset, record.length) = (base as u32, config.len() as u32);
    record.table = table as u32;
    put(file, place + 16, &record.offset.to_ne_bytes())?;
    put(file, place + 20, &record.length.to_ne_bytes())?;
    put(file, place + 24, &record.table.to_ne_bytes())?;
    put(file, TABLE_AT, &new_table.to_ne_bytes())?;
    put(file, COUNT_AT, &(sections as u16 + 1).to_ne_bytes())?;

    // Behind the configuration: the names with one more, then the table with one
    // more entry, in which the names have moved.
    let tail = TAIL.claim();
    let entries = new_table - names_to;
    tail.get_mut(..names_length)?
        .copy_from_slice(file.get(names_from..names_from + names_length)?);
    put(tail, names_length, NAME)?;
    let old = file.get(begin..end)?;
    tail.get_mut(entries..entries + old.len())?
        .copy_from_slice(old);
    let at = entries + names * ENTRY + BEGIN_AT;
    put(tail, at, &names_to.to_ne_bytes())?;
    put(tail, at + WORD, &(names_length + NAME.len()).to_ne_bytes())?;
    let new = entries + old.len();
    const PROGRAM_BITS: u32 = 1;
    put(tail, new, &(names_length as u32).to_ne_bytes())?;
    put(tail, new + 4, &PROGRAM_BITS.to_ne_bytes())?;
    put(tail, new + BEGIN_AT, &base.to_ne_bytes())?;
    put(tail, new + BEGIN_AT + WORD, &config.len().to_ne_bytes())?;
    put(tail, new + ENTRY - 2 * WORD, &1_usize.to_ne_bytes())?;
    Some([file.get(..base)?, config, tail.get(..new + ENTRY)?])
}

/// Overwrites bytes; `None`: they are not there.
fn put(bytes: &mut [u8], at: usize, by: &[u8]) -> Option<()> {
    bytes.get_mut(at..at + by.len())?.copy_from_slice(by);
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
