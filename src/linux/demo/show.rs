//! The story: what breaks, what is waited for, and what the client may feel of
//! it. Each scene tells what it does, and one that does not show what it should
//! ends the story.

use rustix::process::Signal;
use smena::pack::{Packed, packed};
use smena::say::{Number, Plain, parts};
use smena::{Duration, Instant};

use crate::linux::clock;
use crate::linux::netlink::Socket;
use crate::linux::signal::Signals;
use crate::linux::text::Text;

use super::client::Client;
use super::gateway::{Gateway, State};
use super::screen::{Column, Screen};
use super::stage::{Stage, Stopped};
use super::world::{Network, must, need};
use super::{A, ADDRESS, B, CLIENT, FILES, FIRST_WORDS, OWN, wires, world};

/// The files that the boxes run on.
const PATHS: [&str; 2] = ["/gw-a.ini", "/gw-b.ini"];
/// How long a scene may take to show what it should.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a reader gets before the next scene.
const READING: Duration = Duration::from_millis(1700);
/// Three adverts of 100 ms and the skew take 0.36 s; a busy machine adds to it.
const FAILOVER_MAX: Duration = Duration::from_millis(600);
/// A planned change should cost nothing; less than one skew is still that.
const PLANNED_MAX: Duration = Duration::from_millis(50);
/// The lease of one second, and what the kernel takes to notice that it ended.
const LEASE_MAX: Duration = Duration::from_millis(2500);
/// How much earlier gw-a starts than gw-b.
const HEAD_START: Duration = Duration::from_millis(50);

/// What happens to gw-a.
#[derive(Clone, Copy)]
enum Deed {
    PullCable,
    PlugCable,
    KillService,
    StartService,
    Stop,
    Start,
    Kill,
}

/// A part of the story: something happens, and one box is master after it.
struct Scene {
    deed: Deed,
    /// What the reader is told that happens.
    told: Packed,
    /// Who ends up as the one master.
    master: usize,
    /// What it is called in the table at the end.
    row: Packed,
    /// How long the client may go without an answer.
    gap_max: Duration,
}

/// The story, once both boxes run and gw-a is master.
const STORY: [Scene; 7] = [
    Scene {
        deed: Deed::PullCable,
        told: packed!("The cable of gw-a is pulled."),
        master: B,
        row: packed!("a pulled cable"),
        gap_max: FAILOVER_MAX,
    },
    Scene {
        deed: Deed::PlugCable,
        told: packed!("The cable is plugged in again; gw-a has the higher priority."),
        master: A,
        row: packed!("the cable is back"),
        gap_max: PLANNED_MAX,
    },
    Scene {
        deed: Deed::KillService,
        told: packed!(
            "The web process of gw-a dies. Without its weight of 2 gw-a is worth 101, and gw-b 102."
        ),
        master: B,
        row: packed!("a service that dies"),
        gap_max: PLANNED_MAX,
    },
    Scene {
        deed: Deed::StartService,
        told: packed!("The web process of gw-a runs again."),
        master: A,
        row: packed!("the service is back"),
        gap_max: PLANNED_MAX,
    },
    Scene {
        deed: Deed::Stop,
        told: packed!("gw-a is asked to stop (SIGTERM), as for an upgrade: a planned hand-over."),
        master: B,
        row: packed!("a planned stop"),
        gap_max: PLANNED_MAX,
    },
    Scene {
        deed: Deed::Start,
        told: packed!("gw-a starts again."),
        master: A,
        row: packed!("the box is back"),
        gap_max: PLANNED_MAX,
    },
    Scene {
        deed: Deed::Kill,
        told: packed!("smena on gw-a is killed (kill -9). It can neither hand over nor clean up."),
        master: B,
        row: packed!("kill -9"),
        gap_max: FAILOVER_MAX,
    },
];

/// The story did not go as it should, or was not let.
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

/// The stage and what moves it.
pub struct Show {
    stage: Stage,
    /// Where the client and the bridge are.
    home: Network,
    switch: Socket,
    ports: [u32; 2],
}

