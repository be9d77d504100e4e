//! The hardware watchdog: it restarts the machine unless it is fed, and it is fed
//! by the loop that sends adverts and by nothing else.
//!
//! # Safety
//!
//! The one request of the driver that is made writes an integer, as the kernel's
//! documentation of WDIOC_GETTIMEOUT says.
#![allow(unsafe_code)]

use core::ffi::c_int;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::write;
use rustix::ioctl::{Getter, ioctl, opcode};
use smena::say::{Level, Number, Plain, say};
use smena::{Duration, Instant};

use crate::linux::failure::log_refusal;
use crate::linux::text::Text;

/// What a driver's time is taken for that does not tell it.
const UNTOLD: c_int = 4;

/// An open watchdog, which counts from the moment that it was opened.
pub struct Watchdog {
    device: OwnedFd,
    every: Duration,
    feed_at: Instant,
}

impl Watchdog {
    /// Opens it; a machine without one is told of and runs on.
    pub fn open(path: &str, now: Instant) -> Option<Watchdog> {
        let mut name = Text::<128>::copy_of(path);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let device = match open(name.as_c_str()?, flags, Mode::empty()) {
            Ok(device) => device,
            Err(errno) => {
                let path = Plain(path);
                log_refusal(Level::Error, format_args!("watchdog {path}"), errno);
                return None;
            }
        };
        const GET_TIMEOUT: rustix::ioctl::Opcode = opcode::read::<c_int>(b'W', 7);
        // SAFETY: the request writes one integer.
        let seconds = unsafe { ioctl(&device, Getter::<GET_TIMEOUT, c_int>::new()) };
        let seconds = seconds.unwrap_or(UNTOLD).clamp(1, 3600) as u64;
        say(
            Level::Info,
            format_args!(
                "watchdog {} restarts this machine after {} s without us",
                Plain(path),
                Number(seconds)
            ),
        );
        Some(Watchdog {
            device,
            every: Duration::from_millis(seconds * 250),
            feed_at: now,
        })
    }

    /// When [`Watchdog::poll`] wants to be called.
    pub fn poll_at(&self) -> Instant {
        self.feed_at
    }

    /// Feeds it, when it is time.
    pub fn poll(&mut self, now: Instant) {
        if self.feed_at <= now {
            self.feed_at = now + self.every;
            let _ = write(&self.device, b"\0");
        }
    }

    /// Stops it: the letter is how a driver knows an end from a crash.
    pub fn stop(self) {
        let _ = write(&self.device, b"V");
    }
}
