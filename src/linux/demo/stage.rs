//! The demo's loop: pings, listens to both boxes and tells what it sees, until
//! what the story waits for has happened or its time is up.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use smena::{Duration, Instant};

use crate::linux::clock;
use crate::linux::signal::{Request, Signals};

use super::client::Client;
use super::gateway::Gateway;
use super::screen::Screen;

/// How long the loop sleeps when no ping is due.
const REST: Duration = Duration::from_millis(10);

/// The story ends early: somebody asked to stop.
pub struct Stopped;

/// See the module.
pub struct Stage {
    /// What the reader sees.
    pub screen: Screen,
    /// Who needs the address.
    pub client: Client,
    /// Who keep it.
    pub gateways: [Gateway; 2],
    /// Where a reader's Ctrl-C shows.
    pub signals: Signals,
}

impl Stage {
    /// Watches until `done`, at most this long; whether it was.
    pub fn watch(
        &mut self,
        limit: Duration,
        done: &dyn Fn(&Stage, Instant) -> bool,
    ) -> Result<bool, Stopped> {
        let until = clock::now() + limit;
        loop {
            let now = clock::now();
            self.client.poll(now);
            for gateway in &mut self.gateways {
                gateway.poll(now, &mut self.screen);
            }
            // A terminal that is closed or a reader that went away ends it, too.
            let asked = self.signals.next();
            if matches!(asked, Some(Request::Stop | Request::Reload)) || self.screen.is_gone() {
                return Err(Stopped);
            }
            if done(self, now) {
                return Ok(true);
            }
            if now >= until {
                return Ok(false);
            }
            let wake_at = self.client.next_at().unwrap_or(now + REST).min(until);
            self.sleep(wake_at);
        }
    }

    /// Lets time pass, for the reader and for what may still go wrong.
    pub fn pause(&mut self, time: Duration) -> Result<(), Stopped> {
        self.watch(time, &|_, _| false).map(|_| ())
    }

    /// Sleeps until something is new, or until then.
    #[inline(never)]
    fn sleep(&self, until: Instant) {
        let [a, b] = self.gateways[0].fds();
        let [c, d] = self.gateways[1].fds();
        let all = [a, b, c, d, self.client.fd(), self.signals.as_fd()];
        let mut all = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let left = (until.total_micros() - clock::now().total_micros()).max(0);
        let left = Timespec {
            tv_sec: left / 1_000_000,
            tv_nsec: left % 1_000_000 * 1_000,
        };
        // Whatever ends it, the loop looks at everything anew.
        let _ = poll(&mut all, Some(&left));
    }
}
