//! The keys whose values have a grammar of their own. Each function reads one
//! value and puts it into the section that is being read.

use super::diagnostic::{Argument, Findings, Told, template};
use super::model::{Address, LogTarget, Resource, Track, Tracked};
use super::reader::{LEASE_AUTO, Reader, WEIGHT_ABSENT};
use super::statement::LINE_MAX;
use super::table::DAY;
use super::words::{Iter, Word, Words};
use super::{suggest, value};
use crate::Duration;
use crate::pack::{Packed, packed};
use crate::protocol::Family;

type Read = Result<(), Told>;

/// `log_target`: some words now, and `udp:ADDR:PORT` later.
pub(super) fn log_target<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    if value.starts_with("udp:") {
        return Err(r.findings.error(
            value,
            template!(
                "this version of smena has no `{0}` yet",
                "remove it, or use a version that has it"
            ),
            &[Argument::Text(value)],
        ));
    }
    let targets = [LogTarget::Stderr, LogTarget::Kmsg, LogTarget::Syslog];
    let index = value::choice(
        &mut r.findings,
        value,
        "log_target",
        &["stderr", "kmsg", "syslog"],
    )?;
    r.config.node.log_target = targets.get(index).copied();
    Ok(())
}

/// `realtime`: a switch, or a priority.
pub(super) fn realtime<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let first = value.as_bytes().first();
    r.config.node.realtime = Some(match first.is_some_and(u8::is_ascii_digit) {
        true => value::number(&mut r.findings, value, "realtime", 1, 99)? as u8,
        false => u8::from(value::switch(&mut r.findings, value)?) * super::Node::REALTIME,
    });
    Ok(())
}

/// `interface` of a router.
pub(super) fn interface<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    r.router.interface = value::interface(&mut r.findings, value)?;
    r.note_interface(value, r.router.interface)
}

/// `address`: ADDRESS[/LENGTH] [dev INTERFACE] [label LABEL]
pub(super) fn address<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    carried(r, value, false)
}

/// `excluded_address`, the same.
pub(super) fn excluded_address<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    carried(r, value, true)
}

fn carried<'a>(r: &mut Reader<'_, 'a>, value: &'a str, excluded: bool) -> Read {
    let mut words = Words(value).iter();
    let first = words.next().map_or(value, |word| word.as_written());
    let text = value::text(&mut r.findings, first)?;
    let (ip, prefix_len) = value::address(&mut r.findings, text)?;
    let mut address = Address {
        address: ip,
        prefix_len,
        dev: None,
        label: None,
        excluded,
    };
    while let Some(word) = words.next() {
        let name = word.as_written();
        match name {
            "dev" if address.dev.is_none() => {
                let written = argument(&mut r.findings, word, &mut words)?;
                let dev = value::interface(&mut r.findings, written)?;
                r.note_interface(written, dev)?;
                address.dev = Some(dev);
            }
            "label" if address.label.is_none() => {
                let written = argument(&mut r.findings, word, &mut words)?;
                if ip.is_ipv6() {
                    return Err(r.findings.error(
                        name,
                        template!(
                            "IPv6 addresses have no label",
                            "remove `label` and the word after it"
                        ),
                        &[],
                    ));
                }
                address.label = Some(value::label(&mut r.findings, written)?);
            }
            _ => {
                let known = matches!(name, "dev" | "label");
                let hint = packed!("write `dev INTERFACE` or `label LABEL`, each once");
                return Err(no_option(&mut r.findings, name, known, hint));
            }
        }
    }
    if r.router.addresses.iter().any(|other| other.address == ip) {
        return Err(r.findings.error(
            first,
            template!("{0} has the address `{1}` twice", "remove one"),
            &[r.section(), Argument::Text(first)],
        ));
    }
    let family = Family::of(&ip);
    let listed = r.router.advertised().next();
    let listed = listed.map(|other| Family::of(&other.address));
    if !excluded && listed.is_some_and(|other| other != family) {
        return Err(r.findings.error(
            first,
            template!(
                "{0} has IPv4 and IPv6 addresses",
                "make it an `excluded_address`, or move it to a [vrrp] section of its own"
            ),
            &[r.section()],
        ));
    }
    // What fits into one signed packet of 1500 bytes, and the 8 bits of the count.
    let most = match family {
        Family::Ipv4 => 255,
        Family::Ipv6 => (1500 - 40 - 8 - 28) / 16,
    };
    if !excluded && r.router.advertised().count() == most {
        return Err(r.findings.error(
            first,
            template!(
                "more than {0} addresses do not fit into one advert",
                "move this one and those after it to another [vrrp] section"
            ),
            &[Argument::Number(most as i64)],
        ));
    }
    let room = r.limits.addresses;
    if r.router.addresses.len() >= room || r.router.addresses.push(address).is_err() {
        return Err(r.no_room(value, "addresses in one [vrrp]", room, "addresses"));
    }
    Ok(())
}

