//! One run: workers, their keeper, clients and servers; a storm, and a calm in
//! which everything must come to its end.

use smena::Duration;
use smena::board;
use smena::config::{Config, Limits, Source, parse};
use smena::event::Admin;
use smena::shared::Shared;
use smena::supervise::{Farewell, Order};

use crate::arena;
use crate::book::{Book, Rule, Violation};
use crate::clock::{At, MS, SECOND};
use crate::faults::Fault;
use crate::keeper::{Keeper, borrow};
use crate::kernel::{self, Datagram, KEEPER, Kernel, Mode, Todo, with};
use crate::linux::worker::{Doors, Worker};
use crate::people::{End, People};
use crate::plan::Plan;
use crate::random::Random;
use crate::shim::fd::RawFd;
use crate::stream::{Conn, Party, Way};
use crate::trace::listen_to_the_log;

/// How a run is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep a trace as text.
    pub text: bool,
    /// What is broken on purpose.
    pub fault: Option<Fault>,
}

/// How it ended.
pub struct Ending {
    pub violation: Option<Violation>,
    pub hash: u64,
    pub text: String,
    pub time: At,
    pub turns: u64,
    /// Sessions, retries, evictions, judged picks; clients that were served.
    pub seen: [u64; 5],
}

/// A worker's process.
struct Process {
    worker: Worker<'static>,
    epoll: RawFd,
    /// Counts its deadlines: only the last one matters.
    deadline: u32,
    stands_until: At,
}

pub struct World {
    plan: Plan,
    config: &'static Config<'static>,
    shared: &'static Shared,
    keeper: Keeper,
    processes: Vec<Option<Process>>,
    people: People,
    book: Book,
    random: Random,
    storm: bool,
    /// Nobody says anything new.
    quiet: bool,
    /// By then everything works again.
    well_at: At,
    turns: u64,
    /// Datagrams said and answered.
    spoken: Vec<u32>,
}

/// The run of a seed.
pub fn of_seed(seed: u64, options: Options) -> Ending {
    of_plan(seed, Plan::of(seed), options)
}

/// A run of this plan.
pub fn of_plan(seed: u64, plan: Plan, options: Options) -> Ending {
    if options.text {
        listen_to_the_log();
    }
    let mut machine = Kernel::new(Random::new(seed, 2), options.text);
    machine.latency = plan.latency;
    machine.modes = vec![Mode::Up; plan.servers()];
    machine.gates = vec![true; plan.servers()];
    if let Some(fault) = options.fault {
        fault.breaks_kernel(&mut machine);
    }
    kernel::install(Some(machine));
    let ini = plan.ini();
    let mut world = World::new(seed, plan, &ini, options.fault);
    with(|kernel| kernel.say(format_args!("the forwarder reads\n{ini}")));
    world.play();
    let seen = world.seen();
    let violation = world.book.violation.clone();
    let turns = world.turns;
    drop(world);
    let machine = kernel::install(None).expect("it was there");
    arena::end();
    Ending {
        violation,
        hash: machine.trace.hash(),
        text: machine.trace.text(),
        time: machine.now,
        turns,
        seen,
    }
}

