//! The command line: which command, and with what. It opens nothing and prints
//! nothing; an error says what is wrong and what was probably meant.

use core::fmt;

use crate::config::nearest;
use crate::pack::{Packed, packed};
use crate::say::{Plain, cut};

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `run`: the keeper, in the foreground.
    Run {
        /// `-c`.
        file: Option<&'a str>,
    },
    /// `check`: validate one file, or two halves of a pair.
    Check {
        /// `-c`.
        file: Option<&'a str>,
        /// `--peer`: the other node's file.
        peer: Option<&'a str>,
    },
    /// `status`: one look at the running keeper.
    Status {
        /// `-c`.
        file: Option<&'a str>,
        /// `--json`.
        json: bool,
    },
    /// `why`: one router or check of the running keeper.
    Why {
        /// `-c`.
        file: Option<&'a str>,
        /// The router's or check's name.
        name: &'a str,
    },
    /// `drain`, `maint`, `ready`: what becomes of a server.
    Order {
        /// `-c`.
        file: Option<&'a str>,
        /// Which of them, with a blank behind it.
        order: &'static str,
        /// SERVICE/SERVER.
        name: &'a str,
    },
    /// `replay`: recorded traffic through the receiver.
    Replay {
        /// The capture file.
        capture: &'a str,
        /// `-c`: judge as the routers of this file.
        file: Option<&'a str>,
    },
    /// `bake`: a copy of the binary with a configuration inside.
    Bake {
        /// The configuration.
        file: &'a str,
        /// `-o`: where the copy goes.
        out: Option<&'a str>,
    },
    /// `demo`.
    Demo,
    /// `version`.
    Version,
    /// `help`, `-h`, `--help`.
    Help,
}