/// `auth_pass`: the first 8 bytes count, as everywhere in the field.
pub(super) fn auth_pass<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let mut words = Words(value).iter();
    let first = words.next();
    if let Some(second) = words.next() {
        return Err(value::second_word(&mut r.findings, second));
    }
    let mut meant = [0; LINE_MAX];
    let len = first.and_then(|word| word.copy_to(&mut meant)).unwrap_or(0);
    let pass = *meant.first_chunk::<8>().unwrap_or(&[0; 8]);
    if len == 0 {
        return Err(r.findings.error(
            value,
            template!("`auth_pass` is empty", "remove the line for none"),
            &[],
        ));
    }
    if len > pass.len() {
        let counts = value.get(..pass.len()).unwrap_or_default();
        let template = match counts.contains(['"', '\\']) {
            true => template!(
                "only the first 8 bytes of `auth_pass` count",
                "the wire has room for no more"
            ),
            false => template!(
                "only the first 8 bytes of `auth_pass` count",
                "the wire has room for no more: `{0}`"
            ),
        };
        r.findings
            .warning(value, template, &[Argument::Text(counts)]);
    }
    r.router.auth_pass = Some(pass);
    Ok(())
}

/// `lease`: auto, off or 0, or whole seconds.
pub(super) fn lease<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    r.router.lease_s = match value {
        "auto" => LEASE_AUTO,
        "off" => 0,
        _ => {
            let time = value::time(&mut r.findings, value, "lease", 0, DAY)?;
            if !time.total_micros().is_multiple_of(1_000_000) {
                return Err(r.findings.error(
                    value,
                    template!(
                        "`lease` is no whole number of seconds",
                        "the kernel counts lifetimes in seconds: write `1s` or more"
                    ),
                    &[],
                ));
            }
            time.secs() as u32
        }
    };
    Ok(())
}

/// `track`: NAME, interface NAME or service NAME, then [weight N] [reverse]
pub(super) fn track<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let mut words = Words(value).iter();
    let first = words.next();
    let name = first.map_or(value, |word| word.as_written());
    let (name, what) = match (name, first) {
        ("service", Some(word)) => {
            let written = argument(&mut r.findings, word, &mut words)?;
            (written, Tracked::Service(named(r, "service", written)?))
        }
        ("interface", Some(word)) => {
            let written = argument(&mut r.findings, word, &mut words)?;
            let interface = value::interface(&mut r.findings, written)?;
            r.note_interface(written, interface)?;
            (written, Tracked::Interface(interface))
        }
        _ => (name, Tracked::Check(named(r, "check", name)?)),
    };
    let mut track = Track {
        what,
        weight: WEIGHT_ABSENT,
        reverse: false,
    };
    while let Some(word) = words.next() {
        match word.as_written() {
            "weight" if track.weight == WEIGHT_ABSENT => {
                let written = argument(&mut r.findings, word, &mut words)?;
                track.weight = value::number(&mut r.findings, written, "weight", -253, 253)? as i16;
            }
            "reverse" if !track.reverse => track.reverse = true,
            name => {
                let known = matches!(name, "weight" | "reverse");
                let hint = packed!("write `weight NUMBER` or `reverse`, each once");
                return Err(no_option(&mut r.findings, name, known, hint));
            }
        }
    }
    if r.router.tracks.iter().any(|other| other.what == track.what) {
        return Err(r.findings.error(
            name,
            template!("{0} tracks `{1}` twice", "remove one"),
            &[r.section(), Argument::Text(name)],
        ));
    }
    let room = r.limits.tracks;
    if r.router.tracks.len() >= room || r.router.tracks.push(track).is_err() {
        return Err(r.no_room(value, "track lines in one [vrrp]", room, "tracks"));
    }
    Ok(())
}

/// The index of a check or a service that a track line names.
fn named<'a>(r: &mut Reader<'_, 'a>, kind: &'static str, name: &'a str) -> Result<u8, Told> {
    let name = value::text(&mut r.findings, name)?;
    let (names, near, far): (&[&str], _, _) = match kind {
        "check" => (
            &r.check_names,
            template!("unknown check `{0}` in {2}", "did you mean `{1}`?"),
            template!("unknown check `{0}` in {2}", "add a section `[check {0}]`"),
        ),
        _ => (
            &r.service_names,
            template!("unknown service `{0}` in {2}", "did you mean `{1}`?"),
            template!(
                "unknown service `{0}` in {2}",
                "add a section `[service {0}]`"
            ),
        ),
    };
    if let Some(index) = names.iter().position(|known| *known == name) {
        return Ok(index as u8);
    }
    let (template, meant) = match suggest::nearest(name, &mut names.iter().copied()) {
        // It is one of the others, which are called by their kind.
        _ if kind == "check" && r.service_names.contains(&name) => (
            template!("`{0}` is no check in {2}", "write `service {0}`"),
            "",
        ),
        Some(meant) => (near, meant),
        None => (far, ""),
    };
    Err(r.findings.error(
        name,
        template,
        &[Argument::Text(name), Argument::Text(meant), r.section()],
    ))
}

