//! From the kernel's hand to the command line: argc, argv and the environment.
//!
//! # Safety
//!
//! [`main`] may assume that its argument is the stack pointer of a fresh
//! process, as the kernel lays it out: argc, argv, a zero, the environment, a
//! zero, the auxiliary vector. Those strings live as long as the process.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::ptr::NonNull;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_getfd;

use super::{init, output, panic, program, syscall};

/// The words and the environment that the process was started with.
#[derive(Clone, Copy)]
pub struct Invocation {
    argc: usize,
    argv: *const *const u8,
    envp: *const *const u8,
}

impl Invocation {
    /// The program's name, as it was called.
    pub fn name(&self) -> &'static str {
        if self.argc == 0 {
            return "";
        }
        // SAFETY: argv has argc pointers to C strings.
        let name = unsafe { CStr::from_ptr((*self.argv).cast()) };
        name.to_str().unwrap_or_default()
    }

    /// The words after the program's name.
    pub fn words(&self) -> impl Iterator<Item = &'static CStr> + use<> {
        let argv = self.argv;
        // SAFETY: argv has argc pointers to C strings.
        (1..self.argc).map(move |at| unsafe { CStr::from_ptr((*argv.add(at)).cast()) })
    }

    /// Has `ps` show this instead of the words, as far as those and the
    /// environment have room. Only for a forked copy, which reads neither again.
    pub fn set_title(&self, title: &[u8]) {
        let mut title = title.iter();
        // The strings of the words lie one behind the other, then those of the
        // environment; the list of each ends with a null pointer.
        for list in [self.argv, self.envp] {
            let mut at = list;
            // SAFETY: the null pointer ends the loop, so `at` is still inside.
            while let Some(string) = NonNull::new(unsafe { *at }.cast_mut()) {
                let mut string = string.as_ptr();
                // SAFETY: a C string in memory of our own, on the stack; its
                // closing zero is overwritten too, while there is more to come.
                unsafe {
                    while *string != 0 {
                        string.write(title.next().copied().unwrap_or(0));
                        string = string.add(1);
                    }
                    if let Some(byte) = title.next() {
                        string.write(*byte);
                    }
                    at = at.add(1);
                }
            }
            if title.as_slice().is_empty() {
                return;
            }
        }
    }

    /// The value of a variable of the environment.
    pub fn variable(&self, name: &str) -> Option<&'static [u8]> {
        let mut at = self.envp;
        loop {
            // SAFETY: the environment ends with a null pointer, which ends the
            // loop, so `at` is still inside.
            let pointer = unsafe { *at };
            if pointer.is_null() {
                return None;
            }
            // SAFETY: each pointer before the null one is a C string.
            let entry = unsafe { CStr::from_ptr(pointer.cast()) }.to_bytes();
            if let Some(value) = entry.strip_prefix(name.as_bytes())
                && let Some(value) = value.strip_prefix(b"=")
            {
                return Some(value);
            }
            // SAFETY: the entry at `at` was not the last.
            at = unsafe { at.add(1) };
        }
    }
}

/// Called by `_start` with the initial stack pointer.
///
/// # Safety
/// `stack` is the stack pointer at the process's entry.
pub unsafe extern "C" fn main(stack: *const usize) -> ! {
    panic::remember_stack(stack as usize);
    // SAFETY: the kernel puts argc at the stack pointer.
    let argc = unsafe { *stack };
    // SAFETY: argv follows argc, and the environment argv's closing zero.
    let (argv, envp) = unsafe { (stack.add(1), stack.add(1 + argc + 1)) };
    let invocation = Invocation {
        argc,
        argv: argv.cast(),
        envp: envp.cast(),
    };
    init::begin(&invocation);
    open_standard_descriptors();
    syscall::exit(program::main(invocation))
}

/// Whoever starts a process with standard descriptors closed would get our
/// sockets in their place: they are opened on `/dev/null` first.
fn open_standard_descriptors() {
    use rustix::fd::IntoRawFd;
    for descriptor in [output::stdin(), output::stdout(), output::stderr()] {
        if fcntl_getfd(descriptor).is_err()
            && let Ok(null) = open(c"/dev/null", OFlags::RDWR, Mode::empty())
        {
            // The kernel gives the lowest free number, which is this one.
            let _ = null.into_raw_fd();
        }
    }
}