/// What is wrong with a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// No such command.
    UnknownCommand(&'a str),
    /// A command that a later version brings.
    NotYet(&'a str),
    /// An option that the command does not take.
    UnknownOption(&'static str, &'a str),
    /// An option whose FILE is missing.
    NoValue(&'static str),
    /// An option that stands there twice.
    Twice(&'static str),
    /// The word that a command needs is not there.
    NoWord(&'static str, &'static str),
    /// A word too many.
    Unexpected(&'static str, &'a str),
}

/// The text of `smena help`.
pub const HELP: Packed = packed!(
    "\
usage: smena [COMMAND] [OPTIONS]

  run     [-c FILE]                 keep the addresses, in the foreground
  check   [-c FILE] [--peer FILE]   validate a configuration, or both halves of a pair
  status  [-c FILE] [--json]        one look at everything; plain `smena` is the same
  why     [-c FILE] NAME            why a router is (not) master, or a check or server (not) up
  drain   [-c FILE] SERVICE/SERVER  no new sessions for a server
  maint   [-c FILE] SERVICE/SERVER  no sessions at all
  ready   [-c FILE] SERVICE/SERVER  back to what its checks say
  replay  CAPTURE.pcap [-c FILE]    recorded VRRP traffic through the receiver: a verdict a frame
  bake    FILE [-o OUT]             a copy of this program with FILE inside, as smena-baked
  demo                              watch a pair fail over in private network namespaces
  version
  help

FILE defaults to /etc/smena.ini, then to the configuration inside the binary.
Exit codes: 0 fine; 1 degraded or warnings; 2 the configuration or the command
line is wrong; 3 not running, or unreadable; 4 the system refused.
"
);

/// A command: its name, its options, and what it becomes with them. An option
/// without a dash is what a word that the command needs is called.
type Known = (
    &'static str,
    &'static [&'static str],
    for<'a> fn(Options<'a>) -> Command<'a>,
);

/// The commands there are.
static COMMANDS: [Known; 12] = [
    ("run", &["-c"], |said| Command::Run { file: said.file }),
    ("check", &["-c", "--peer"], |said| Command::Check {
        file: said.file,
        peer: said.peer,
    }),
    ("status", &["-c", "--json"], |said| Command::Status {
        file: said.file,
        json: said.json,
    }),
    ("why", &["-c", NAME], |said| Command::Why {
        file: said.file,
        name: said.name.unwrap_or_default(),
    }),
    ("drain", &["-c", SERVER], |said| said.order("drain ")),
    ("maint", &["-c", SERVER], |said| said.order("maint ")),
    ("ready", &["-c", SERVER], |said| said.order("ready ")),
    ("replay", &[CAPTURE, "-c"], |said| Command::Replay {
        capture: said.name.unwrap_or_default(),
        file: said.file,
    }),
    ("bake", &[CONFIG, "-o"], |said| Command::Bake {
        file: said.name.unwrap_or_default(),
        out: said.out,
    }),
    ("demo", &[], |_| Command::Demo),
    ("version", &[], |_| Command::Version),
    ("help", &[], |_| Command::Help),
];

/// Stands among a command's options when it takes one word that is none.
const NAME: &str = "the NAME of a router, check, service or server";
/// The same for a server.
const SERVER: &str = "SERVICE/SERVER";
/// The same for a file.
const CAPTURE: &str = "a CAPTURE file";
const CONFIG: &str = "a configuration FILE";

/// Commands that the surface names and this version has not.
const LATER: &[&str] = &["events", "standby", "resume", "takeover", "reload", "adapt"];

impl<'a> Command<'a> {
    /// Reads the words after the program's name. Without a command it is `status`.
    pub fn parse(words: &mut dyn Iterator<Item = &'a str>) -> Result<Command<'a>, Error<'a>> {
        let first = words.next();
        // Options without a command are those of `status`.
        let mut next = None;
        let word = match first {
            None => "status",
            Some("-h" | "--help") => "help",
            Some("-V" | "--version") => "version",
            Some(option) if option.starts_with('-') => {
                next = first;
                "status"
            }
            Some(word) => word,
        };
        let (mut name, mut options, mut build) = *find(word)?;
        let mut early = next.is_some();
        let mut said = Options::default();
        while let Some(word) = next.take().or_else(|| words.next()) {
            if matches!(word, "-h" | "--help") {
                return Ok(Command::Help);
            }
            if early && !word.starts_with('-') {
                // The command comes behind its options.
                early = false;
                (name, options, build) = *find(word)?;
                let early = if said.json { "--json" } else { "-c" };
                if !options.contains(&early) {
                    return Err(Error::UnknownOption(name, early));
                }
                continue;
            }
            said.take(name, options, word, words)?;
        }
        match options.iter().find(|option| !option.starts_with('-')) {
            Some(needed) if said.name.is_none() => Err(Error::NoWord(name, needed)),
            _ => Ok(build(said)),
        }
    }
}

/// The command of this name.
fn find(word: &str) -> Result<&'static Known, Error<'_>> {
    known(word).ok_or(match LATER.contains(&word) {
        true => Error::NotYet(word),
        false => Error::UnknownCommand(word),
    })
}

/// Looks a command up.
fn known(word: &str) -> Option<&'static Known> {
    COMMANDS.iter().find(|(name, ..)| *name == word)
}

/// The options of all commands.
#[derive(Default)]
struct Options<'a> {
    file: Option<&'a str>,
    peer: Option<&'a str>,
    out: Option<&'a str>,
    name: Option<&'a str>,
    json: bool,
}

