//! Files that are tables of lines, such as `/etc/passwd` and `/proc/net/tcp`,
//! read a line at a time with little memory. What a line means is for others.

use core::ffi::CStr;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};

/// Shows each line, its end included, until one is the last that is wanted
/// (`true`). A line that is longer than 1024 bytes is no line of such a table;
/// it is shown in parts.
pub fn read_lines(path: &CStr, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Errno> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; 1024];
    let mut length = 0;
    loop {
        let room = buffer.get_mut(length..).unwrap_or_default();
        if room.is_empty() {
            length = 0;
            continue;
        }
        let got = read(&file, room)?;
        let end = length + got;
        let bytes = buffer.get(..end).unwrap_or_default();
        let mut used = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if got > 0 && line.last() != Some(&b'\n') {
                break;
            }
            used += line.len();
            if each(line) {
                return Ok(());
            }
        }
        if got == 0 {
            return Ok(());
        }
        buffer.copy_within(used..end, 0);
        length = end - used;
    }
}
