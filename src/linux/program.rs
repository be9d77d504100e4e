//! The commands, and what each exits with: 0 fine; 1 degraded or warnings; 2
//! the configuration or the command line is wrong; 3 not running, or
//! unreadable; 4 the system refused. A panic ends with 101.

use core::ffi::CStr;
use core::fmt::{self, Write as _};

use rustix::system::uname;
use smena::command::{Command, HELP};
use smena::config::{self, Config, Limits, LogTarget, Source};
use smena::pack::{Packed, packed};
use smena::say::{Level, Number, Plain, say};

use super::cell::Cell;
use super::failure::Failure;
use super::output::{Output, complain};
use super::start::Invocation;
use super::text::Text;
use super::user::{Unknown, User};
use super::{bake, client, demo, fit, init, keeper, load, log, replay, sysctl};

const FINE: i32 = 0;
const WARNINGS: i32 = 1;
const WRONG: i32 = 2;
const REFUSED: i32 = 4;

static TEXT: Cell<load::Memory> = Cell::new([0; _]);
static PEER_TEXT: Cell<load::Memory> = Cell::new([0; _]);
static CONFIG: Cell<Config<'static>> = Cell::new(Config::EMPTY);
static PEER_CONFIG: Cell<Config<'static>> = Cell::new(Config::EMPTY);

// Each command has a frame of its own, not a share in this one: the pages of
// what the others would need stay untouched while the keeper runs.

