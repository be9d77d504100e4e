//! One server behind a service: what its checks and its administrator make of
//! it, and whether it gets new sessions. It knows no check and no session.
//!
//! ```text
//!                    first result             fall in a row
//!   unknown --------------------------> up <----------------> down
//!      |  gets sessions: better tried than refused   rise
//!      +-- drain, maint: over all of them, until ready
//! ```

use crate::Instant;
use crate::event::Admin;

/// What a server is, as status shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No result yet; it gets sessions.
    Unknown,
    /// It works.
    Up,
    /// It does not.
    Down,
    /// No new sessions, by order.
    Drain,
    /// No sessions at all, by order.
    Maint,
}

impl State {
    /// As status shows it.
    pub const fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Down => "down",
            State::Drain => "drain",
            State::Maint => "maint",
        }
    }
}

/// One server.
#[derive(Debug)]
pub struct Server {
    admin: Admin,
    weight: u16,
    state: State,
    since: Instant,
}

impl Server {
    /// A server of this weight. Without a check it is up from the beginning.
    pub const fn new(weight: u16, checked: bool, now: Instant) -> Server {
        Server {
            admin: Admin::Ready,
            weight,
            state: if checked { State::Unknown } else { State::Up },
            since: now,
        }
    }

    /// What it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Its weight now.
    pub fn weight(&self) -> u16 {
        self.weight
    }

    /// It gets new sessions.
    pub fn admits(&self) -> bool {
        self.weight > 0 && matches!(self.state, State::Unknown | State::Up)
    }

    /// What its administrator wants. [`Server::settle`] follows.
    pub fn set_admin(&mut self, admin: Admin) {
        self.admin = admin;
    }

    /// Its share from now on.
    pub fn set_weight(&mut self, weight: u16) {
        self.weight = weight;
    }

    /// Puts together what is known of it: it works, or not; `None`: there is no
    /// result yet. Returns the state that it leaves by that, if it does.
    pub fn settle(&mut self, now: Instant, works: Option<bool>) -> Option<State> {
        let state = match (self.admin, works) {
            (Admin::Maint, _) => State::Maint,
            (Admin::Drain, _) => State::Drain,
            (Admin::Ready, None) => State::Unknown,
            (Admin::Ready, Some(true)) => State::Up,
            (Admin::Ready, Some(false)) => State::Down,
        };
        let before = self.state;
        if state == before {
            return None;
        }
        self.state = state;
        self.since = now;
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(at: i64) -> Instant {
        Instant::from_millis(at)
    }

    #[test]
    fn an_unknown_server_gets_sessions_and_its_first_result_decides() {
        let mut server = Server::new(1, true, ms(0));
        assert!(server.admits());
        assert_eq!(server.settle(ms(5), None), None);
        assert_eq!(server.settle(ms(10), Some(false)), Some(State::Unknown));
        assert_eq!((server.state(), server.since()), (State::Down, ms(10)));
        assert!(!server.admits());
        assert_eq!(server.settle(ms(20), Some(true)), Some(State::Down));
        assert!(server.admits());
        assert!(Server::new(1, false, ms(0)).state() == State::Up);
    }

    #[test]
    fn an_order_stands_above_every_result() {
        let mut server = Server::new(1, true, ms(0));
        for (admin, state) in [(Admin::Drain, State::Drain), (Admin::Maint, State::Maint)] {
            server.set_admin(admin);
            server.settle(ms(1), Some(true));
            assert_eq!(server.settle(ms(2), Some(false)), None);
            assert_eq!(server.state(), state);
            assert!(!server.admits());
        }
        server.set_admin(Admin::Ready);
        assert_eq!(server.settle(ms(3), Some(false)), Some(State::Maint));
        assert_eq!(server.state(), State::Down);
    }

    #[test]
    fn a_server_without_weight_is_up_and_gets_nothing() {
        let mut server = Server::new(0, false, ms(0));
        assert!(!server.admits());
        server.set_weight(3);
        assert!(server.admits());
    }
}
