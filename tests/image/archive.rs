//! Archives as the kernel unpacks them: cpio, in the form that is called newc.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// One file, folder, link or device of an archive.
pub struct Entry {
    pub name: String,
    pub mode: u32,
    /// What is in the file, or where the link leads.
    pub bytes: Vec<u8>,
    /// The numbers of a device.
    pub device: [u32; 2],
}

impl Entry {
    /// A file with these permissions.
    pub fn file(name: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Entry {
        Entry {
            name: name.into(),
            mode: 0o100_000 | mode,
            bytes: bytes.into(),
            device: [0; 2],
        }
    }

    /// A folder, which must come before what is in it.
    pub fn folder(name: &str) -> Entry {
        Entry {
            mode: 0o040_755,
            ..Entry::file(name, 0, "")
        }
    }
}

/// Numbers of an entry's head, each of eight hexadecimal digits behind the mark.
const NUMBERS: usize = 13;
const HEAD: usize = 6 + NUMBERS * 8;
/// The name behind the last entry.
const END: &str = "TRAILER!!!";

/// The entries of an image's archive.
pub fn of_image(image: &Path) -> Vec<Entry> {
    let mut command = Command::new("gzip");
    let output = command.arg("-dc").arg(image.join("initrd.img")).output();
    // Zeros behind the archive are a warning.
    let bytes = output.unwrap().stdout;
    let (mut entries, mut at) = (Vec::new(), 0);
    loop {
        let number = |nth: usize| {
            let from = at + 6 + 8 * nth;
            let digits = std::str::from_utf8(&bytes[from..from + 8]).unwrap();
            usize::from_str_radix(digits, 16).unwrap()
        };
        let name = &bytes[at + HEAD..at + HEAD + number(11) - 1];
        let from = (at + HEAD + number(11)).next_multiple_of(4);
        let entry = Entry {
            name: String::from_utf8(name.into()).unwrap(),
            mode: number(1) as u32,
            bytes: bytes[from..from + number(6)].into(),
            device: [number(9), number(10)].map(|number| number as u32),
        };
        if entry.name == END {
            return entries;
        }
        at = (from + number(6)).next_multiple_of(4);
        entries.push(entry);
    }
}

/// An archive of these, whose length is a multiple of 4.
pub fn write(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    let end = Entry {
        mode: 0,
        ..Entry::file(END, 0, "")
    };
    for (entry, nth) in entries.iter().chain([&end]).zip(1_u32..) {
        let mut numbers = [0; NUMBERS];
        (numbers[0], numbers[1], numbers[4]) = (nth, entry.mode, 1);
        numbers[6] = entry.bytes.len() as u32;
        [numbers[9], numbers[10]] = entry.device;
        numbers[11] = entry.name.len() as u32 + 1;
        archive.extend(b"070701");
        for number in numbers {
            write!(archive, "{number:08X}").unwrap();
        }
        archive.extend(entry.name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(&entry.bytes);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}
