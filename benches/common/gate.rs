//! A program whose start is told to the moment: the child is forked before and
//! waits at a gate, because forking is no work of the program.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::sys;

/// Makes a command wait, once it is spawned, for a gate that opens soon; the
/// thread tells when it did.
pub fn behind_a_gate(command: &mut Command) -> JoinHandle<Instant> {
    let (gate, opener) = sys::pipe().expect("a pipe");
    let mut gate = std::fs::File::from(gate);
    // SAFETY: the closure reads from a descriptor and does nothing else.
    unsafe {
        command.pre_exec(move || gate.read_exact(&mut [0]));
    }
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        let started = Instant::now();
        let mut opener = std::fs::File::from(opener);
        opener.write_all(&[0]).expect("own pipe");
        started
    })
}
