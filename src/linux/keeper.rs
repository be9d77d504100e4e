//! The keeper's loop: wait until something happens or the core's deadline has
//! come, tell the core, do what it says.
//!
//! ```text
//!            epoll                      Node
//!   packets ----+                 +--> process(now, event) --+
//!   links   ----+--> one turn ----+                          |  actions, in order
//!   children ---+    clock once   +--> poll_at() --> timer   v
//!   signals ----+                                    net, children
//! ```
//!
//! A turn takes what waits in bounded portions, the network and the deadline
//! first, so that neither a flood nor a talkative child delays an advert. The
//! loop sleeps in epoll, and elsewhere for milliseconds only (`Keeper::pause`).

use core::mem::MaybeUninit;

use heapless::Vec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use smena::config::Config;
use smena::event::{Action, Actions, CheckId, CheckResult, Event, Outcome};
use smena::node::Node;
use smena::pack::packed;
use smena::report::{Order, View};
use smena::say::{Level, Number, Plain, say};
use smena::supervise::{GRACE, RESETS_LOOK, RESETS_MAX};
use smena::{Duration, Instant, board};

use super::ask::{self, Asks};
use super::cell::Cell;
use super::clock::{self, Suspend, Wall};
use super::control::{self, Control};
use super::doors;
use super::failure::{Failure, Reason};
use super::guard::{self, Guard};
use super::init::{self, Init};
use super::net::{self, Net};
use super::process::{self, Children, Collected, Ended, Places};
use super::publish::Publisher;
use super::questions;
use super::realtime::Realtime;
use super::servers::{self, Refusals};
use super::signal::{Request, Signals};
use super::stack::{self, Place};
use super::start::Invocation;
use super::text::Text;
use super::timer::{self, Timer};
use super::user::User;
use super::workers::{self, Workers};

const SIGNALS: u64 = 2;
/// Events that are taken from epoll at once.
const EVENTS_MAX: usize = 32;
/// Adopted processes that are collected in one turn.
const STRAYS_MAX: usize = 32;
/// Events that carrying out one list of actions can lead to: each check, hook
/// and resource that cannot be started.
const BACK_MAX: usize = board::CHECKS_MAX + board::SERVERS_MAX + 3 * board::ROUTERS_MAX;

static NODE: Cell<MaybeUninit<Node<'static>>> = Cell::new(MaybeUninit::uninit());
static PLACES: Cell<Places> = Cell::new(Vec::new());
static SLOTS: Cell<ask::Slots<'static>> = Cell::new(Vec::new());
static ACTIONS: Cell<Actions> = Cell::new(Actions::new());
static BACK: Cell<Vec<Event<'static>, BACK_MAX>> = Cell::new(Vec::new());
static DOORS: Cell<doors::All> = Cell::new(Vec::new());
static NET_MEMORY: Cell<net::Memory> = Cell::new(net::Memory::new());

/// The tables that no worker needs.
fn tables() -> [Place; 6] {
    [
        NODE.place(),
        PLACES.place(),
        SLOTS.place(),
        ACTIONS.place(),
        BACK.place(),
        NET_MEMORY.place(),
    ]
}