impl Show {
    /// Makes the world; nothing runs in it yet.
    pub fn build() -> Show {
        world::leave_machine();
        world::make_root();
        for (path, file) in PATHS.iter().zip(&FILES) {
            world::put(path, format_args!("{file}"));
        }
        let home = Network::present();
        let mut switch = need(Socket::open(), "socket AF_NETLINK");
        let mut gateways = [
            Gateway::create("gw-a", super::service("a"), PATHS[A]),
            Gateway::create("gw-b", super::service("b"), PATHS[B]),
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
            },
            home,
            switch,
            ports,
        }
    }

    /// The whole story, and what it cost the client.
    #[inline(never)]
    pub fn tell(&mut self) -> Result<(), End> {
        self.introduce();
        self.begin()?;
        let mut gaps = [Duration::ZERO; STORY.len()];
        for (scene, gap) in STORY.iter().zip(&mut gaps) {
            *gap = self.play(scene)?;
        }
        let screen = &mut self.stage.screen;
        screen.print(format_args!("\nThe client went without an answer for\n"));
        for (Scene { row, .. }, gap) in STORY.iter().zip(gaps) {
            let ms = Column(gap.total_millis(), 9);
            screen.print(format_args!("{ms} ms  {row}\n"));
        }
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
        let text = Text::<512>::of(format_args!("{}", FILES[A]));
        let text = text.as_str().strip_suffix("\n").unwrap_or_default();
        for line in parts(text, b'\n') {
            let margin = if line.is_empty() { "" } else { "    " };
            screen.print(format_args!("{}{}\n", Plain(margin), Plain(line)));
        }
    }

    /// Both boxes start, and the client is served.
    fn begin(&mut self) -> Result<(), End> {
        self.open(packed!(
            "Both boxes start. They listen before they take anything."
        ));
        for at in [A, B] {
            self.stage.gateways[at].start_service();
            self.stage.gateways[at].start_keeper(&self.home);
            // One after the other, or both may be the first.
            let listens = |stage: &Stage, _| stage.gateways[at].state == State::Backup;
            self.stage.watch(PATIENCE, &listens)?;
            self.stage.pause(HEAD_START)?;
        }
        self.expect_master(A)?;
        self.stage.client.start(clock::now());
        self.expect_answers(packed!("The client gets no answer."))?;
        self.say(packed!("The client gets its answers from gw-a."));
        Ok(self.stage.pause(READING)?)
    }

    /// Plays a scene; how long the client went without an answer in it.
    fn play(&mut self, scene: &Scene) -> Result<Duration, End> {
        self.open(scene.told);
        let begun_at = clock::now();
        self.act(scene.deed);
        self.expect_master(scene.master)?;
        match scene.deed {
            Deed::Stop => self.expect_end()?,
            Deed::Kill => self.expect_end_of_lease(begun_at)?,
            _ => {}
        }
        self.expect_answers(packed!("The client still gets no answer."))?;
        self.stage.pause(READING)?;
        if self
            .stage
            .gateways
            .iter()
            .all(|gateway| gateway.has_address)
        {
            return self.unexpected(packed!("Both boxes have the address."));
        }
        let gap = self.tell_gap();
        if gap > scene.gap_max {
            let most = Number(scene.gap_max.total_millis());
            let screen = &mut self.stage.screen;
            screen.tell(format_args!(
                "That is too long: {most} ms are allowed here."
            ));
            return Err(End::Unexpected);
        }
        Ok(gap)
    }

    /// Does to gw-a what the scene is about.
    fn act(&mut self, deed: Deed) {
        let gateway = &mut self.stage.gateways[A];
        match deed {
            Deed::PullCable => wires::switch(&mut self.switch, self.ports[A], false),
            Deed::PlugCable => wires::switch(&mut self.switch, self.ports[A], true),
            Deed::KillService => gateway.kill_service(),
            Deed::StartService => gateway.start_service(),
            Deed::Stop => gateway.signal(Signal::TERM),
            Deed::Start => gateway.start_keeper(&self.home),
            Deed::Kill => gateway.signal(Signal::KILL),
        }
    }

    /// Begins a part of the story.
    fn open(&mut self, what: Packed) {
        self.stage.client.reset();
        let screen = &mut self.stage.screen;
        screen.print(format_args!("\n"));
        screen.tell(format_args!("* {what}"));
    }

    /// Waits until this box is the one master, has the address, and its hook
    /// has said so.
    fn expect_master(&mut self, at: usize) -> Result<(), End> {
        const OTHERWISE: [Packed; 2] = [
            packed!("gw-a did not become the one master."),
            packed!("gw-b did not become the one master."),
        ];
        let alone = |stage: &Stage, _| {
            let (gateway, other) = (&stage.gateways[at], &stage.gateways[1 - at]);
            gateway.state == State::Master
                && gateway.has_address
                && gateway.hook_says_master
                && other.state != State::Master
        };
        self.expect(PATIENCE, &alone, OTHERWISE[at])
    }

    /// Waits until the client gets its answers.
    fn expect_answers(&mut self, otherwise: Packed) -> Result<(), End> {
        let served = |stage: &Stage, now| stage.client.is_served(now);
        self.expect(PATIENCE, &served, otherwise)
    }

    /// Waits until gw-a has ended as it should.
    fn expect_end(&mut self) -> Result<(), End> {
        let ended = |stage: &Stage, _| stage.gateways[A].exit == Some(0);
        let otherwise = packed!("gw-a did not end with exit code 0.");
        self.expect(PATIENCE, &ended, otherwise)?;
        self.say(packed!("gw-a: has ended, exit code 0"));
        Ok(())
    }

    /// Waits until the kernel of gw-a gives up the address of one that was
    /// killed then.
    fn expect_end_of_lease(&mut self, killed_at: Instant) -> Result<(), End> {
        let freed = |stage: &Stage, _| !stage.gateways[A].has_address;
        let otherwise = packed!("gw-a still has the address: its lease did not end.");
        self.expect(LEASE_MAX, &freed, otherwise)?;
        let ms = Number((clock::now() - killed_at).total_millis());
        self.stage.screen.tell(format_args!(
            "gw-a: {ms} ms after the kill the address is gone: its guard removed it. Had it been \
             killed, too, the lease of 1 s would have ended."
        ));
        Ok(())
    }

    /// Waits at most this long; what does not come ends the story.
    fn expect(
        &mut self,
        limit: Duration,
        done: &dyn Fn(&Stage, Instant) -> bool,
        otherwise: Packed,
    ) -> Result<(), End> {
        if self.stage.watch(limit, done)? {
            return Ok(());
        }
        self.unexpected(otherwise)
    }

    /// Tells how long the client went without an answer since the scene began.
    fn tell_gap(&mut self) -> Duration {
        let (gap, lost) = self.stage.client.gap();
        let (ms, pings) = (Number(gap.total_millis()), Number(lost.into()));
        match lost {
            0 => self.say(packed!("The client lost not one ping.")),
            1 => self.say(packed!("The client lost one ping.")),
            _ => self.stage.screen.tell(format_args!(
                "The client went without an answer for {ms} ms ({pings} pings lost)."
            )),
        }
        gap
    }

    fn unexpected<T>(&mut self, what: Packed) -> Result<T, End> {
        self.say(what);
        Err(End::Unexpected)
    }

    fn say(&mut self, what: Packed) {
        self.stage.screen.tell(format_args!("{what}"));
    }
}
