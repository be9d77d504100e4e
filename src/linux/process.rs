//! Children of the keeper: checks and hooks, from fork to collection, and what
//! they print in between.
//!
//! Each is a process group of its own with a pipe for its output and a pidfd
//! that tells its end. Nothing here waits for a child, and no child can make it:
//! even the judging of a path and the change of user happen in the child. Each
//! run ends in one function, `end`, however it came to its end.

mod ended;
mod round;
mod telling;

use core::fmt;

use heapless::Vec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, kill_process_group,
    set_child_subreaper, setpgid, waitid, waitpid,
};
use smena::config::{Config, ServerCheck, Service};
use smena::event::{
    CheckId, CheckResult, Event, Exit, HookCall, HookId, Kill, Outcome, RouterId, earliest,
};
use smena::node::Node;
use smena::pack::packed;
use smena::say::{Level, Number, Plain, say};
use smena::{Instant, board};

use super::answer::{Answers, is_news};
use super::called::{Owner, called};
use super::cgroup::{Group, Groups};
use super::child::Child;
use super::failure::{Failure, log_refusal};
use super::hook;
use super::init;
use super::lines::Lines;
use super::look;
use super::spawn::Setting;
use super::sweep::sweep;
use super::syscall::{self, Fork};
use super::text::Text;
use super::user::User;
pub use ended::Ended;
use ended::{exit_of, has_ended};
use round::{Untold, Waits};
use telling::{not_started, write_line};

/// The most children: one for each check and for each server, two for each
/// router, its hook and one of its resources, one for each group's hook and for
/// each program of PID 1, and the copy that looks for processes.
const CHILDREN_MAX: usize =
    board::CHECKS_MAX + board::SERVERS_MAX + 3 * board::ROUTERS_MAX + board::PROGRAMS_MAX + 1;
/// Reads of one pipe when its child has ended: a pipe holds 64 KiB.
const LAST_READS_MAX: usize = 64;

/// The tokens of children in epoll: two each, pidfd and pipe.
pub const TOKENS: u64 = 1 << 32;

/// The place of one check or hook, or of the look for processes.
pub struct Place {
    owner: Owner,
    /// Made at the first run and kept: what a hook daemonised may go on writing.
    pipe: Option<Pipe>,
    lines: Lines,
    /// The pipe is left alone for a while.
    paused: bool,
    running: Option<Running>,
    /// The cgroup that a check's program runs in.
    group: Group,
    /// Its part in the look for processes.
    waits: Waits,
    looked_at: Instant,
    /// It has ended without a process of its own.
    untold: Untold,
}

struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

struct Running {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Place {
    fn is_untold(&self) -> bool {
        self.untold != Untold::Nothing
    }
}

/// What there was to collect.
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
pub enum Collected {
    /// A check or a hook has ended.
    Ended(Ended),
    /// A process that was adopted.
    Stray,
    /// Nothing.
    Nothing,
}

/// The table of places, which is large.
pub type Places = Vec<Place, CHILDREN_MAX>;

/// All children.
pub struct Children<'a> {
    config: &'a Config<'a>,
    /// Places of checks, those of servers included where a command looks at one.
    checks: usize,
    places: &'a mut Places,
    answers: Answers,
    groups: Groups,
    epoll: BorrowedFd<'a>,
    null: OwnedFd,
    user: User,
    keeper: Pid,
}