/// Runs a configuration until a planned stop is complete.
///
/// # Errors
/// What the system refused at the start; nothing was changed then.
pub fn run(
    config: &'static Config<'static>,
    user: User,
    host: &str,
    invocation: &Invocation,
) -> Result<(), Failure> {
    let started_at = clock::now();
    let signals = Signals::open()?;
    let epoll =
        epoll::create(CreateFlags::CLOEXEC).map_err(|errno| refused("epoll_create1", errno))?;
    let epoll = epoll.as_fd();
    let path = config.node.control.unwrap_or(smena::config::Node::CONTROL);
    let mut control = Control::open(path, epoll)?;
    // Before anything speaks, and while little memory is touched.
    let mut workers = Workers::open(config, epoll, invocation, DOORS.claim(), tables())?;
    workers.start(started_at);
    let init = Init::open(config, epoll, started_at);
    let timer = Timer::open(epoll)?;
    watch(epoll, signals.as_fd(), SIGNALS)?;
    let node = Node::new_in(NODE.claim(), config, started_at, seed(started_at));
    let guard = Guard::open(epoll, invocation)?;
    let mut net = Net::open(node, epoll, guard.held(), NET_MEMORY.claim())?;
    let children = Children::open(config, epoll, user, PLACES.claim())?;
    let mut asks = Asks::new(epoll, SLOTS.claim());
    questions::add(&mut asks, config);
    let mut keeper = Keeper {
        node,
        net: &mut net,
        children,
        asks: &mut asks,
        control: &mut control,
        guard,
        workers,
        refusals: Refusals::NONE,
        init,
        stops: 0,
        publisher: Publisher::new(config.node.notify_fifo),
        realtime: Realtime::enter(0),
        signals,
        timer,
        host,
        started_at,
        suspend: Suspend::new(),
        wall: Wall::new(),
        lag_last: Duration::ZERO,
        lag_max: Duration::ZERO,
        collecting: false,
        finished: false,
        events: 0,
        counted_at: started_at,
        resting: false,
        actions: ACTIONS.claim(),
        back: BACK.claim(),
    };
    keeper.start();
    stack::give_back();
    stack::give_back_apart();
    // After them, because locked memory is not given back.
    keeper.realtime = Realtime::enter(config.node.realtime());
    while !keeper.finished {
        keeper.turn(epoll);
    }
    keeper.children.end_checks();
    keeper.workers.end();
    keeper.net.close();
    say(Level::Info, format_args!("smena ends"));
    // It ends when its pipe is closed, and has nothing to do.
    drop(keeper.guard);
    keeper.init.finish();
    Ok(())
}

/// What the loop works with.
struct Keeper<'k, 'n, 'a> {
    node: &'k mut Node<'n>,
    net: &'k mut Net<'a>,
    children: Children<'a>,
    asks: &'k mut Asks<'a, 'static>,
    control: &'k mut Control<'a>,
    guard: Guard<'a>,
    workers: Workers<'a>,
    refusals: Refusals,
    /// What PID 1 does besides.
    init: Init<'a>,
    /// Stops that the forwarder holds up, because sessions may still end.
    stops: u8,
    realtime: Realtime,
    publisher: Publisher<'a>,
    signals: Signals,
    timer: Timer,
    host: &'k str,
    started_at: Instant,
    suspend: Suspend,
    wall: Wall,
    /// How late the last deadline was met, and the latest that one ever was.
    lag_last: Duration,
    lag_max: Duration,
    /// More adopted processes may wait than one turn collects.
    collecting: bool,
    finished: bool,
    /// What the network had to tell since then, and whether it was much.
    events: u32,
    counted_at: Instant,
    resting: bool,
    actions: &'k mut Actions,
    /// Events that actions led to, to be processed after them.
    back: &'k mut Vec<Event<'static>, BACK_MAX>,
}

