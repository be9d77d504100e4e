//! The story: what breaks, what is waited for, and what the client may feel of
//! it. Each step tells what it does, and one that does not show what it should
//! ends the story.

use rustix::process::Signal;
use smena::Duration;

use crate::linux::clock;
use crate::linux::netlink::Socket;
use crate::linux::signal::Signals;
use crate::linux::text::Text;

use super::client::Client;
use super::gateway::{Gateway, State};
use super::screen::Screen;
use super::stage::{Stage, Stopped};
use super::world::{Network, must, need};
use super::{A, ADDRESS, B, CLIENT, FILES, FIRST_WORDS, OWN, wires, world};

/// How long a step may take to show what it should.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a reader gets before the next step.
const READING: Duration = Duration::from_millis(1700);
/// Three adverts of 100 ms and the skew take 0.36 s; a busy machine adds to it.
const FAILOVER_MAX: Duration = Duration::from_millis(600);
/// A planned change should cost nothing; less than one skew is still that.
const PLANNED_MAX: Duration = Duration::from_millis(50);
/// The lease of one second, and what the kernel takes to notice that it ended.
const LEASE_MAX: Duration = Duration::from_millis(2500);

/// How much earlier gw-a starts than gw-b.
const HEAD_START: Duration = Duration::from_millis(50);

/// A step that did not show what it should, or was not let.
pub enum End {
    /// Somebody asked to stop.
    Stopped,
    /// It was told what is wrong.
    Unexpected,
}

impl From<Stopped> for End {
    fn from(Stopped: Stopped) -> End {
        End::Stopped
    }
}

/// What the client went through in one step, for the table at the end.
struct Row {
    what: &'static str,
    gap: Duration,
}

/// The stage and what moves it.
pub struct Show {
    stage: Stage,
    /// Where the client and the bridge are.
    home: Network,
    switch: Socket,
    ports: [u32; 2],
    rows: heapless::Vec<Row, 8>,
}

impl Show {
    /// Makes the world; nothing runs in it yet.
    pub fn build() -> Show {
        world::leave_machine();
        world::make_root();
        world::put("/gw-a.ini", format_args!("{}", FILES[A]));
        world::put("/gw-b.ini", format_args!("{}", FILES[B]));
        let home = Network::present();
        let mut switch = need(Socket::open(), "socket", "AF_NETLINK");
        let mut gateways = [
            Gateway::create("gw-a", super::service('a'), "/gw-a.ini"),
            Gateway::create("gw-b", super::service('b'), "/gw-b.ini"),
        ];
        home.enter();
        let bridge = wires::make_bridge(&mut switch, "bridge");
        wires::add_address(&mut switch, bridge, CLIENT);
        let mut ports = [0; 2];
        for (at, gateway) in gateways.iter_mut().enumerate() {
            let network = gateway.network();
            ports[at] = wires::make_cable(&mut switch, gateway.name, bridge, network);
            gateway.plug_in(OWN[at]);
        }
        Show {
            stage: Stage {
                screen: Screen::new(),
                client: Client::open(ADDRESS),
                gateways,
                signals: must(Signals::open()),
                exit: None,
            },
            home,
            switch,
            ports,
            rows: heapless::Vec::new(),
        }
    }

    /// The whole story.
    pub fn tell(&mut self) -> Result<(), End> {
        self.introduce();
        self.begin()?;
        self.cut_the_cable()?;
        self.lose_the_service()?;
        self.hand_over()?;
        self.kill_the_master()?;
        self.conclude();
        Ok(())
    }

    /// Ends everything that runs; what is left is the screen.
    pub fn close(&mut self) -> &mut Screen {
        for gateway in &mut self.stage.gateways {
            gateway.kill();
        }
        &mut self.stage.screen
    }

    fn introduce(&mut self) {
        let screen = &mut self.stage.screen;
        screen.print(format_args!("{FIRST_WORDS}"));
        let text = Text::<1024>::of(format_args!("{}", FILES[A]));
        for line in text
            .as_str()
            .as_bytes()
            .split_inclusive(|byte| *byte == b'\n')
        {
            let line = core::str::from_utf8(line).unwrap_or_default();
            let margin = if line.len() > 1 { "    " } else { "" };
            screen.print(format_args!("{margin}{line}"));
        }
    }

    fn begin(&mut self) -> Result<(), End> {
        self.step("Both boxes start. They listen before they take anything.");
        for at in [A, B] {
            self.stage.gateways[at].start_service();
            self.stage.gateways[at].start_keeper(&self.home);
            // One after the other, or both may be the first.
            let listens = |stage: &Stage, _| stage.gateways[at].state == State::Backup;
            self.stage.watch(PATIENCE, &listens)?;
            self.stage.pause(HEAD_START)?;
        }
        self.expect_master(A)?;
        let now = clock::now();
        self.stage.client.start(now);
        if !self
            .stage
            .watch(PATIENCE, &|stage, now| stage.client.is_served(now))?
        {
            return self.unexpected("The client gets no answer.");
        }
        self.stage
            .screen
            .tell(format_args!("The client gets its answers from gw-a."));
        self.stage.pause(READING)?;
        Ok(())
    }

