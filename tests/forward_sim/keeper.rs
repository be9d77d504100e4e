//! The keeper beside its workers: the real node decides about servers, and what
//! it decides goes the real way into the memory that all share. What it does to
//! processes and sockets is `linux/workers.rs` again, step by step.

use std::marker::PhantomData;

use smena::config::{Config, Transport};
use smena::event::{Action, Actions, Admin, CheckId, CheckResult, Event, Outcome, ServerId};
use smena::node::Node;
use smena::shared::Shared;
use smena::supervise::{Farewell, Order, Post, Step};
use smena::{Duration, Instant};

use crate::clock::{At, MS};
use crate::kernel::{File, Mode, Todo, with};
use crate::linux::servers::{self, Refusals};
use crate::shim::fd::{BorrowedFd, RawFd};
use crate::shim::io::write;

/// A keeper that notices its worker's end after so long.
const NOTICE: At = 200;

/// The workers as the keeper has them.
pub struct Workers<'a> {
    config: &'static Config<'static>,
    shared: &'static Shared,
    pub posts: Vec<Post>,
    /// Of each worker, its listeners in the order of the configuration.
    pub listeners: Vec<Vec<RawFd>>,
    pub bells: Vec<RawFd>,
    pub farewell: Farewell,
    /// Servers whose sessions were to end since somebody looked.
    pub cuts: Vec<u8>,
    /// What is to be done to processes.
    pub orders: Vec<(u8, Order)>,
    lives: PhantomData<&'a ()>,
}

impl Workers<'_> {
    fn new(config: &'static Config<'static>, shared: &'static Shared, count: u8) -> Self {
        let mut workers = Workers {
            config,
            shared,
            posts: Vec::new(),
            listeners: Vec::new(),
            bells: Vec::new(),
            farewell: Farewell::Open,
            cuts: Vec::new(),
            orders: Vec::new(),
            lives: PhantomData,
        };
        for _ in 0..count {
            workers.posts.push(Post::new(Instant::ZERO));
            let bell = with(|kernel| kernel.install(File::Bell(0)));
            workers.bells.push(bell.expect("the keeper has room"));
            let fds = config.listeners.iter().map(|listener| {
                let file = match listener.transport {
                    Transport::Tcp => File::Listener {
                        waiting: Vec::new(),
                        open: true,
                    },
                    Transport::Udp => File::Mail {
                        waiting: Vec::new(),
                    },
                };
                with(|kernel| kernel.install(file)).expect("the keeper has room")
            });
            let fds = fds.collect();
            workers.listeners.push(fds);
        }
        workers
    }

    pub fn shared(&self) -> &'static Shared {
        self.shared
    }

    pub fn wake(&self, at: usize) {
        let _ = write(borrow(self.bells[at]), &1_u64.to_ne_bytes());
    }

    pub fn wake_all(&self) {
        for at in 0..self.bells.len() {
            self.wake(at);
        }
    }

    pub fn set_open(&mut self, service: u8, open: bool) {
        let open = open && self.farewell.serves();
        self.shared.open_service(service, open);
        for at in 0..self.posts.len() {
            if !open || self.posts[at].worker().is_some() {
                self.set_door(at, service, open);
            }
            self.wake(at);
        }
    }

    fn set_door(&self, at: usize, service: u8, open: bool) {
        let span = self.config.services[usize::from(service)].listeners;
        for listener in span.indices() {
            let fd = self.listeners[at][usize::from(listener)];
            with(|kernel| kernel.set_listening(fd, open));
        }
    }

    fn poll(&mut self, now: Instant) {
        for at in 0..self.posts.len() {
            let heartbeat = self.shared.row(at as u8).heartbeat();
            match self.posts[at].on_poll(now, heartbeat) {
                Order::Nothing => {}
                Order::Ask => self.wake(at),
                order => self.orders.push((at as u8, order)),
            }
        }
        if self.farewell.poll_at().is_some_and(|at| at <= now) {
            let step = self.farewell.on_poll(now, self.sessions());
            self.follow(step);
        }
    }

    fn follow(&mut self, step: Step) {
        if step == Step::Cut {
            for server in 0..self.config.servers.len() {
                self.shared.cut(server as u8);
                self.cuts.push(server as u8);
            }
            self.wake_all();
        }
    }

    pub fn sessions(&self) -> u32 {
        let services = 0..self.config.services.len();
        services
            .map(|service| self.shared.service(service as u8).sessions)
            .sum()
    }

    fn shut_for_good(&mut self) {
        if !self.farewell.serves() {
            for service in 0..self.config.services.len() {
                self.set_open(service as u8, false);
            }
        }
    }

    /// A planned stop, with so much time for sessions to end.
    fn on_stop(&mut self, now: Instant, patience: Duration) {
        let step = self.farewell.on_stop(now, self.sessions(), patience);
        self.shut_for_good();
        self.follow(step);
    }

    /// The addresses go.
    fn on_release(&mut self) {
        let step = self.farewell.on_release(false);
        self.shut_for_good();
        self.follow(step);
    }

    fn on_started(&mut self, now: Instant, at: usize) {
        let heartbeat = self.shared.row(at as u8).heartbeat();
        self.posts[at].on_started(now, 1 + at as u32, heartbeat);
        for service in 0..self.config.services.len() as u8 {
            if self.shared.service_is_open(service) {
                self.set_door(at, service, true);
            }
        }
    }

    fn on_ended(&mut self, now: Instant, at: usize) {
        self.shared.bury(at as u8);
        let pause = self.posts[at].on_ended(now);
        if pause > Duration::from_secs(1) {
            for service in 0..self.config.services.len() as u8 {
                self.set_door(at, service, false);
            }
        }
    }
}

