//! Numbers of the system calls that rustix does not offer, as the kernel gives
//! them to every new architecture.

/// clone(2).
pub const CLONE: usize = 220;
/// execve(2).
pub const EXECVE: usize = 221;
/// rt_sigaction(2).
pub const RT_SIGACTION: usize = 134;
/// rt_sigprocmask(2).
pub const RT_SIGPROCMASK: usize = 135;
/// signalfd4(2).
pub const SIGNALFD4: usize = 74;
/// exit_group(2).
pub const EXIT_GROUP: usize = 94;
/// setsockopt(2).
pub const SETSOCKOPT: usize = 208;
/// bind(2).
pub const BIND: usize = 200;
pub const GETSOCKNAME: usize = 204;
pub const GETPEERNAME: usize = 205;
/// sendto(2).
pub const SENDTO: usize = 206;
/// recvfrom(2).
pub const RECVFROM: usize = 207;
/// sched_setscheduler(2).
pub const SCHED_SETSCHEDULER: usize = 119;
/// waitid(2).
pub const WAITID: usize = 95;
/// close_range(2).
pub const CLOSE_RANGE: usize = 436;
/// clock_gettime(2).
pub const CLOCK_GETTIME: usize = 113;
// What a worker may call, and the call that sees to it.
pub const EPOLL_PWAIT: usize = 22;
pub const SPLICE: usize = 76;
pub const READ: usize = 63;
pub const WRITE: usize = 64;
pub const RECVMMSG: usize = 243;
pub const SENDMMSG: usize = 269;
pub const ACCEPT4: usize = 242;
pub const CONNECT: usize = 203;
pub const EPOLL_CTL: usize = 21;
pub const SHUTDOWN: usize = 210;
pub const CLOSE: usize = 57;
pub const GETSOCKOPT: usize = 209;
pub const PIPE2: usize = 59;
pub const FCNTL: usize = 25;
pub const EPOLL_CREATE1: usize = 20;
pub const PPOLL: usize = 73;
pub const GETPID: usize = 172;
pub const RESTART_SYSCALL: usize = 128;
pub const SOCKET: usize = 198;
pub const SECCOMP: usize = 277;
// Nothing has two names.
pub const MORE: [usize; 0] = [];