/// `notify`: a command; its path is checked again before each run.
pub(super) fn notify<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    hook_command(&mut r.findings, Words(value), "notify")?;
    r.router.notify.command = Some(Words(value));
    Ok(())
}

/// `resource`: a command as for `notify`, [interval DURATION]
pub(super) fn resource<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let mut resource = Resource {
        command: Words(value),
        interval: Duration::ZERO,
    };
    let mut words = Words(value).iter();
    let mut before = words.clone();
    while let Some(word) = words.next() {
        if word.as_written() == "interval" {
            let rest = before.rest();
            let command = value.get(..value.len() - rest.len()).unwrap_or_default();
            resource.command = Words(command.trim_ascii_end());
            let written = argument(&mut r.findings, word, &mut words)?;
            resource.interval = value::time(&mut r.findings, written, "interval", 100, DAY)?;
            if let Some(more) = words.next() {
                return Err(value::second_word(&mut r.findings, more));
            }
        }
        before = words.clone();
    }
    hook_command(&mut r.findings, resource.command, "resource")?;
    let command = resource.command;
    if r.router
        .resources
        .iter()
        .any(|other| other.command == command)
    {
        return Err(r.findings.error(
            value,
            template!("{0} has the resource `{1}` twice", "remove one"),
            &[r.section(), Argument::Text(command.as_str())],
        ));
    }
    let room = r.limits.resources;
    if r.router.resources.len() >= room || r.router.resources.push(resource).is_err() {
        return Err(r.no_room(value, "resource lines in one [vrrp]", room, "resources"));
    }
    Ok(())
}

/// The command of a hook has an absolute path and no words for a shell.
pub(super) fn hook_command<'a>(f: &mut Findings<'a>, words: Words<'a>, key: &'static str) -> Read {
    let first = words.iter().next();
    if first.is_none_or(|word| word.chars().next() != Some('/')) {
        return Err(f.error(
            first.map_or(words.as_str(), |word| word.as_written()),
            template!(
                "the command of `{0}` has no absolute path",
                "begin it with `/`"
            ),
            &[Argument::Text(key)],
        ));
    }
    let hint = packed!("smena runs the words as they are: put them into a script");
    no_shell_words(f, words, hint)
}

/// A command that is run without a shell has no words that only a shell
/// understands: it would get them as arguments and fail, or worse, succeed.
pub(super) fn no_shell_words<'a>(f: &mut Findings<'a>, words: Words<'a>, hint: Packed) -> Read {
    for word in words {
        let word = word.as_written();
        let bytes = word.as_bytes();
        let begins = matches!(bytes, [b'&' | b'$' | b'\'' | b'~', ..] | [.., b';']);
        // Inside a word these are for a shell, too, unless quotes say otherwise.
        let inside = !bytes.contains(&b'"')
            && (bytes.iter().any(|byte| b"|><`".contains(byte))
                || bytes.windows(2).any(|two| two == b"&&" || two == b"$("));
        if begins || inside {
            return Err(for_a_shell(f, word, hint));
        }
    }
    Ok(())
}

/// A word that a command without a shell cannot have.
pub(super) fn for_a_shell<'a>(f: &mut Findings<'a>, word: &'a str, hint: Packed) -> Told {
    f.error(
        word,
        template!("`{0}` means something to a shell only", "{1}"),
        &[Argument::Text(word), Argument::Fixed(hint)],
    )
}

/// The word after an option.
pub(super) fn argument<'a>(
    f: &mut Findings<'a>,
    option: Word<'a>,
    words: &mut Iter<'a>,
) -> Result<&'a str, Told> {
    let option = option.as_written();
    words.next().map(|word| word.as_written()).ok_or_else(|| {
        f.error(
            option,
            template!("`{0}` has no value", "write a word after it"),
            &[Argument::Text(option)],
        )
    })
}

/// A word that is no option, or a known one that is there twice.
pub(super) fn no_option<'a>(
    f: &mut Findings<'a>,
    word: &'a str,
    known: bool,
    hint: Packed,
) -> Told {
    let template = match known {
        true => template!("`{0}` is there twice", "{1}"),
        false => template!("`{0}` is no option here", "{1}"),
    };
    let arguments = [Argument::Text(word), Argument::Fixed(hint)];
    f.error(word, template, &arguments)
}
