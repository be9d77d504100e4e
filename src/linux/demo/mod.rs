//! `smena demo`: two boxes, a client and a story of failures, in namespaces of
//! its own.
//!
//! ```text
//!     client ---- bridge ---- cable ---- eth0  gw-a: smena run, web-a-PID
//!                   |
//!                   +-------- cable ---- eth0  gw-b: smena run, web-b-PID
//! ```
//!
//! The boxes run this very binary on files that a reader could have written;
//! the demo only breaks things and tells what it sees. It needs no other
//! program and no file of the machine, leaves nothing behind, and says so when
//! a step does not show what it should.

mod client;
mod gateway;
mod screen;
mod show;
mod stage;
mod wires;
mod world;

use core::net::Ipv4Addr;

use rustix::process::getpid;

use smena::pack::{Packed, packed};
use smena::say::{Number, Plain};

use super::output::Output;
use super::text::Text;
use show::{End, Show};

/// The address that the two boxes share.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const OWN: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
/// Begins the line that the demo's hook prints.
const HOOK_MARK: &str = "demo-hook ";

const A: usize = 0;
const B: usize = 1;

/// The part of `smena demo hook INSTANCE NAME STATE PRIORITY` after `hook`:
/// what a router of the demo calls.
pub fn hook(words: &mut dyn Iterator<Item = &str>) -> i32 {
    use core::fmt::Write as _;
    let mut output = Output::stdout();
    let _ = writeln!(output, "{}", Plain(gateway::hook(words).as_str()));
    i32::from(!output.flush())
}

/// Runs the demo. The exit code: 0 as it should be, 1 something was not, 4 the
/// system gives no private namespaces, 130 interrupted.
pub fn run() -> i32 {
    let mut show = Show::build();
    let end = show.tell();
    let (code, words) = match end {
        Ok(()) => (0, LAST_WORDS),
        Err(End::Stopped) => (130, packed!("\nStopped. Nothing is left behind.\n")),
        Err(End::Unexpected) => (1, UNEXPECTED),
    };
    show.close().print(format_args!("{words}"));
    code
}

const FIRST_WORDS: Packed = packed!(
    "\
Two boxes, gw-a and gw-b, keep one address between them: 10.0.0.10. A client
pings it every millisecond while things go wrong. All of this is real, lives in
private network namespaces and ends by itself in about 20 seconds.

gw-a runs this file; gw-b the same with priority 100 and its own web process:

"
);

const LAST_WORDS: Packed = packed!(
    "
The demo is over, and nothing of it is left behind. For a pair of your own,
write such a file for each box, try it with `smena check`, start `smena run`.
"
);

const UNEXPECTED: Packed = packed!(
    "
This is not what should have happened. A machine that is very busy can be the
reason; if it happens again, please report it with the lines above.
"
);

/// The configurations of both.
const FILES: [File; 2] = [
    File {
        priority: 101,
        own: "a",
    },
    File {
        priority: 100,
        own: "b",
    },
];

/// The configuration of a box.
struct File {
    priority: u8,
    own: &'static str,
}

impl core::fmt::Display for File {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (priority, own) = (Number(self.priority.into()), Plain(self.own));
        write!(
            f,
            "[node]\n\
             control = /gw-{own}.sock\n\
             realtime = no\n\
             \n\
             [vrrp VI_01]\n\
             interface = eth0\n\
             virtual_router_id = 51\n\
             version = 3\n\
             priority = {priority}\n\
             advert_int = 100ms\n\
             address = 10.0.0.10/24\n\
             track = web weight 2\n\
             notify = /smena demo hook\n\
             \n\
             [check web]\n\
             process = {}\n\
             interval = 300ms\n",
            Plain(service(self.own).as_str())
        )
    }
}

/// The name of the process that a box's check looks for. Two demos at a time see
/// each other's processes, so the name has this one's number.
fn service(own: &str) -> Text<16> {
    let number = getpid().as_raw_nonzero().get().unsigned_abs();
    Text::of(format_args!("web-{}-{}", Plain(own), Number(number.into())))
}