    fn cut_the_cable(&mut self) -> Result<(), End> {
        self.step("The cable of gw-a is pulled.");
        wires::switch(&mut self.switch, self.ports[A], false);
        self.expect_master(B)?;
        self.report("a pulled cable", FAILOVER_MAX)?;
        self.step("The cable is plugged in again; gw-a has the higher priority.");
        wires::switch(&mut self.switch, self.ports[A], true);
        self.expect_master(A)?;
        self.report("the cable is back", PLANNED_MAX)
    }

    fn lose_the_service(&mut self) -> Result<(), End> {
        self.step("The web process of gw-a dies. Without its weight of 2 gw-a is worth 101, and gw-b 102.");
        self.stage.gateways[A].kill_service();
        self.expect_master(B)?;
        self.report("a service that dies", PLANNED_MAX)?;
        self.step("The web process of gw-a runs again.");
        self.stage.gateways[A].start_service();
        self.expect_master(A)?;
        self.report("the service is back", PLANNED_MAX)
    }

    fn hand_over(&mut self) -> Result<(), End> {
        self.step("gw-a is asked to stop (SIGTERM), as for an upgrade: a planned hand-over.");
        self.stage.gateways[A].signal(Signal::TERM);
        self.expect_master(B)?;
        let off = |stage: &Stage, _| stage.gateways[A].state == State::Off;
        if !self.stage.watch(PATIENCE, &off)? || self.stage.exit != Some(0) {
            return self.unexpected("gw-a did not end with exit code 0.");
        }
        self.stage
            .screen
            .tell(format_args!("gw-a: has ended, exit code 0"));
        self.report("a planned stop", PLANNED_MAX)?;
        self.step("gw-a starts again.");
        self.stage.gateways[A].start_keeper(&self.home);
        self.expect_master(A)?;
        self.report("the box is back", PLANNED_MAX)
    }

    fn kill_the_master(&mut self) -> Result<(), End> {
        self.step("smena on gw-a is killed (kill -9). It can neither hand over nor clean up.");
        let killed_at = clock::now();
        self.stage.gateways[A].signal(Signal::KILL);
        self.expect_master(B)?;
        let freed = |stage: &Stage, _| !stage.gateways[A].has_address;
        if !self.stage.watch(LEASE_MAX, &freed)? {
            return self.unexpected("gw-a still has the address: its lease did not end.");
        }
        let ms = (clock::now() - killed_at).total_millis();
        self.stage.screen.tell(format_args!(
            "gw-a: {ms} ms after the kill its kernel took the address back by itself, \
             because nobody renewed the lease of 1 s. Until then it still answered."
        ));
        self.report("kill -9", FAILOVER_MAX)
    }

    fn conclude(&mut self) {
        let screen = &mut self.stage.screen;
        screen.print(format_args!("\nThe client went without an answer for\n"));
        for Row { what, gap } in &self.rows {
            let ms = gap.total_millis();
            screen.print(format_args!("{ms:9} ms  {what}\n"));
        }
    }

    /// Begins a step.
    fn step(&mut self, what: &str) {
        self.stage.client.reset();
        self.stage.screen.print(format_args!("\n"));
        self.stage.screen.tell(format_args!("* {what}"));
    }

    /// Waits until this box is the one master, has the address, and its hook
    /// has said so.
    fn expect_master(&mut self, at: usize) -> Result<(), End> {
        let reached = self.stage.watch(PATIENCE, &|stage, _| {
            let (gateway, other) = (&stage.gateways[at], &stage.gateways[1 - at]);
            gateway.state == State::Master
                && gateway.has_address
                && gateway.hook_says_master
                && other.state != State::Master
        })?;
        if reached {
            return Ok(());
        }
        let name = self.stage.gateways[at].name;
        self.stage
            .screen
            .tell(format_args!("{name} did not become the one master."));
        Err(End::Unexpected)
    }

    /// Tells what the client went through since the step began.
    fn report(&mut self, what: &'static str, allowed: Duration) -> Result<(), End> {
        if !self
            .stage
            .watch(PATIENCE, &|stage, now| stage.client.is_served(now))?
        {
            return self.unexpected("The client still gets no answer.");
        }
        self.stage.pause(READING)?;
        if self
            .stage
            .gateways
            .iter()
            .all(|gateway| gateway.has_address)
        {
            return self.unexpected("Both boxes have the address.");
        }
        let (gap, lost) = self.stage.client.gap();
        let ms = gap.total_millis();
        let screen = &mut self.stage.screen;
        match lost {
            0 => screen.tell(format_args!("The client lost not one ping.")),
            1 => screen.tell(format_args!("The client lost one ping.")),
            _ => screen.tell(format_args!(
                "The client went without an answer for {ms} ms ({lost} pings lost)."
            )),
        }
        let _ = self.rows.push(Row { what, gap });
        if gap > allowed {
            let most = allowed.total_millis();
            screen.tell(format_args!(
                "That is too long: {most} ms are allowed here."
            ));
            return Err(End::Unexpected);
        }
        Ok(())
    }

    fn unexpected(&mut self, what: &str) -> Result<(), End> {
        self.stage.screen.tell(format_args!("{what}"));
        Err(End::Unexpected)
    }
}
