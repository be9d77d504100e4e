//! Switches that break one rule each on purpose, so that the simulator can
//! show that it would notice. They exist in builds with debug assertions only;
//! a release build has no way to set them and no code that asks.

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Every priority waits the same skew, so backups take over together.
    NoSkew,
    /// Two masters of equal priority both stay.
    NoTieBreak,
    /// A master that slept past the others' patience goes on as if nothing was.
    NoStallRule,
    /// A state that waits behind a running hook is forgotten.
    DropLastHook,
    /// A hook is called although another call still runs.
    TwoHooks,
    /// A call of a hook has a lower number than the one before.
    HookOutOfOrder,
    /// A hook that is over its time is not killed.
    HungHookLives,
    /// The lease of the addresses is never renewed.
    NoRenewal,
    /// Addresses stay when the state MASTER is left.
    KeepAddresses,
    /// An address that somebody removed is not put back.
    NoRestore,
    /// Silence is tolerated twice as long as it should be.
    LongPatience,
    /// A planned hand-over lets go before anybody came.
    NoOverlap,
    /// A master that met another does not announce itself again.
    NoLastWord,
    /// A packet with a wrong hop limit or checksum is obeyed.
    ObeyDiscarded,
    /// Adverts that were missed are made up for.
    CatchUp,
    /// Answers to the question before a take-over are not heard.
    DeafToAnswers,
    /// A router stays master although one of its group yielded.
    ApartInGroup,
    /// A server that is down, in drain or maint still gets sessions.
    DownGetsSessions,
    /// A session that ends is still counted for its server.
    KeepCount,
    /// A worker goes round robin by itself.
    OwnTickets,
    /// The session that was used last makes room.
    EvictYoungest,
    /// The server that just failed is tried again.
    RetrySame,
    /// One session more than `maxconn`.
    OneTooMany,
    /// A worker picks servers that get no new session.
    PickClosed,
    /// An idle session never ends.
    NeverIdle,
    /// Sessions of servers that are to be cut go on.
    NoCut,
    /// A worker that died leaves its counts behind.
    NoBurial,
    /// What a client had before is not looked at.
    NoStick,
}

/// Whether a part is broken, and how. Zero-sized in release builds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Broken {
    #[cfg(debug_assertions)]
    rule: Option<Mutation>,
}

impl Broken {
    /// Nothing is broken.
    pub const NOTHING: Broken = Broken {
        #[cfg(debug_assertions)]
        rule: None,
    };

    /// Breaks one rule.
    #[cfg(debug_assertions)]
    pub const fn rule(rule: Mutation) -> Broken {
        Broken { rule: Some(rule) }
    }

    /// Whether this rule is broken; never in release builds.
    #[cfg(debug_assertions)]
    pub fn is(self, rule: Mutation) -> bool {
        self.rule == Some(rule)
    }

    /// Whether this rule is broken; never in release builds.
    #[cfg(not(debug_assertions))]
    pub const fn is(self, _: Mutation) -> bool {
        false
    }
}