/// Does what the command line says and returns the exit code.
pub fn main(invocation: Invocation) -> i32 {
    if init::is_on() {
        live(&invocation);
    }
    if let Some(code) = demo_hook(&invocation) {
        return code;
    }
    let mut words = invocation.words().map(CStr::to_str);
    let mut unreadable = false;
    let mut readable = core::iter::from_fn(|| match words.next()? {
        Ok(word) => Some(word),
        Err(_) => {
            unreadable = true;
            None
        }
    });
    let command = Command::parse(&mut readable);
    if unreadable {
        complain(format_args!("error: the command line is not UTF-8"));
        return WRONG;
    }
    match command {
        Ok(Command::Run { file }) => run(file, &invocation),
        Ok(Command::Check { file, peer }) => check(file, peer),
        Ok(Command::Status { file, json }) => {
            ask(file, &["status", if json { " --json" } else { "" }])
        }
        Ok(Command::Why { file, name }) => ask(file, &["why ", name]),
        Ok(Command::Order { file, order, name }) => ask(file, &[order, name]),
        Ok(Command::Replay { capture, file }) => replay(capture, file),
        Ok(Command::Bake { file, out }) => bake(file, out),
        Ok(Command::Demo) => show(),
        Ok(Command::Version) => print(format_args!(concat!(
            "smena ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        ))),
        Ok(Command::Help) => print(format_args!("{HELP}")),
        Err(error) => {
            complain(format_args!("error: {error}"));
            WRONG
        }
    }
}

/// `smena demo hook ...`: the demo's boxes call this binary as their hook. Not a
/// command for people, so the command line's reader does not know it.
fn demo_hook(invocation: &Invocation) -> Option<i32> {
    let words = invocation.words();
    let mut words = words.map(|word| word.to_str().unwrap_or_default());
    let called = words.next() == Some("demo") && words.next() == Some("hook");
    called.then(|| demo::hook(&mut words))
}

/// `smena demo`.
#[inline(never)]
fn show() -> i32 {
    demo::run()
}

/// Prints to standard output.
fn print(text: core::fmt::Arguments<'_>) -> i32 {
    let mut output = Output::stdout();
    let _ = output.write_fmt(text);
    if output.flush() { FINE } else { REFUSED }
}

/// Reads and checks a configuration; what is wrong with it goes to standard error.
fn read(
    file: Option<&'static str>,
    text: &'static Cell<load::Memory>,
    config: &'static Cell<Config<'static>>,
) -> Option<(&'static Config<'static>, Source<'static>, config::Outcome)> {
    let source = match load::load(file, text.claim()) {
        Ok(source) => source,
        Err(error) => {
            complain(format_args!("{error}"));
            return None;
        }
    };
    let config = config.claim();
    let outcome = parse(&source, config);
    Some((config, source, outcome))
}

/// Parses with the diagnostics on standard error.
fn parse(source: &Source<'static>, config: &mut Config<'static>) -> config::Outcome {
    let mut output = Output::stderr();
    let outcome = config::parse(source, &Limits::BOARD, config, &mut |diagnostic| {
        let _ = write!(output, "{diagnostic}");
    });
    output.flush();
    outcome
}

/// Compares the two halves of a pair, with the diagnostics on standard error.
fn compare(
    one: (&Config<'_>, &Source<'_>),
    other: (&Config<'_>, &Source<'_>),
) -> [config::Outcome; 2] {
    let mut output = Output::stderr();
    let outcomes = config::compare(one, other, &mut |diagnostic| {
        let _ = write!(output, "{diagnostic}");
    });
    output.flush();
    outcomes
}

/// `smena run`.
#[inline(never)]
fn run(file: Option<&'static str>, invocation: &Invocation) -> i32 {
    match read(file, &TEXT, &CONFIG) {
        Some((config, _, outcome)) if outcome.errors == 0 => match keep(config, invocation) {
            Ok(()) => FINE,
            Err(trouble) => {
                complain(format_args!("error: {trouble}"));
                match trouble {
                    Trouble::User(_) => WRONG,
                    Trouble::Refused(_) => REFUSED,
                }
            }
        },
        _ => WRONG,
    }
}

/// PID 1. The kernel hands over whatever words it does not know itself.
#[inline(never)]
fn live(invocation: &Invocation) -> ! {
    let mut words = invocation.words().filter_map(|word| word.to_str().ok());
    let file = match Command::parse(&mut words) {
        Ok(Command::Run { file }) => file,
        _ => None,
    };
    let source = match load::load(file, TEXT.claim()) {
        Ok(source) => source,
        Err(error) => init::stuck(WRONG, &mut |to| {
            let _ = writeln!(to, "{error}");
        }),
    };
    let config: &'static mut Config<'static> = CONFIG.claim();
    if parse(&source, config).errors > 0 {
        // What is wrong is found again, which takes no memory.
        init::stuck(WRONG, &mut |to| {
            config::parse(&source, &Limits::BOARD, config, &mut |diagnostic| {
                let _ = write!(to, "{diagnostic}");
            });
        })
    }
    match keep(config, invocation) {
        Ok(()) => unreachable!("an init ends with the machine"),
        Err(trouble) => {
            let said = Text::<512>::of(format_args!("error: {trouble}\n"));
            init::stuck(trouble.exit_of_status(), &mut |to| {
                let _ = to.write_str(said.as_str());
            })
        }
    }
}

/// Why nothing can be kept.
enum Trouble {
    /// There is no such user.
    User(Unknown<'static>),
    /// The system refused.
    Refused(Failure),
}

impl Trouble {
    /// What `smena status` ends with then, where it can be asked.
    const fn exit_of_status(&self) -> i32 {
        match self {
            Trouble::User(_) => WRONG,
            Trouble::Refused(_) => 3,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::User(unknown) => write!(f, "`script_user`: {unknown}"),
            Trouble::Refused(failure) => failure.fmt(f),
        }
    }
}

/// Sets up what comes before the keeper's loop, and runs it.
fn keep(config: &'static Config<'static>, invocation: &Invocation) -> Result<(), Trouble> {
    let level = config.node.log.unwrap_or(Level::Info);
    let journal = invocation.variable("JOURNAL_STREAM");
    let mut default = LogTarget::Stderr;
    if init::is_on() {
        default = LogTarget::Kmsg;
        init::open_kernel_log();
    }
    let target = config.node.log_target.unwrap_or(default);
    log::open_target(level, target, journal).map_err(Trouble::Refused)?;
    let name = config.node.script_user.unwrap_or("root");
    let user = User::find(name).map_err(Trouble::User)?;
    if init::is_on() {
        init::prepare(config);
    } else if config.is_for_init() {
        say(Level::Warn, format_args!("{}", for_init()));
    }
    for setting in &config.sysctls {
        if let Err(failure) = sysctl::set(setting) {
            say(
                Level::Error,
                format_args!("sysctl {}: {failure}", Plain(setting.name)),
            );
        }
    }
    let host = uname();
    let host = host.nodename().to_str().unwrap_or_default();
    keeper::run(config, user, host, invocation).map_err(|failure| {
        if target != LogTarget::Stderr {
            say(Level::Error, format_args!("{failure}"));
        }
        Trouble::Refused(failure)
    })
}

/// What is read and not done, which an ordinary process says.
fn for_init() -> Packed {
    packed!(
        "[interface NAME] and [init] count where smena is PID 1; elsewhere nothing of them is done"
    )
}

/// `smena check`.
#[inline(never)]
fn check(file: Option<&'static str>, peer: Option<&'static str>) -> i32 {
    let own = read(file, &TEXT, &CONFIG);
    let other = peer.map(|peer| read(Some(peer), &PEER_TEXT, &PEER_CONFIG));
    let Some((config, source, mut outcome)) = own else {
        return WRONG;
    };
    if outcome.errors == 0 {
        // The other half is for another machine.
        let mut output = Output::stderr();
        fit::judge(config, &source, &mut |diagnostic| {
            let _ = write!(output, "{diagnostic}");
        });
        output.flush();
    }
    let mut other = match other {
        Some(None) => return WRONG,
        Some(other) => other,
        None => None,
    };
    // Halves with errors of their own say nothing about the pair.
    if let Some((peer_config, peer_source, peer_outcome)) = &mut other
        && outcome.errors + peer_outcome.errors == 0
    {
        let pair = compare((config, &source), (peer_config, peer_source));
        for (sum, more) in [&mut outcome, peer_outcome].into_iter().zip(pair) {
            sum.errors += more.errors;
            sum.warnings += more.warnings;
        }
    }
    let files = [
        Some((source, outcome)),
        other.map(|(_, source, outcome)| (source, outcome)),
    ];
    if files
        .iter()
        .flatten()
        .any(|(_, outcome)| outcome.errors > 0)
    {
        return WRONG;
    }
    // No warning: a file for an image is right, wherever it is checked.
    if config.is_for_init() {
        complain(format_args!("note: {}", for_init()));
    }
    let mut output = Output::stdout();
    let mut exit = FINE;
    for (source, outcome) in files.iter().flatten() {
        let (file, warnings) = (Plain(source.file), Number(outcome.warnings.into()));
        let _ = match outcome.warnings {
            0 => writeln!(output, "{file}: ok"),
            _ => writeln!(output, "{file}: ok, {warnings} warnings"),
        };
        if outcome.warnings > 0 {
            exit = WARNINGS;
        }
    }
    if output.flush() { exit } else { REFUSED }
}

/// `smena bake`.
#[inline(never)]
fn bake(file: &'static str, out: Option<&'static str>) -> i32 {
    let out = out.unwrap_or("smena-baked");
    let Some((_, source, outcome)) = read(Some(file), &TEXT, &CONFIG) else {
        return WRONG;
    };
    if outcome.errors > 0 {
        return WRONG;
    }
    if !bake::may_replace(out, file) {
        complain(format_args!(
            "error: `{}` is the configuration itself, or no plain file: give -o another name",
            Plain(out)
        ));
        return WRONG;
    }
    if let Err(failure) = bake::write_copy(source.text, out, file) {
        complain(format_args!("error: {failure}"));
        return REFUSED;
    }
    let told = print(format_args!("{}: {} is inside\n", Plain(out), Plain(file)));
    match outcome.warnings {
        0 => told,
        _ => WARNINGS,
    }
}

/// `smena replay`.
#[inline(never)]
fn replay(capture: &str, file: Option<&'static str>) -> i32 {
    let mut config = None;
    if let Some(file) = file {
        match load::load(Some(file), TEXT.claim()) {
            Ok(source) => {
                let parsed = config.insert(CONFIG.claim());
                if parse(&source, parsed).errors > 0 {
                    return WRONG;
                }
            }
            Err(error) => {
                complain(format_args!("{error}"));
                return WRONG;
            }
        }
    }
    match replay::run(capture, config) {
        replay::End::Whole => FINE,
        replay::End::Wrong => WRONG,
        replay::End::Unwritten => REFUSED,
    }
}

/// Asks the running keeper. A file that is wrong or missing says no other socket.
#[inline(never)]
fn ask(file: Option<&'static str>, question: &[&str]) -> i32 {
    let mut path = config::Node::CONTROL;
    match load::load(file, TEXT.claim()) {
        Ok(source) => {
            let config = CONFIG.claim();
            let outcome = config::parse(&source, &Limits::BOARD, config, &mut |_| {});
            if outcome.errors == 0 {
                path = config.node.control.unwrap_or(path);
            }
        }
        Err(error) if file.is_some() => {
            complain(format_args!("{error}"));
            return 3;
        }
        Err(_) => {}
    }
    client::ask(path, question)
}
