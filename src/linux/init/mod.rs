//! The first process of a machine, PID 1: what an init does, and no more.
//!
//! ```text
//!   begin      mounts, console                     before anything else
//!   prepare    host name, modules, mounts          once the configuration is read
//!   Init       links, programs, watchdog           beside the keeper, in its loop
//!   end        everything stops, reboot(2)         after the keeper handed over
//!   stuck      says what is wrong, answers         where there is no keeper
//! ```
//!
//! PID 1 never exits. What is refused on the way is told and never fatal: a
//! machine that comes up in part can be reached and mended.

mod begin;
mod end;
mod links;
mod prepare;
mod stuck;
mod watchdog;

use core::sync::atomic::{AtomicBool, Ordering};

use heapless::Vec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::BorrowedFd;
use smena::Instant;
use smena::board;
use smena::config::Config;
use smena::say::{Level, Number, Plain, say};
use smena::upkeep::Upkeep;

use super::failure::log_refusal;
use super::process::{Children, Ended};
pub use begin::{begin, named_file};
pub use end::{After, after_panic, ask_for};
use links::Links;
pub use prepare::{open_kernel_log, prepare};
pub use stuck::stuck;
use watchdog::Watchdog;

/// The token of link changes in epoll.
pub const TOKEN: u64 = 7;

/// Whether this process is the machine's init.
static ON: AtomicBool = AtomicBool::new(false);

/// Whether this process is the machine's init.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// What PID 1 does beside the keeper. For any other process all of it is empty.
pub struct Init<'a> {
    config: &'a Config<'a>,
    links: Option<Links<'a>>,
    watchdog: Option<Watchdog>,
    programs: Vec<Upkeep, { board::PROGRAMS_MAX }>,
}

impl<'a> Init<'a> {
    /// Brings links up, and opens the watchdog.
    pub fn open(config: &'a Config<'a>, epoll: BorrowedFd<'_>, now: Instant) -> Init<'a> {
        let mut init = Init {
            config,
            links: None,
            watchdog: None,
            programs: Vec::new(),
        };
        if !is_on() {
            return init;
        }
        match Links::open(config) {
            Ok(links) => {
                let token = EventData::new_u64(TOKEN);
                // Without it only what is there now is brought up.
                let _ = epoll::add(epoll, links.fd(), token, EventFlags::IN);
                init.links = Some(links);
            }
            Err(errno) => log_refusal(Level::Error, format_args!("socket AF_NETLINK"), errno),
        }
        init.watchdog = config
            .init
            .watchdog
            .and_then(|path| Watchdog::open(path, now));
        for _ in &config.init.programs {
            let _ = init.programs.push(Upkeep::new(now));
        }
        init
    }

    /// Links have changed.
    pub fn ready(&mut self) {
        if let Some(links) = &mut self.links {
            links.ready();
        }
    }

    /// When [`Init::poll`] wants to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        let programs = self.programs.iter().filter_map(Upkeep::poll_at).min();
        let watchdog = self.watchdog.as_ref().map(Watchdog::poll_at);
        match (programs, watchdog) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Feeds the watchdog and starts programs. Called by every turn of the loop,
    /// so that a loop that hangs starves the watchdog.
    pub fn poll(&mut self, now: Instant, children: &mut Children<'_>) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.poll(now);
        }
        for at in 0..self.programs.len() {
            if self.programs[at].on_poll(now)
                && let Err(errno) = children.start_program(at)
            {
                log_refusal(Level::Error, format_args!("cannot start a process"), errno);
                self.programs[at].on_end(now);
            }
        }
    }

    /// A program has ended.
    pub fn ended(&mut self, now: Instant, at: usize, ended: &Ended) {
        let pause = Number(self.programs[at].on_end(now).secs());
        let name = Plain(program_name(self.config, at));
        let how = Plain(ended.detail());
        say(
            Level::Warn,
            format_args!("program {name} ended ({how}); it starts again in {pause} s"),
        );
    }

    /// Ends the machine, when this is its init.
    pub fn finish(self) {
        if is_on() {
            end::end(&self.config.init.mounts, self.watchdog);
        }
    }
}

/// What the log calls a program.
pub fn program_name<'a>(config: &Config<'a>, at: usize) -> &'a str {
    let first = config.init.programs[at].iter().next();
    first.map_or("", |word| word.as_written())
}