impl World {
    fn new(seed: u64, plan: Plan, ini: &str, fault: Option<Fault>) -> World {
        // SAFETY: the world is dropped before its memory goes.
        let text: &'static String = unsafe { arena::keep(ini.to_owned()) };
        let mut config = Config::EMPTY;
        let source = Source {
            file: "smena.ini",
            text: text.as_bytes(),
            others_can_read: false,
        };
        let mut said = String::new();
        let outcome = parse(&source, &Limits::BOARD, &mut config, &mut |diagnostic| {
            said.push_str(&diagnostic.to_string());
        });
        assert!(outcome.errors == 0, "the plan's file is refused:\n{said}");
        // SAFETY: as above; all zero bytes are a valid `Shared`.
        let (config, shared): (&'static Config<'static>, &'static Shared) =
            unsafe { (arena::keep(config), arena::zeroed()) };
        if let Some(fault) = fault {
            fault.breaks_core(shared);
        }
        let mut keeper = Keeper::new(config, shared, plan.workers, seed);
        if let Some(fault) = fault {
            fault.breaks_node(&mut keeper.node);
        }
        World {
            config,
            shared,
            keeper,
            processes: (0..plan.workers).map(|_| None).collect(),
            people: People::new(&plan),
            book: Book::new(&plan),
            random: Random::new(seed, 3),
            storm: false,
            quiet: false,
            well_at: 0,
            turns: 0,
            spoken: vec![0; plan.flows.len()],
            plan,
        }
    }

    fn seen(&self) -> [u64; 5] {
        let [a, b, c, d] = self.book.seen;
        let served = self.people.clients.iter();
        let served = served.filter(|client| client.heard == client.hears.len());
        [a, b, c, d, served.count() as u64]
    }

    fn play(&mut self) {
        self.keeper.start();
        self.keeper.turn();
        self.carry_out();
        for client in 0..self.plan.clients.len() {
            let at = self.plan.clients[client].at;
            with(|kernel| kernel.later(20 * MS + at, Todo::Client(client)));
        }
        for flow in 0..self.plan.flows.len() {
            let at = self.plan.flows[flow].at;
            with(|kernel| kernel.later(20 * MS + at, Todo::Speak(flow)));
        }
        if self.plan.storm > 0 {
            self.storm = true;
            with(|kernel| kernel.later(50 * MS, Todo::Fault));
            self.run(self.plan.storm);
            self.heal();
        }
        // The last clients have come, and are served.
        self.run(4 * SECOND);
        if let Some(patience) = self.plan.farewell {
            self.leave(patience);
        }
        self.quiet = true;
        // Whatever is there is idle for too long by then; where only a few may be
        // in at once, the others come after them.
        const TURNS: usize = 40;
        for _ in 0..TURNS {
            self.run(16 * SECOND);
            if self.book.sockets() == 0 {
                break;
            }
        }
        let shared = self.shared;
        self.book.at_rest(&self.plan, self.config, shared);
        self.judge_people();
        self.judge_descriptors();
    }

    fn run(&mut self, time: At) {
        let end = with(|kernel| kernel.now) + time;
        while self.book.violation.is_none() {
            let Some(todo) = with(|kernel| kernel.next(end)) else {
                break;
            };
            self.perform(todo);
        }
    }

    fn perform(&mut self, todo: Todo) {
        with(|kernel| {
            let now = kernel.now;
            kernel.trace.step(now, 0);
        });
        match todo {
            Todo::Turn(worker) => self.turn(worker),
            Todo::Deadline(worker, number) => {
                let process = self.processes[usize::from(worker)].as_ref();
                if process.is_some_and(|process| process.deadline == number) {
                    with(|kernel| kernel.turn_soon(worker));
                }
            }
            Todo::Far(conn) => {
                self.people.far(&self.plan, conn);
                if let Some(story) = self.people.wrong.take() {
                    let rule = match story.contains("moves") {
                        true => Rule::Flow,
                        false => Rule::Bytes,
                    };
                    self.book.broken(rule, story);
                }
            }
            Todo::Client(client) => self.client_comes(client),
            Todo::Speak(flow) => self.speak(flow),
            Todo::Asked(fd, serial, datagram) => {
                with(|kernel| kernel.asked(fd, serial, datagram));
            }
            Todo::Answered(datagram) => {
                let said = self.spoken[datagram.flow];
                if datagram.number >= said {
                    let story = format!("flow {} hears what it never asked", datagram.flow);
                    self.book.broken(Rule::Bytes, story);
                }
            }
            Todo::Keeper => {
                if self.keeper.is_due() {
                    self.keeper.turn();
                }
            }
            Todo::Report => self.keeper.report(),
            Todo::CheckEnds(check) => self.keeper.check_ends(check),
            Todo::Ended(worker) => self.keeper.ended(worker),
            Todo::Fault => self.fault(),
            Todo::Relief(server) => self.set_mode(server, Mode::Up),
        }
        self.carry_out();
    }

    /// What the keeper wants of processes, and what its decisions mean.
    fn carry_out(&mut self) {
        while let Some((worker, order)) = self.keeper.workers.orders.pop() {
            match order {
                Order::Start => self.start(worker),
                Order::Kill => self.kill(worker),
                Order::Nothing | Order::Ask => {}
            }
        }
        for server in std::mem::take(&mut self.keeper.changed) {
            self.book.disturb(self.plan.service_of(server.into()));
        }
        for server in std::mem::take(&mut self.keeper.workers.cuts) {
            self.excuse_server(Some(server));
            self.book.cut(server);
        }
    }

    /// Sessions of a server, or of all of them, need not be whole.
    fn excuse_server(&mut self, server: Option<u8>) {
        for client in &mut self.people.clients {
            let of = server.is_none() || client.server.is_none() || client.server == server;
            client.excused |= client.conn.is_some() && of;
        }
    }

    fn start(&mut self, number: u8) {
        let place = usize::from(number);
        if self.processes[place].is_some() {
            return;
        }
        let mut listeners = heapless::Vec::new();
        for listener in &self.keeper.workers.listeners[place] {
            let _ = listeners.push(borrow(*listener));
        }
        // The three standard ones, listeners and two bells are inherited.
        let inherited = 5 + listeners.len() as u64;
        let doors = Doors {
            listeners,
            wake: borrow(self.keeper.workers.bells[place]),
            report: borrow(self.keeper.workers.bells[0]),
            descriptors: self.plan.descriptors,
        };
        // SAFETY: the worker is dropped before this memory goes.
        let doors: &'static Doors<'static> = unsafe { arena::keep(doors) };
        let limit = self.plan.descriptors - inherited;
        let epoll = with(|kernel| {
            kernel.current = number;
            kernel.limits[place] = limit;
            kernel.epoll_create()
        });
        let epoll = epoll.expect("there is room for one");
        let worker = Worker::new(self.config, self.shared, number, doors, borrow(epoll));
        with(|kernel| {
            kernel.current = KEEPER;
            kernel.notes.clear();
        });
        self.processes[place] = Some(Process {
            worker,
            epoll,
            deadline: 0,
            stands_until: 0,
        });
        self.keeper.started(number);
        with(|kernel| kernel.turn_soon(number));
    }

    /// kill -9
    fn kill(&mut self, number: u8) {
        let place = usize::from(number);
        if self.processes[place].take().is_none() {
            return;
        }
        with(|kernel| kernel.say(format_args!("worker {number} is killed")));
        for conn in self.book.clients_of(number) {
            with(|kernel| kernel.conns[conn].orphan = true);
            if let Some(client) = self.people.of_conn.get(&conn) {
                self.people.clients[*client].excused = true;
            }
        }
        with(|kernel| kernel.kill(number));
        self.book.died(number);
        // What it drew is lost.
        self.book.disturb_all();
        Keeper::will_notice(number);
    }

    fn turn(&mut self, number: u8) {
        let place = usize::from(number);
        let now = with(|kernel| {
            kernel.turn_due[place] = false;
            kernel.now
        });
        let Some(process) = self.processes[place].as_mut() else {
            return;
        };
        if process.stands_until > now {
            let left = process.stands_until - now;
            return with(|kernel| {
                kernel.turn_due[place] = true;
                kernel.later(left, Todo::Turn(number));
            });
        }
        self.turns += 1;
        with(|kernel| kernel.current = number);
        process.worker.turn();
        let timeout = process.worker.timeout();
        let notes = with(|kernel| {
            kernel.current = KEEPER;
            std::mem::take(&mut kernel.notes)
        });
        process.deadline += 1;
        let deadline = process.deadline;
        let epoll = process.epoll;
        with(|kernel| {
            if kernel.trace.speaks() && !notes.is_empty() {
                kernel.say(format_args!("worker {number}: {notes:?}"));
            }
            kernel.trace.mark(&[notes.len() as u64]);
            if let Some(timeout) = timeout {
                let after = timeout.tv_sec as At * SECOND + timeout.tv_nsec as At / 1_000;
                match after {
                    0 => kernel.turn_soon(number),
                    after => kernel.later(after, Todo::Deadline(number, deadline)),
                }
            }
            if kernel.has_ready(epoll) {
                kernel.turn_soon(number);
            }
        });
        self.book.turned(&self.plan, &self.keeper, number, &notes);
    }

    fn client_comes(&mut self, number: usize) {
        let line = &self.plan.clients[number];
        let worker = self.random.below(self.plan.workers.into()) as usize;
        let listener = self.keeper.workers.listeners[worker][line.service];
        let party = Party::Client {
            client: number,
            address: line.address,
        };
        let came = with(|kernel| {
            let (wire, queue) = (kernel.window(), kernel.window());
            let conn = Conn::new(party, kernel.latency, Way::new(wire, queue));
            let place = kernel.conns.len();
            kernel.arrive(listener, conn).then_some(place)
        });
        let limited = {
            let service = &self.plan.services[line.service];
            service.servers.iter().any(|server| server.maxconn > 0)
        };
        // Checks take a while to find out, and who waits for room may wait in vain.
        let excused = with(|kernel| kernel.now) < self.well_at;
        self.people.clients[number].excused |= excused;
        self.people.clients[number].may_wait = limited;
        match came {
            Some(conn) => {
                let style = line.style;
                with(|kernel| {
                    kernel.say(format_args!("client {number} comes as {conn}: {style:?}"));
                });
                self.people.of_conn.insert(conn, number);
                self.people.clients[number].conn = Some(conn);
                self.people.far(&self.plan, conn);
            }
            None => self.people.clients[number].end = End::Refused,
        }
    }

    fn speak(&mut self, flow: usize) {
        if self.quiet {
            return;
        }
        let line = &self.plan.flows[flow];
        let worker = flow % usize::from(self.plan.workers);
        let listener = self.keeper.workers.listeners[worker][line.service];
        let number = self.spoken[flow];
        self.spoken[flow] += 1;
        let (pause, count) = (line.pause, line.count);
        with(|kernel| {
            kernel.mail(listener, Datagram { flow, number });
            if number + 1 < count {
                kernel.later(pause, Todo::Speak(flow));
            }
        });
    }

    fn set_mode(&mut self, server: u8, mode: Mode) {
        with(|kernel| {
            kernel.modes[usize::from(server)] = mode;
            kernel.say(format_args!("server {server} is {mode:?}"));
        });
        self.book.disturb(self.plan.service_of(server.into()));
    }

    /// Something goes wrong.
    fn fault(&mut self) {
        if !self.storm {
            return;
        }
        let after = self.random.between(20 * MS, 700 * MS);
        with(|kernel| kernel.later(after, Todo::Fault));
        let server = self.random.below(self.plan.servers() as u64) as u8;
        let worker = self.random.below(self.plan.workers.into()) as u8;
        match self.random.below(14) {
            0..=5 => {
                let modes = [Mode::Refuses, Mode::Silent, Mode::Slams, Mode::Unreachable];
                let mode = self.random.pick(&modes);
                if mode == Mode::Slams {
                    // A client of one that does is reset, too.
                    self.excuse_unserved();
                }
                self.set_mode(server, mode);
                let after = self.random.magnitude(10 * MS, 3 * SECOND);
                with(|kernel| kernel.later(after, Todo::Relief(server)));
            }
            6 | 7 => {
                let wishes = [Admin::Drain, Admin::Maint, Admin::Ready, Admin::Ready];
                let wish = self.random.pick(&wishes);
                self.keeper.order(server, wish);
            }
            8 | 9 => {
                let weight = self.random.pick(&[0, 1, 2, 5, 256]);
                self.keeper.weight(server, weight);
            }
            10 => self.kill(worker),
            11 => {
                let time = self.random.magnitude(MS, 400 * MS);
                let until = with(|kernel| kernel.now) + time;
                if let Some(process) = &mut self.processes[usize::from(worker)] {
                    process.stands_until = until;
                    self.book.stands(worker, until);
                }
            }
            _ => {
                let trouble = self.random.pick(&[0, 0, 20, 200]);
                with(|kernel| kernel.trouble = trouble);
            }
        }
    }

    /// Who has no server yet may get none.
    fn excuse_unserved(&mut self) {
        for client in &mut self.people.clients {
            client.excused |= client.server.is_none();
        }
    }

    /// Everything is well again.
    fn heal(&mut self) {
        self.storm = false;
        self.well_at = with(|kernel| kernel.now) + 3 * SECOND / 2;
        with(|kernel| {
            kernel.trouble = 0;
            kernel.say(format_args!("-- calm"));
        });
        // Whoever came in the storm may have found nobody.
        for client in &mut self.people.clients {
            let began = client.conn.is_some() || client.end == End::Refused;
            client.excused |= began && client.server.is_none();
        }
        for server in 0..self.plan.servers() as u8 {
            self.set_mode(server, Mode::Up);
            let weight = self.config.servers[usize::from(server)].weight;
            self.keeper.weight(server, weight);
            self.keeper.order(server, Admin::Ready);
        }
        self.carry_out();
    }

    /// A planned stop.
    fn leave(&mut self, patience: At) {
        with(|kernel| kernel.say(format_args!("-- a planned stop")));
        self.excuse_server(None);
        self.keeper.stop(Duration::from_micros(patience));
        self.carry_out();
        self.run(patience + 100 * MS);
        if self.keeper.workers.farewell == Farewell::Leaving {
            self.keeper.release();
            self.carry_out();
        }
        self.run(300 * MS);
        let sessions = self.keeper.workers.sessions();
        let rested = self.keeper.workers.farewell == Farewell::Rested;
        if self.book.violation.is_none() && (sessions > 0 || !rested) {
            let story = format!("{sessions} sessions outlive a planned stop");
            self.book.broken(Rule::Leak, story);
        }
    }

    /// Whoever was not hindered has heard everything.
    fn judge_people(&mut self) {
        for (number, client) in self.people.clients.iter().enumerate() {
            let style = self.plan.clients[number].style;
            let waited = client.may_wait && client.server.is_none();
            if client.excused || waited || !style.is_orderly() {
                continue;
            }
            let whole = client.heard == client.hears.len() && client.server_done;
            if client.end != End::Clean || !whole {
                let (heard, all, end) = (client.heard, client.hears.len(), client.end);
                let story = format!("client {number} ({style:?}) heard {heard} of {all}: {end:?}");
                return self.book.broken(Rule::Leak, story);
            }
        }
    }

    /// A worker at rest has its epoll and empty pipes.
    fn judge_descriptors(&mut self) {
        let open = with(|kernel| (kernel.open, kernel.pipes_in_use()));
        let (open, dirty): ([u64; board::WORKERS_MAX], usize) = open;
        if self.book.violation.is_none() && dirty > 0 {
            let story = format!("{dirty} bytes are left in pipes");
            self.book.broken(Rule::Leak, story);
        }
        for (worker, process) in (0..).zip(&self.processes) {
            let waits = process
                .as_ref()
                .and_then(|process| process.worker.timeout());
            if let Some(time) = waits {
                let story = format!("worker {worker} at rest waits for {time:?}");
                self.book.broken(Rule::Leak, story);
            }
        }
        for (worker, open) in open.iter().enumerate().take(self.processes.len()) {
            const PIPES_MAX: u64 = 64;
            if *open > 1 + 2 * PIPES_MAX {
                let story = format!("worker {worker} has {open} descriptors left");
                self.book.broken(Rule::Leak, story);
            }
        }
    }
}
