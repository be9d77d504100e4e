//! The words between sessions and whoever drives them: how far one has come,
//! what is to be done for it, why it ended.

/// A session: its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub u32);

/// Why a session ended. All of them leave by the same door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Both sides said all they had to say.
    Finished,
    /// One side reset the connection.
    Reset,
    /// Nothing moved for too long.
    Idle,
    /// No server may have it.
    Nobody,
    /// No server, descriptor or port was to be had in time.
    NoRoom,
    /// Every attempt to connect failed.
    Unreachable,
    /// Its server went down, and its sessions are cut.
    Cut,
}

/// Why an attempt to connect failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The server refused, or is out of reach.
    Refused,
    /// It did not answer in time.
    Late,
    /// There was no port left towards it, this machine refused, or it is cut:
    /// another one is next, and nothing is said about it.
    NoPort,
    /// This machine had no descriptor or memory, which is no attempt at all.
    NoRoom,
}

/// What is to be done for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Connect it to this server.
    Connect(u8),
    /// Nothing: its time will come.
    Wait,
    /// It has ended: let go of what it has.
    Ended(Why),
}

/// Whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It waited for its client's first record, or for a server: it wants
    /// [`super::Sessions::go`].
    Go(Id),
    /// It was connecting: it wants [`super::Sessions::failed`].
    Connect(Id),
    /// It was idle: it wants [`super::Sessions::end`].
    Idle(Id),
}

/// How far a session has come, with the deadline of that state. Times are
/// milliseconds of the worker's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody uses the slot.
    Free,
    /// A slot for a client that is about to be taken in.
    Begun,
    /// Its client's first record is waited for.
    Hello {
        /// How long.
        until: u32,
    },
    /// A server is waited for.
    Waiting {
        /// When to look again.
        at: u32,
        /// When to give up.
        until: u32,
        /// Not for room, but for a server that failed to recover.
        paused: bool,
    },
    /// A server was asked.
    Connecting {
        /// How long it may take.
        until: u32,
    },
    /// Bytes go both ways.
    Relaying {
        /// How long nothing may move.
        until: u32,
    },
    /// It has ended in this turn.
    Ended,
}