pub fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the modelled kernel says so when it is not open.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// The keeper's loop.
pub struct Keeper {
    pub node: Box<Node<'static>>,
    pub workers: Workers<'static>,
    refusals: Refusals,
    actions: Actions,
    running: Vec<bool>,
    poll_at: At,
    /// Servers of which something is new.
    pub changed: Vec<u8>,
}

impl Keeper {
    pub fn new(
        config: &'static Config<'static>,
        shared: &'static Shared,
        workers: u8,
        seed: u64,
    ) -> Keeper {
        Keeper {
            node: Box::new(Node::new(config, Instant::ZERO, seed)),
            workers: Workers::new(config, shared, workers),
            refusals: Refusals::NONE,
            actions: Actions::new(),
            running: vec![false; 256],
            poll_at: 0,
            changed: Vec::new(),
        }
    }

    pub fn start(&mut self) {
        self.feed(Event::Start);
        self.wait();
    }

    fn now(&self) -> Instant {
        crate::linux::clock::now()
    }

    /// Lets the node answer an event, and does what it says.
    pub fn feed(&mut self, event: Event<'_>) {
        let now = self.now();
        let mut actions = std::mem::take(&mut self.actions);
        self.node.process(now, event, &mut actions);
        for action in actions.iter() {
            self.perform(*action);
        }
        self.actions = actions;
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::StartCheck(CheckId(id)) => {
                self.running[usize::from(id)] = true;
                let silent = self.mode(id) == Mode::Silent;
                let after = with(|kernel| kernel.random.between(200, 3 * MS));
                if !silent {
                    with(|kernel| kernel.later(after, Todo::CheckEnds(id)));
                }
            }
            Action::KillCheck(CheckId(id), _) => {
                with(|kernel| kernel.later(100, Todo::CheckEnds(id)));
            }
            Action::Admit(ServerId(id)) | Action::Cut(ServerId(id)) => {
                servers::perform(&self.node, &mut self.workers, action);
                match action {
                    Action::Cut(_) => self.workers.cuts.push(id),
                    _ => self.changed.push(id),
                }
                let open = self.workers.shared.server_is_open(id);
                with(|kernel| kernel.gates[usize::from(id)] = open);
            }
            Action::Refuse(_) | Action::Accept(_) => {
                servers::perform(&self.node, &mut self.workers, action);
            }
            _ => {}
        }
    }

    fn mode(&self, check: u8) -> Mode {
        let server = self.node.checked_server(CheckId(check));
        let server = server.expect("only servers are checked");
        with(|kernel| kernel.modes[usize::from(server.0)])
    }

    pub fn check_ends(&mut self, id: u8) {
        if !std::mem::replace(&mut self.running[usize::from(id)], false) {
            return;
        }
        let outcome = match self.mode(id) {
            Mode::Up | Mode::Slams => Outcome::Success,
            _ => Outcome::Failure,
        };
        let detail = "-";
        self.feed(Event::CheckEnded(
            CheckId(id),
            CheckResult { outcome, detail },
        ));
        self.wait();
    }

    /// Workers have something to tell.
    pub fn report(&mut self) {
        let (config, shared) = (self.workers.config, self.workers.shared);
        while let Some(event) = self.refusals.next(config, shared) {
            self.feed(event);
        }
        self.wait();
    }

    pub fn order(&mut self, server: u8, admin: Admin) {
        self.feed(Event::Order(ServerId(server), admin));
        self.wait();
    }

    pub fn weight(&mut self, server: u8, weight: u16) {
        self.feed(Event::Weight(ServerId(server), weight));
        self.wait();
    }

    pub fn stop(&mut self, patience: Duration) {
        self.workers.on_stop(self.now(), patience);
        self.wait();
    }

    pub fn release(&mut self) {
        self.workers.on_release();
        self.wait();
    }

    pub fn started(&mut self, worker: u8) {
        self.workers.on_started(self.now(), usize::from(worker));
        self.wait();
    }

    /// A worker ended: it is noticed in a moment.
    pub fn will_notice(worker: u8) {
        with(|kernel| kernel.later(NOTICE, Todo::Ended(worker)));
    }

    pub fn ended(&mut self, worker: u8) {
        self.workers.on_ended(self.now(), usize::from(worker));
        self.turn();
    }

    /// Does what is due.
    pub fn turn(&mut self) {
        let now = self.now();
        if self.node.poll_at().0 <= now {
            self.feed(Event::Poll);
        }
        self.workers.poll(now);
        self.wait();
    }

    pub fn is_due(&self) -> bool {
        with(|kernel| kernel.now) >= self.poll_at
    }

    /// Until something is due.
    fn wait(&mut self) {
        let posts = self.workers.posts.iter().map(Post::poll_at);
        let next = posts.chain(self.workers.farewell.poll_at()).min();
        let node = self.node.poll_at().0;
        let next = next.map_or(node, |next| next.min(node)).total_micros() as At;
        let now = with(|kernel| kernel.now);
        self.poll_at = next.max(now + 1);
        let after = self.poll_at - now;
        with(|kernel| kernel.later(after, Todo::Keeper));
    }
}