impl Keeper<'_, '_, '_> {
    /// Tells the core what the network is like, and lets it begin.
    #[inline(never)]
    fn start(&mut self) {
        say(
            Level::Info,
            format_args!(concat!("smena ", env!("CARGO_PKG_VERSION"), " starts")),
        );
        self.tell_clock(self.started_at);
        self.guard.start(self.started_at, self.node);
        self.take_network(self.started_at);
        while self.net.is_pending() {
            self.net.drain();
            self.take_network(self.started_at);
        }
        self.deliver(clock::now(), Event::Start);
    }

    /// Waits, and handles what came.
    #[inline(never)]
    fn turn(&mut self, epoll: BorrowedFd<'_>) {
        self.rest();
        self.children.look_for_processes();
        let unfinished = self.collecting
            || self.asks.waits()
            || self.children.has_untold()
            || self.net.is_pending();
        self.timer.set(if unfinished {
            Instant::ZERO
        } else {
            self.wake_at()
        });
        let mut buffer = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
        let waiting = match epoll::wait(epoll, &mut buffer, None) {
            Ok((waiting, _)) => waiting,
            // A stop and continue interrupts it; the clock is looked at anew.
            Err(Errno::INTR) => &mut [],
            Err(errno) => panic!("epoll_wait: {}", Reason(errno)),
        };
        let now = clock::now();
        if let Some(asleep) = self.suspend.look() {
            let ms = Number(asleep.total_millis());
            say(
                Level::Warn,
                format_args!("the machine was suspended for {ms} ms"),
            );
            self.deliver(now, Event::Suspended(asleep));
        }
        self.tell_clock(now);
        for event in waiting.iter() {
            let token = event.data.u64();
            if (net::TOKEN..process::TOKENS).contains(&token) {
                self.net.ready(token);
            }
        }
        if self.net.is_pending() {
            self.net.ready(net::TOKEN);
        }
        self.take_network(now);
        self.poll(now);
        for event in waiting.iter() {
            // What follows may fork, which takes a while; a deadline that comes
            // meanwhile does not wait for all of it.
            self.poll(clock::now());
            match event.data.u64() {
                timer::TOKEN => {}
                SIGNALS => self.take_signals(now),
                guard::TOKEN => self.guard.ended(now, self.node),
                init::TOKEN => self.init.ready(),
                workers::BACK => self.take_refusals(now),
                token @ workers::TOKENS..workers::TOKENS_END => self.workers.ready(token, now),
                token @ control::TOKENS..net::TOKEN => self.take_control(token, now),
                token @ ask::TOKENS.. => self.asks.ready(token),
                token @ process::TOKENS.. => {
                    if let Some(ended) = self.children.ready(token, now) {
                        self.tell_ended(now, &ended);
                    }
                }
                _ => {}
            }
        }
        if self.collecting {
            self.collect(now);
        }
        self.take_answers();
        self.children.poll(now);
        self.init.poll(now, &mut self.children);
        self.control.poll(now);
        self.guard.poll(now, self.node);
        if self.workers.poll(now) {
            servers::admit(self.node, &mut self.workers);
            self.stop(now);
        }
        self.realtime.poll(now);
        // What the others led to may have been refused, which is told here.
        self.take_network(now);
    }

    /// Says what the wall clock shows, where something is signed.
    fn tell_clock(&mut self, now: Instant) {
        if self.node.signs()
            && let Some(ahead) = self.wall.look()
        {
            self.deliver(now, Event::Clock(ahead));
        }
    }

    /// While the network says much, it is heard out in portions: a turn for each
    /// packet of a flood would cost more than the packets.
    fn rest(&mut self) {
        const SPAN: Duration = Duration::from_millis(100);
        const MANY: u32 = 200;
        const REST: Duration = Duration::from_millis(1);
        if self.events == 0 && !self.resting {
            return;
        }
        let now = clock::now();
        if now >= self.counted_at + SPAN {
            self.resting = self.events > MANY;
            self.events = 0;
            self.counted_at = now;
        }
        if self.resting {
            self.pause(self.wake_at().min(now + REST));
        }
    }

    /// When the next turn must begin without anything happening.
    fn wake_at(&self) -> Instant {
        let (mut at, _) = self.node.poll_at();
        let others = [
            self.children.poll_at(),
            self.control.poll_at(),
            self.guard.poll_at(),
            self.workers.poll_at(),
            self.init.poll_at(),
            self.realtime.poll_at(),
        ];
        for other in others {
            at = at.min(other.unwrap_or(at));
        }
        at
    }

    /// Delivers the core's deadline when it has come, after every packet that
    /// came before it.
    fn poll(&mut self, now: Instant) {
        let (at, _) = self.node.poll_at();
        if now < at {
            return;
        }
        self.net.drain();
        self.take_network(now);
        // A packet may have moved the deadline.
        let (at, _) = self.node.poll_at();
        if now < at {
            return;
        }
        self.lag_last = now - at;
        self.lag_max = self.lag_max.max(self.lag_last);
        self.deliver(now, Event::Poll);
        self.take_network(now);
    }

    /// Takes what the network has to tell.
    fn take_network(&mut self, now: Instant) {
        while let Some(event) = self.net.next() {
            self.events += 1;
            self.node.process(now, event, self.actions);
            self.carry_out(now);
        }
    }

    fn take_signals(&mut self, now: Instant) {
        while let Some(request) = self.signals.next() {
            match request {
                Request::Stop => {
                    say(Level::Info, format_args!("asked to stop"));
                    self.stops = self.stops.saturating_add(1);
                    if self.workers.on_stop(now) {
                        self.stop(now);
                    }
                }
                Request::Reload => {
                    let what =
                        Plain("reload is not in this version; restart to apply a changed file");
                    say(Level::Warn, format_args!("SIGHUP: {what}"));
                }
                Request::Collect => self.collect(now),
                Request::Rest => self.realtime.step_down(now),
            }
        }
    }

    /// Nothing of the forwarder holds a stop up any longer.
    fn stop(&mut self, now: Instant) {
        for _ in 0..core::mem::take(&mut self.stops) {
            self.deliver(now, Event::Stop);
        }
    }

    /// Addresses go for good, or the node ends: sessions are cut, with a reset
    /// from the address that they came to, and with the last address the doors
    /// are shut. Nothing else is due meanwhile: whoever was master has resigned.
    fn take_leave(&mut self, grace: Duration) {
        if !self.workers.leaves() {
            return;
        }
        self.pause(clock::now() + grace);
        self.workers.on_release(self.node.has_addresses());
        let limit = clock::now() + RESETS_MAX;
        while self.workers.sessions() > 0 && clock::now() < limit {
            self.pause(clock::now() + RESETS_LOOK);
        }
    }

    /// Sleeps for a moment that is too short to miss anything.
    fn pause(&self, until: Instant) {
        self.timer.set(until);
        self.timer.wait();
    }

    /// Collects children that have ended; each adopted one, too.
    fn collect(&mut self, now: Instant) {
        self.collecting = false;
        self.workers.look(now);
        for _ in 0..STRAYS_MAX {
            match self.children.collect(now) {
                Collected::Ended(ended) => self.tell_ended(now, &ended),
                Collected::Stray => {}
                Collected::Nothing => return,
            }
        }
        self.collecting = true;
    }

    /// Tells what servers answered, and what was seen at once.
    #[inline(never)]
    fn take_answers(&mut self) {
        while let Some((number, answer)) = self.asks.next() {
            let verdict = answer.verdict;
            let outcome = match (answer.refused, verdict.is_good()) {
                (true, _) => Outcome::Unknown,
                (_, true) => Outcome::Success,
                (_, false) => Outcome::Failure,
            };
            let detail = Text::<64>::of(format_args!("{verdict}"));
            let result = CheckResult {
                outcome,
                detail: detail.as_str(),
            };
            // It may have begun in this very turn.
            self.deliver(clock::now(), Event::CheckEnded(CheckId(number), result));
        }
        while let Some(ended) = self.children.next_untold() {
            self.tell_ended(clock::now(), &ended);
        }
    }

    /// A child has ended: one of the core's, or a program of PID 1.
    fn tell_ended(&mut self, now: Instant, ended: &Ended) {
        match ended.event() {
            Ok(event) => self.deliver(now, event),
            Err(at) => self.init.ended(now, at, ended),
        }
    }

    /// Tells which servers refused sessions of workers.
    fn take_refusals(&mut self, now: Instant) {
        self.workers.take_word();
        let shared = self.workers.shared();
        while let Some(event) = self.refusals.next(self.node.config(), shared) {
            self.deliver(now, event);
        }
    }

    fn take_control(&mut self, token: u64, now: Instant) {
        let Some(at) = self.control.ready(token, now) else {
            return;
        };
        let order = Order::read(self.control.question(at));
        if let Some(event) = order.and_then(|order| order.event(self.node.config())) {
            self.deliver(now, event);
        }
        let mut waiting = [0; board::SERVICES_MAX];
        self.workers.count_waiting(&mut waiting);
        let view = View {
            now,
            uptime: now - self.started_at,
            version: env!("CARGO_PKG_VERSION"),
            host: self.host,
            lag_last: self.lag_last,
            lag_max: self.lag_max,
            fifo: self.publisher.counts(),
            workers: self.workers.posts(),
            waiting: &waiting,
            shared: Some(self.workers.shared()),
            farewell: *self.workers.farewell(),
        };
        self.control.answer(at, now, self.node, &view);
    }

    /// Tells the core, and does what it says, and what that leads to.
    fn deliver(&mut self, now: Instant, event: Event<'_>) {
        self.node.process(now, event, self.actions);
        self.carry_out(now);
    }

    /// Carries out the actions in their order, then tells what failed.
    fn carry_out(&mut self, now: Instant) {
        loop {
            let mut at = 0;
            while let Some(action) = self.actions.get(at).copied() {
                self.carry_out_one(action);
                at += 1;
            }
            if self.back.is_empty() {
                return;
            }
            let event = self.back.remove(0);
            self.node.process(now, event, self.actions);
        }
    }

    #[inline(never)]
    fn carry_out_one(&mut self, action: Action) {
        let back = match action {
            Action::StartCheck(id) => match self.asks.start(id.0) {
                true => None,
                false => self.children.start_check(id),
            },
            Action::StartHook(id, call) => self.children.start_hook(self.node, id, call),
            Action::KillCheck(id, kill) => {
                self.asks.give_up(id.0);
                self.children.kill_check(id, kill);
                None
            }
            Action::KillHook(id, kill) => {
                self.children.kill_hook(id, kill);
                None
            }
            Action::WriteState(id) => {
                self.publisher.write_state(self.node, id);
                None
            }
            Action::TellFifo(subject) => {
                self.publisher.tell(self.node, subject);
                None
            }
            Action::Admit(_) | Action::Cut(_) | Action::Refuse(_) | Action::Accept(_) => {
                servers::perform(self.node, &mut self.workers, action);
                None
            }
            Action::Finish => {
                self.take_leave(Duration::ZERO);
                self.finished = true;
                None
            }
            Action::RemoveAddresses(_) => {
                self.take_leave(GRACE);
                self.net.perform(self.node, action);
                None
            }
            Action::SendAdvert(..)
            | Action::Announce(_)
            | Action::Probe(_)
            | Action::SetAddresses(_)
            | Action::RemoveLeftover(..)
            | Action::RescanAddresses(_)
            | Action::Filter(..) => {
                self.net.perform(self.node, action);
                None
            }
        };
        if let Some(event) = back {
            // Each check and hook is in at most one action of a list, and what
            // comes back is taken before the next list is longer.
            let fitted = self.back.push(event).is_ok();
            assert!(fitted);
        }
    }
}

/// Watches a descriptor for something to read.
pub fn watch(epoll: BorrowedFd<'_>, descriptor: BorrowedFd<'_>, token: u64) -> Result<(), Failure> {
    epoll::add(epoll, descriptor, EventData::new_u64(token), EventFlags::IN)
        .map_err(|errno| refused("epoll_ctl", errno))
}

/// A refusal that only a lack of memory or descriptors explains.
pub fn refused(call: &'static str, errno: Errno) -> Failure {
    let what = format_args!("{} (the keeper's loop)", Plain(call));
    let mend = packed!("raise the limits of memory and open files");
    Failure::new(what, errno, mend)
}

/// Something that differs between two nodes and two starts.
fn seed(now: Instant) -> u64 {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    now.total_micros() as u64 ^ (u64::from(pid.unsigned_abs()) << 40)
}
