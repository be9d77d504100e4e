//! What all processors but MIPS have alike.

/// Bytes of a set of signals.
pub const SIGNAL_SET_SIZE: usize = 8;
/// rt_sigprocmask(2): exactly these.
pub const SIG_SETMASK: usize = 2;

/// Level and names of the options of a socket.
pub mod option {
    pub const SOL_SOCKET: usize = 1;
    pub const SO_REUSEADDR: usize = 2;
    pub const SO_KEEPALIVE: usize = 9;
    pub const SO_LINGER: usize = 13;
    pub const SO_REUSEPORT: usize = 15;
    pub const SO_SNDBUF: usize = 7;
    pub const SO_SNDBUFFORCE: usize = 32;
}