impl<'a> Options<'a> {
    fn order(self, order: &'static str) -> Command<'a> {
        Command::Order {
            file: self.file,
            order,
            name: self.name.unwrap_or_default(),
        }
    }

    /// Takes one word, and the next one when that is its value.
    fn take(
        &mut self,
        command: &'static str,
        options: &[&str],
        word: &'a str,
        words: &mut dyn Iterator<Item = &'a str>,
    ) -> Result<(), Error<'a>> {
        if !word.starts_with('-') {
            let takes = options.iter().any(|option| !option.starts_with('-'));
            if takes && self.name.is_none() && !word.is_empty() {
                self.name = Some(word);
                return Ok(());
            }
            return Err(Error::Unexpected(command, word));
        }
        // `-cFILE` and `--peer=FILE` carry their value.
        let (option, attached) = match cut(word, b'=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => match word.split_at_checked(2) {
                Some((option @ ("-c" | "-o"), value)) if !value.is_empty() => (option, Some(value)),
                _ => (word, None),
            },
        };
        let (option, slot) = match options.iter().find(|known| **known == option) {
            Some(&"-c") => ("-c", &mut self.file),
            Some(&"-o") => ("-o", &mut self.out),
            Some(&"--peer") => ("--peer", &mut self.peer),
            Some(_) if attached.is_none() => {
                self.json = true;
                return Ok(());
            }
            _ => return Err(Error::UnknownOption(command, word)),
        };
        let value = attached.or_else(|| words.next());
        match value.filter(|value| !value.is_empty()) {
            None => Err(Error::NoValue(option)),
            Some(_) if slot.is_some() => Err(Error::Twice(option)),
            value => {
                *slot = value;
                Ok(())
            }
        }
    }
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::UnknownCommand(word) => {
                write!(f, "unknown command `{}`", Plain(word))?;
                let names = COMMANDS.iter().map(|(name, ..)| *name);
                suggest(f, nearest(word, &mut names.chain(LATER.iter().copied())))
            }
            Error::NotYet(word) => write!(f, "`{}` is not in this version", Plain(word)),
            Error::UnknownOption(command, word) => {
                write!(f, "`{}` has no option `{}`", Plain(command), Plain(word))?;
                let options = known(command).map_or(&[][..], |(_, options, _)| options);
                suggest(f, nearest(word, &mut options.iter().copied()))
            }
            Error::NoValue(option) => write!(f, "`{}` needs a FILE behind it", Plain(option)),
            Error::NoWord(command, word) => {
                write!(f, "`{}` needs {} behind it", Plain(command), Plain(word))
            }
            Error::Twice(option) => write!(f, "`{}` is given twice", Plain(option)),
            Error::Unexpected(command, word) => {
                write!(f, "`{}` takes no `{}`", Plain(command), Plain(word))?;
                suggest(f, None)
            }
        }
    }
}