impl<'a> Children<'a> {
    /// Places for every check and router of the configuration; the process
    /// adopts what its children leave behind, so that it can be collected.
    pub fn open(
        config: &'a Config<'a>,
        epoll: BorrowedFd<'a>,
        user: User,
        places: &'a mut Places,
    ) -> Result<Children<'a>, Failure> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let null = open(c"/dev/null", flags, Mode::empty()).map_err(|errno| {
            Failure::new(
                format_args!("open /dev/null"),
                errno,
                packed!("mount devtmpfs on /dev"),
            )
        })?;
        let keeper = getpid();
        // Refused nowhere; without it strays would go to init.
        let _ = set_child_subreaper(Some(keeper));
        let by_command = |s: &Service<'_>| matches!(s.check, ServerCheck::Exec(_));
        let checks = match config.services.iter().any(by_command) {
            true => config.checks.len() + config.servers.len(),
            false => config.checks.len(),
        };
        let routers = config.routers.len();
        let hooks = 2 * routers + config.groups.len();
        let mut count = checks + hooks;
        if init::is_on() {
            count += config.init.programs.len();
        }
        let children = Children {
            config,
            checks,
            places,
            answers: Answers::open(count + 1)?,
            groups: Groups::find(),
            epoll,
            null,
            user,
            keeper,
        };
        for at in 0..=count {
            let place = Place {
                owner: match at.checked_sub(checks) {
                    _ if at == count => Owner::Look,
                    None => Owner::Check(CheckId(at as u8)),
                    Some(at) if at >= hooks => Owner::Program((at - hooks) as u8),
                    Some(at) => Owner::Hook(match (at / routers, (at % routers) as u8) {
                        (0, router) => HookId::Notify(RouterId(router)),
                        (1, router) => HookId::Resource(RouterId(router)),
                        (_, group) => HookId::Group(group),
                    }),
                },
                pipe: None,
                lines: Lines::new(),
                paused: false,
                running: None,
                group: Group::None,
                waits: Waits::No,
                looked_at: Instant::ZERO,
                untold: Untold::Nothing,
            };
            // The table has room for every check and router of any configuration.
            let fitted = children.places.push(place).is_ok();
            assert!(fitted);
        }
        Ok(children)
    }

    /// Starts a check. An event comes back when that failed.
    pub fn start_check(&mut self, id: CheckId) -> Option<Event<'static>> {
        let at = usize::from(id.0);
        let config = self.config;
        let Some(check) = config.checks.get(at) else {
            return self.start_server_check(id);
        };
        let answers = &self.answers;
        let leave = &mut |outcome, detail: fmt::Arguments<'_>| answers.leave(at, outcome, detail);
        if look::look(&check.kind, false, leave) {
            self.places[at].untold = Untold::Answer;
            return None;
        }
        if round::looks(&check.kind) {
            self.join(id);
            return None;
        }
        self.groups.make(at, &mut self.places[at].group);
        let started = self.fork(at, Some(Signal::KILL), &|child| child.check(check));
        self.began(id, started)
    }

    /// Starts the command that looks at a server.
    fn start_server_check(&mut self, id: CheckId) -> Option<Event<'static>> {
        let (at, config) = (usize::from(id.0), self.config);
        let server = (at - config.checks.len()) as u8;
        self.groups.make(at, &mut self.places[at].group);
        let started = self.fork(at, Some(Signal::KILL), &|child| {
            child.server(config, server)
        });
        self.began(id, started)
    }

    /// A check was started, or not.
    fn began(&self, id: CheckId, started: Result<(), Errno>) -> Option<Event<'static>> {
        let errno = started.err()?;
        self.not_started(usize::from(id.0), errno);
        Some(Event::CheckEnded(
            id,
            CheckResult {
                outcome: Outcome::Unknown,
                detail: "cannot start a process",
            },
        ))
    }

    /// Says that a child could not be made, if that is news.
    fn not_started(&self, at: usize, errno: Errno) {
        if is_news(self.answers.refused(at, errno)) {
            not_started(&called(self.config, self.places[at].owner), errno);
        }
    }

    /// Starts a hook. An event comes back when that failed.
    pub fn start_hook(
        &mut self,
        node: &Node<'_>,
        id: HookId,
        call: HookCall,
    ) -> Option<Event<'static>> {
        let at = self.place_of_hook(id);
        let at_death = hook::ends_with_keeper(&call).then_some(Signal::TERM);
        let started = self.fork(at, at_death, &|child| child.hook(node, id, &call));
        let errno = started.err()?;
        self.not_started(at, errno);
        Some(Event::HookEnded(id, Exit::NoRoom))
    }

    /// Starts a program of PID 1.
    pub fn start_program(&mut self, program: usize) -> Result<(), Errno> {
        let at = self.place_of_hook(HookId::Group(0)) + self.config.groups.len() + program;
        let words = &self.config.init.programs[program];
        self.fork(at, None, &|child| child.program(words))
    }

    /// Sends a signal to the group of a check.
    pub fn kill_check(&mut self, id: CheckId, kill: Kill) {
        // A server that is asked over a connection has no place here.
        if usize::from(id.0) < self.checks && !self.give_up(id) {
            self.kill(usize::from(id.0), kill);
        }
    }

    /// Sends a signal to the group of a hook.
    pub fn kill_hook(&self, id: HookId, kill: Kill) {
        self.kill(self.place_of_hook(id), kill);
    }

    /// A descriptor of a child is ready: its output or its end.
    pub fn ready(&mut self, token: u64, now: Instant) -> Option<Ended> {
        let number = (token - TOKENS) as usize;
        let (at, is_pipe) = (number / 2, number % 2 == 1);
        if is_pipe {
            self.read_output(at, now);
            None
        } else {
            self.end(at, now)
        }
    }

    /// A check that has ended without a process of its own and is yet to be told.
    pub fn next_untold(&mut self) -> Option<Ended> {
        let at = self.places.iter().position(Place::is_untold)?;
        let place = &mut self.places[at];
        let (owner, untold) = (place.owner, place.untold);
        place.untold = Untold::Nothing;
        Some(match untold {
            Untold::End => Ended::of(owner, Exit::NotStarted),
            _ => self.ended(at, owner, Exit::NotStarted),
        })
    }

    /// Whether there is one.
    pub fn has_untold(&self) -> bool {
        self.places.iter().any(Place::is_untold)
    }

    /// Collects one child that has ended, above all adopted ones.
    pub fn collect(&mut self, now: Instant) -> Collected {
        let Some(pid) = syscall::ended_child() else {
            return Collected::Nothing;
        };
        let is = |place: &Place| place.running.as_ref().is_some_and(|r| r.pid == pid);
        if let Some(at) = self.places.iter().position(is)
            && let Some(ended) = self.end(at, now)
        {
            return Collected::Ended(ended);
        }
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        Collected::Stray
    }

    /// When [`Children::poll`] wants to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        let paused = self.places.iter().filter(|place| place.paused);
        let until = paused.map(|place| place.lines.paused_until());
        until.fold(None, earliest)
    }

    /// Goes on with pipes that were left alone long enough.
    pub fn poll(&mut self, now: Instant) {
        for at in 0..self.places.len() {
            let place = &mut self.places[at];
            if place.paused && place.lines.paused_until().is_none_or(|until| until <= now) {
                place.paused = false;
                self.listen(at, EventFlags::IN);
                self.read_output(at, now);
            }
        }
    }

    /// Ends all checks that still run. Hooks are left to finish.
    pub fn end_checks(&mut self) {
        for at in 0..self.checks {
            self.kill(at, Kill::Kill);
        }
        self.kill(self.place_of_look(), Kill::Kill);
        sweep(self.keeper, None);
        for (at, place) in self.places.iter_mut().enumerate() {
            self.groups.finish(at, &mut place.group);
        }
    }

    /// The place of a hook.
    fn place_of_hook(&self, id: HookId) -> usize {
        let (checks, routers) = (self.checks, self.config.routers.len());
        match id {
            HookId::Notify(router) => checks + usize::from(router.0),
            HookId::Resource(router) => checks + routers + usize::from(router.0),
            HookId::Group(number) => checks + 2 * routers + usize::from(number),
        }
    }

    /// Forks; `run` is the child's life.
    fn fork(
        &mut self,
        at: usize,
        at_parents_death: Option<Signal>,
        run: &dyn Fn(&Child<'_>) -> i32,
    ) -> Result<(), Errno> {
        assert!(self.places[at].running.is_none());
        self.open_pipe(at)?;
        self.answers.clear(at);
        let forked = match &self.places[at].group {
            Group::Of(group) => syscall::fork_into(group.as_fd()),
            Group::None | Group::Dying => Err(Errno::NOSYS),
        };
        let grouped = forked.is_ok();
        match forked.or_else(|_| syscall::fork())? {
            Fork::Child => {
                let output = match &self.places[at].pipe {
                    Some(pipe) => pipe.write.as_fd(),
                    None => self.null.as_fd(),
                };
                let child = Child {
                    setting: Setting {
                        null: self.null.as_fd(),
                        output,
                        parent: self.keeper,
                        session: matches!(self.places[at].owner, Owner::Program(_)),
                        at_parents_death,
                    },
                    user: &self.user,
                    answers: &self.answers,
                    place: at,
                    grouped,
                };
                syscall::exit(run(&child))
            }
            Fork::Parent(pid, pidfd) => {
                // The child does the same; whoever comes first, the group is
                // there before it can be signalled. Fails after the exec only.
                if !matches!(self.places[at].owner, Owner::Program(_)) {
                    let _ = setpgid(Some(pid), Some(pid));
                }
                let token = EventData::new_u64(TOKENS + 2 * at as u64);
                let watched = epoll::add(self.epoll, &pidfd, token, EventFlags::IN);
                // Unwatched it is still collected by its SIGCHLD.
                if let Err(errno) = watched {
                    log_refusal(Level::Error, format_args!("epoll_ctl for a child"), errno);
                }
                self.places[at].running = Some(Running { pid, pidfd });
                Ok(())
            }
        }
    }

    /// Makes the pipe of a place at its first run.
    fn open_pipe(&mut self, at: usize) -> Result<(), Errno> {
        if self.places[at].pipe.is_some() || self.places[at].owner == Owner::Look {
            return Ok(());
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&read, OFlags::NONBLOCK)?;
        let token = EventData::new_u64(TOKENS + 2 * at as u64 + 1);
        epoll::add(self.epoll, &read, token, EventFlags::IN)?;
        self.places[at].pipe = Some(Pipe { read, write });
        Ok(())
    }

    /// Says which events of a pipe are wanted.
    fn listen(&self, at: usize, flags: EventFlags) {
        let token = EventData::new_u64(TOKENS + 2 * at as u64 + 1);
        if let Some(pipe) = &self.places[at].pipe
            && let Err(errno) = epoll::modify(self.epoll, &pipe.read, token, flags)
        {
            log_refusal(Level::Error, format_args!("epoll_ctl for a pipe"), errno);
        }
    }

    /// Sends a signal to the group of a child that runs.
    fn kill(&self, at: usize, kill: Kill) {
        let signal = match kill {
            Kill::Term => Signal::TERM,
            Kill::Kill => Signal::KILL,
        };
        if let Some(running) = &self.places[at].running {
            // It has not been collected, so the group's number is still its own.
            let _ = kill_process_group(running.pid, signal);
            // It may have joined another group.
            if kill == Kill::Kill {
                let _ = kill_process(running.pid, signal);
            }
        }
    }

    /// Reads what waits in a pipe, once.
    fn read_output(&mut self, at: usize, now: Instant) -> bool {
        let Some(Place {
            owner,
            pipe: Some(pipe),
            lines,
            paused,
            ..
        }) = self.places.get_mut(at)
        else {
            return false;
        };
        let mut buffer = [0; 4096];
        let Ok(length @ 1..) = read(&pipe.read, &mut buffer) else {
            return false;
        };
        let owner = *owner;
        let config = self.config;
        let bytes = buffer.get(..length).unwrap_or_default();
        lines.take(now, bytes, &mut |said| write_line(config, owner, &said));
        if !*paused && lines.paused_until().is_some() {
            *paused = true;
            self.listen(at, EventFlags::empty());
        }
        true
    }

    /// A child has ended, or so it seems: collects it, ends what a check left
    /// behind, and tells.
    fn end(&mut self, at: usize, now: Instant) -> Option<Ended> {
        let place = self.places.get(at)?;
        let running = place.running.as_ref()?;
        if let Owner::Check(_) = place.owner
            && has_ended(&running.pidfd)
        {
            // Before it is collected, while the group's number is surely its own.
            let _ = kill_process_group(running.pid, Signal::KILL);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let exit = match waitid(WaitId::PidFd(running.pidfd.as_fd()), options) {
            Ok(Some(status)) => exit_of(&status),
            Ok(None) => return None,
            // Somebody else has collected it: it has ended, and that is all.
            Err(_) => Exit::NotStarted,
        };
        // A copy of the descriptor may live on in another child for a moment,
        // so closing it is not enough to be rid of its events.
        let _ = epoll::delete(self.epoll, &running.pidfd);
        self.places[at].running = None;
        self.groups.end(&mut self.places[at].group);
        if self.places[at].owner == Owner::Look {
            self.answers.name(at, 0);
            self.end_look();
            return None;
        }
        let mut reads = 0;
        while reads < LAST_READS_MAX && self.read_output(at, now) {
            reads += 1;
        }
        let (place, config) = (&mut self.places[at], self.config);
        let owner = place.owner;
        place
            .lines
            .end(now, &mut |said| write_line(config, owner, &said));
        Some(self.ended(at, owner, exit))
    }

    /// What an end means.
    fn ended(&self, at: usize, owner: Owner, exit: Exit) -> Ended {
        let mut ended = Ended::of(owner, exit);
        match (owner, self.answers.read(at)) {
            (Owner::Check(_), Some((outcome, detail))) => {
                ended.outcome = outcome;
                ended.detail = detail;
            }
            (Owner::Program(_), Some((_, why))) => {
                ended.detail = why;
            }
            (_, Some((_, why))) => {
                let called = called(self.config, owner);
                let why = Plain(why.as_str());
                say(Level::Error, format_args!("{called}: not started: {why}"));
                ended.exit = Exit::NotStarted;
            }
            (_, None) => {
                // It was started, so that it was not is news again.
                self.answers.name(at, 0);
                match ended.exit {
                    Exit::Code(code) => {
                        ended.outcome = match code {
                            0 => Outcome::Success,
                            _ => Outcome::Failure,
                        };
                        ended.detail = Text::of(format_args!("exit {}", Number(code.into())));
                    }
                    Exit::Signal(signal) => {
                        ended.outcome = Outcome::Failure;
                        ended.detail = Text::of(format_args!("signal {}", Number(signal.into())));
                    }
                    Exit::NotStarted | Exit::NoRoom => {}
                }
            }
        }
        ended
    }
}
