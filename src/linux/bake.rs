//! `smena bake`: a copy of this program with a configuration inside.
//!
//! The configuration becomes a section of the ELF file, `.smena.ini`, behind
//! everything else, with a new table of sections behind it, so that whatever
//! signs or inspects ELF files sees it. The copy finds it by that name in its own
//! file, wherever a tool that signs has moved it to. What was there before stays
//! byte for byte, but for the place of the table: a baked copy can be baked again,
//! as if it had not been.
//!
//! # Safety
//!
//! The mapping of the program's file is private, as long as the file, and given
//! back by those who keep nothing of it.
#![allow(unsafe_code)]

use core::ptr;

use rustix::fs::{FileType, Mode, OFlags, Stat, fchmod, fstat, open, rename, stat, unlink};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use smena::pack::packed;
use smena::say::Plain;

use super::cell::Cell;
use super::failure::Failure;
use super::load::Memory;
use super::output::write_all;
use super::text::Text;

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

/// Where things are in the file of a program.
struct Layout {
    /// The table of sections, the number of its entries, and where the names are.
    table: usize,
    count: usize,
    names: (usize, usize),
    /// Which entry holds the names.
    names_at: usize,
    /// The configuration inside, if there is one: its number, where it begins, its
    /// length.
    inside: Option<(usize, usize, usize)>,
}

impl Layout {
    /// `None`: this is no file of a program with a table of sections.
    #[inline(never)]
    fn of(file: &[u8]) -> Option<Layout> {
        let names_at = usize::from(u16_at(file, NAMES_AT)?);
        let table = word_at(file, TABLE_AT)?;
        let place = |nth: usize| {
            let at = table + nth * ENTRY + BEGIN_AT;
            Some((word_at(file, at)?, word_at(file, at + WORD)?))
        };
        let mut layout = Layout {
            table,
            count: usize::from(u16_at(file, COUNT_AT)?),
            names: place(names_at)?,
            names_at,
            inside: None,
        };
        if usize::from(u16_at(file, SIZE_AT)?) != ENTRY {
            return None;
        }
        for nth in 0..layout.count {
            let name = file.get(table + nth * ENTRY..)?.first_chunk()?;
            let name = layout.names.0 + u32::from_ne_bytes(*name) as usize;
            if file.get(name..)?.starts_with(NAME) {
                let (begin, length) = place(nth)?;
                layout.inside = Some((nth, begin, length));
            }
        }
        Some(layout)
    }
}

/// Reads the configuration inside this program, if there is one: its length.
pub fn read_inside(memory: &mut Memory) -> Option<usize> {
    let file = map_program().ok()?;
    let inside = Layout::of(file).and_then(|layout| {
        let (_, begin, length) = layout.inside?;
        let bytes = file.get(begin..begin + length)?;
        memory.get_mut(..length)?.copy_from_slice(bytes);
        Some(length)
    });
    let (start, length) = (file.as_mut_ptr(), file.len());
    // SAFETY: nothing borrows the mapping any longer, and nobody else knows it.
    let _ = unsafe { munmap(start.cast(), length) };
    inside
}

/// Writes a copy with this configuration inside.
///
/// # Errors
/// The system refused, or this program is no ELF file that can be added to.
pub fn write_copy(config: &[u8], out: &str, file: &str) -> Result<(), Failure> {
    let mut step = ("open", "/proc/self/exe");
    // Who may read the file may read and run the copy.
    let readers = look(file).map_or(0, |file| (file.st_mode >> 2) & 0o11);
    let mode = Mode::from_raw_mode(0o700 + readers * 0o5);
    try_write(config, out, mode, &mut step).map_err(|errno| {
        let (call, object) = step;
        let mend = match errno {
            Errno::NOEXEC => packed!("bake a copy that was not signed or stripped since"),
            _ => packed!("check the folder, and the room in it"),
        };
        let what = format_args!("{} {}", Plain(call), Plain(object));
        Failure::new(what, errno, mend)
    })
}

/// Whether a copy may take this name: a device, a pipe or the configuration that
/// it is made from would be lost.
pub fn may_replace(out: &str, file: &str) -> bool {
    let Some(there) = look(out) else {
        return true;
    };
    let same = |file: Stat| (file.st_dev, file.st_ino) == (there.st_dev, there.st_ino);
    FileType::from_raw_mode(there.st_mode).is_file() && !look(file).is_some_and(same)
}

fn look(path: &str) -> Option<Stat> {
    stat(Text::<1024>::copy_of(path).as_c_str()?).ok()
}

fn try_write<'a>(
    config: &[u8],
    out: &'a str,
    mode: Mode,
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
    let file = open(new, flags, mode)?;
    let done = parts
        .iter()
        .try_for_each(|part| write_all(&file, part))
        .and_then(|()| fchmod(&file, mode))
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
    // SAFETY: so many bytes are mapped until who asked gives them back, and nobody
    // else names them.
    Ok(unsafe { core::slice::from_raw_parts_mut(start.cast(), length) })
}

/// The pieces of the copy in their order. `None`: this is no file to add to.
fn add<'b>(file: &'b mut [u8], config: &'b [u8]) -> Option<[&'b [u8]; 3]> {
    let layout = Layout::of(file)?;
    let (mut base, mut sections) = (file.len(), layout.count);
    let (names_from, mut names_length) = layout.names;
    if let Some((nth, begin, _)) = layout.inside {
        // As it was before, which only holds where the last section is this one.
        base = begin;
        sections = nth;
        names_length -= NAME.len();
    }
    if layout.count - sections > 1 || layout.names_at >= sections {
        return None;
    }
    let (begin, end) = (layout.table, layout.table + sections * ENTRY);
    let names_to = base + config.len();
    let new_table = (names_to + names_length + NAME.len()).next_multiple_of(WORD);

    let tail = TAIL.claim();
    let entries = new_table - names_to;
    tail.get_mut(..names_length)?
        .copy_from_slice(file.get(names_from..names_from + names_length)?);
    put(tail, names_length, NAME)?;
    let old = file.get(begin..end)?;
    tail.get_mut(entries..entries + old.len())?
        .copy_from_slice(old);
    put(file, TABLE_AT, &new_table.to_ne_bytes())?;
    put(file, COUNT_AT, &(sections as u16 + 1).to_ne_bytes())?;

    // The names have moved, and there is one entry more.
    let at = entries + layout.names_at * ENTRY + BEGIN_AT;
    put(tail, at, &names_to.to_ne_bytes())?;
    put(tail, at + WORD, &(names_length + NAME.len()).to_ne_bytes())?;
    let new = entries + sections * ENTRY;
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