/// Ends an error with what was probably meant, or with where to look.
fn suggest(f: &mut fmt::Formatter<'_>, meant: Option<&str>) -> fmt::Result {
    match meant {
        Some(meant) => write!(f, "; did you mean `{}`?", Plain(meant)),
        None => f.write_str("; see `smena help`"),
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::{Command, Error};

    fn parse<'a>(words: &[&'a str]) -> Result<Command<'a>, Error<'a>> {
        Command::parse(&mut words.iter().copied())
    }

    #[track_caller]
    fn message(words: &[&str], expected: &str) {
        assert_eq!(parse(words).unwrap_err().to_string(), expected);
    }

    #[test]
    fn nothing_is_status() {
        let status = Command::Status {
            file: None,
            json: false,
        };
        assert_eq!(parse(&[]), Ok(status));
        assert_eq!(parse(&["status"]), Ok(status));
        let json = Command::Status {
            file: Some("a.ini"),
            json: true,
        };
        assert_eq!(parse(&["-c", "a.ini", "--json"]), Ok(json));
        assert_eq!(parse(&["--json", "-ca.ini"]), Ok(json));
        assert_eq!(parse(&["status", "--json", "-c", "a.ini"]), Ok(json));
    }

    #[test]
    fn values_follow_or_are_attached() {
        let both = Command::Check {
            file: Some("a"),
            peer: Some("b"),
        };
        assert_eq!(parse(&["check", "-c", "a", "--peer", "b"]), Ok(both));
        assert_eq!(parse(&["check", "--peer=b", "-ca"]), Ok(both));
        let replay = Command::Replay {
            capture: "x.pcap",
            file: Some("a"),
        };
        assert_eq!(parse(&["replay", "-ca", "x.pcap"]), Ok(replay));
        for words in [["bake", "a", "-o", "b"].as_slice(), &["bake", "-ob", "a"]] {
            let (file, out) = ("a", Some("b"));
            assert_eq!(parse(words), Ok(Command::Bake { file, out }));
        }
        assert_eq!(parse(&["run"]), Ok(Command::Run { file: None }));
        assert_eq!(parse(&["run", "--help"]), Ok(Command::Help));
        assert_eq!(parse(&["--version"]), Ok(Command::Version));
        assert_eq!(parse(&["-h"]), Ok(Command::Help));
    }

    #[test]
    fn why_takes_one_name() {
        let why = |file| Command::Why { file, name: "VI_1" };
        assert_eq!(parse(&["why", "VI_1"]), Ok(why(None)));
        assert_eq!(parse(&["why", "VI_1", "-c", "a"]), Ok(why(Some("a"))));
        assert_eq!(parse(&["-c", "a", "why", "VI_1"]), Ok(why(Some("a"))));
        message(
            &["-c", "a", "demo"],
            "`demo` has no option `-c`; see `smena help`",
        );
        message(
            &["--json", "why", "VI_1"],
            "`why` has no option `--json`; see `smena help`",
        );
        message(
            &["-c", "a", "wy", "VI_1"],
            "unknown command `wy`; did you mean `why`?",
        );
        message(
            &["why"],
            "`why` needs the NAME of a router, check, service or server behind it",
        );
        message(
            &["why", "VI_1", "VI_2"],
            "`why` takes no `VI_2`; see `smena help`",
        );
    }

    #[test]
    fn orders_take_one_server() {
        let order = |order| Command::Order {
            file: Some("a"),
            order,
            name: "web/udst1",
        };
        for (word, meant) in [
            ("drain", "drain "),
            ("maint", "maint "),
            ("ready", "ready "),
        ] {
            assert_eq!(parse(&[word, "-c", "a", "web/udst1"]), Ok(order(meant)));
        }
        message(&["drain"], "`drain` needs SERVICE/SERVER behind it");
        message(
            &["ready", "web/a", "web/b"],
            "`ready` takes no `web/b`; see `smena help`",
        );
        message(
            &["drian", "web/a"],
            "unknown command `drian`; did you mean `drain`?",
        );
    }

    #[test]
    fn errors_say_what_was_meant() {
        message(
            &["statsu"],
            "unknown command `statsu`; did you mean `status`?",
        );
        message(&["chek"], "unknown command `chek`; did you mean `check`?");
        message(&["xyzzy"], "unknown command `xyzzy`; see `smena help`");
        message(&["events"], "`events` is not in this version");
        message(
            &["status", "--jsno"],
            "`status` has no option `--jsno`; did you mean `--json`?",
        );
        message(
            &["run", "--json"],
            "`run` has no option `--json`; see `smena help`",
        );
        message(
            &["--json=1"],
            "`status` has no option `--json=1`; did you mean `--json`?",
        );
        message(&["run", "-c"], "`-c` needs a FILE behind it");
        message(&["check", "--peer="], "`--peer` needs a FILE behind it");
        message(&["bake"], "`bake` needs a configuration FILE behind it");
        message(&["bake", "a", "-o"], "`-o` needs a FILE behind it");
        message(&["replay"], "`replay` needs a CAPTURE file behind it");
        message(
            &["replay", "-c", "a"],
            "`replay` needs a CAPTURE file behind it",
        );
        message(
            &["replay", "a", "b"],
            "`replay` takes no `b`; see `smena help`",
        );
        message(&["run", "-c", "a", "-c", "b"], "`-c` is given twice");
        message(
            &["run", "a.ini"],
            "`run` takes no `a.ini`; see `smena help`",
        );
    }
}
