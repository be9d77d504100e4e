//! Reading one value: numbers, durations, switches, names and addresses. Each
//! either yields what it says exactly, or the problem with it; nothing is
//! rounded or cut.

use core::net::IpAddr;

use nom::character::complete::{char, digit1};
use nom::combinator::{opt, rest};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::diagnostic::{Argument, Problem};
use super::words::{Word, Words};
use crate::Duration;

/// The longest name of a section, in bytes.
pub(super) const NAME_MAX: usize = 31;

/// The longest interface name and address label, in bytes (IFNAMSIZ - 1).
const INTERFACE_MAX: usize = 15;

/// The longest path of a unix socket, in bytes (sun_path without its zero).
const PATH_MAX: usize = 107;

type Read<'a, T> = Result<T, Problem<'a>>;

/// A text that is one piece as written: without quotes and escapes, or as a
/// whole in one pair of quotes. Only that can be borrowed from the file.
pub(super) fn text(value: &str) -> Read<'_, &str> {
    let inner = match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(inner) => inner,
        None => value,
    };
    if inner.contains('"') || inner.contains("\\\\") {
        return Err(Problem::new(
            value,
            "quotes and escapes inside a value that is no command",
            "write it without, or all of it in one pair of quotes",
            &[],
        ));
    }
    Ok(inner)
}

/// A word where only one is allowed.
pub(super) fn second_word(word: Word<'_>) -> Problem<'_> {
    let word = word.as_written();
    Problem::new(
        word,
        "one word more than expected",
        "remove `{0}`, or put quotes around the whole",
        &[Argument::Text(word)],
    )
}

/// What sections, nodes and users may be called.
pub(super) fn name(value: &str) -> Read<'_, &str> {
    let name = text(value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !(1..=NAME_MAX).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(Problem::new(
            value,
            "`{0}` is no name",
            "1 to {1} letters, digits, `_`, `.` and `-`",
            &[Argument::Text(name), Argument::Number(NAME_MAX as i64)],
        ));
    }
    Ok(name)
}

/// What the kernel takes for an interface name.
pub(super) fn interface(value: &str) -> Read<'_, &str> {
    let name = label(value)?;
    if name.contains([':', '/']) || matches!(name, "." | "..") {
        return Err(no_interface(value, name));
    }
    Ok(name)
}

/// What the kernel takes for the label of an address.
pub(super) fn label(value: &str) -> Read<'_, &str> {
    let name = text(value)?;
    let fits = (1..=INTERFACE_MAX).contains(&name.len());
    if !fits || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no_interface(value, name));
    }
    Ok(name)
}

fn no_interface<'a>(value: &'a str, name: &'a str) -> Problem<'a> {
    Problem::new(
        value,
        "`{0}` cannot be the name of an interface or label",
        "at most {1} characters without blanks; an interface has no `/` and `:`",
        &[Argument::Text(name), Argument::Number(INTERFACE_MAX as i64)],
    )
}

/// The path of a file or socket.
pub(super) fn path(value: &str) -> Read<'_, &str> {
    if let Some(second) = Words(value).iter().nth(1) {
        return Err(second_word(second));
    }
    let path = text(value)?;
    if !path.starts_with('/') || path.len() > PATH_MAX {
        return Err(Problem::new(
            value,
            "`{0}` is no absolute path",
            "it begins with `/` and has at most {1} bytes",
            &[Argument::Text(path), Argument::Number(PATH_MAX as i64)],
        ));
    }
    Ok(path)
}

/// A whole number within its range; `key` is what the message calls it.
pub(super) fn number<'a>(value: &'a str, key: &'a str, min: i32, max: i32) -> Read<'a, i32> {
    let word = text(value)?;
    let problem = |message, about| {
        let arguments = [
            Argument::Text(about),
            Argument::Number(min.into()),
            Argument::Number(max.into()),
        ];
        Problem::new(value, message, "write a number from {1} to {2}", &arguments)
    };
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(problem("`{0}` is no whole number", word));
    }
    // Digits that do not fit are out of range as well.
    match word.parse::<i32>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(problem("`{0}` is out of range", key)),
    }
}

/// A duration within its range; `key` is what the message calls it.
pub(super) fn time<'a>(
    value: &'a str,
    key: &'a str,
    min: Duration,
    max: Duration,
) -> Read<'a, Duration> {
    let word = text(value)?;
    let problem = |message, hint, about| {
        let arguments = [
            Argument::Text(about),
            Argument::Time(min),
            Argument::Time(max),
        ];
        Problem::new(value, message, hint, &arguments)
    };
    let bad_unit = || {
        let hint = "write a number and `ms`, `s`, `m` or `h`, such as `10ms` or `2s`";
        problem("`{0}` is no duration", hint, word)
    };
    let (_, (whole, fraction, unit)) = duration(word).map_err(|_| bad_unit())?;
    let unit = match unit {
        "ms" => 1_000,
        "" | "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(bad_unit()),
    };
    let fraction = fraction_of(unit, fraction.unwrap_or_default()).ok_or_else(|| {
        let message = "`{0}` is finer than a microsecond";
        problem(message, "write fewer digits", word)
    })?;
    let whole = whole.parse::<u64>().ok();
    let micros = whole.and_then(|whole| whole.checked_mul(unit)?.checked_add(fraction));
    match micros.map(Duration::from_micros) {
        Some(time) if (min..=max).contains(&time) => Ok(time),
        _ => {
            let hint = "write a duration from {1} to {2}";
            Err(problem("`{0}` is out of range", hint, key))
        }
    }
}

/// Digits, perhaps a fraction, and the unit.
fn duration(input: &str) -> IResult<&str, (&str, Option<&str>, &str)> {
    (digit1, opt(preceded(char('.'), digit1)), rest).parse(input)
}

/// The digits behind the point of so many microseconds; `None` when a digit
/// would be lost.
fn fraction_of(unit: u64, digits: &str) -> Option<u64> {
    let mut sum = 0;
    let mut place = unit;
    for digit in digits.bytes().map(|byte| u64::from(byte - b'0')) {
        if digit != 0 && (place == 0 || !(place * digit).is_multiple_of(10)) {
            return None;
        }
        sum += place * digit / 10;
        place /= 10;
    }
    Some(sum)
}

/// yes or no, in any of its spellings.
pub(super) fn switch(value: &str) -> Read<'_, bool> {
    match text(value)? {
        "yes" | "on" | "true" => Ok(true),
        "no" | "off" | "false" => Ok(false),
        word => Err(Problem::new(
            value,
            "`{0}` is no switch",
            "write `yes` or `no`",
            &[Argument::Text(word)],
        )),
    }
}

/// One of some words: its index.
pub(super) fn choice<'a>(
    value: &'a str,
    key: &'a str,
    words: &'static [&'static str],
) -> Read<'a, usize> {
    let word = text(value)?;
    if let Some(index) = words.iter().position(|known| *known == word) {
        return Ok(index);
    }
    let arguments = [
        Argument::Text(key),
        Argument::Text(word),
        Argument::OneOf(words),
    ];
    Err(Problem::new(
        value,
        "`{0}` cannot be `{1}`",
        "write {2}",
        &arguments,
    ))
}

/// The name of a kernel setting: it becomes a path below /proc/sys and stays
/// below it.
pub(super) fn sysctl(name: &str) -> Read<'_, &str> {
    let separator = |c| matches!(c, '.' | '/');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || separator(c);
    if !name.chars().all(allowed) || name.split(separator).any(str::is_empty) {
        return Err(Problem::new(
            name,
            "`{0}` is no kernel setting",
            "write it as sysctl(8) does, such as `net.ipv4.ip_forward`",
            &[Argument::Text(name)],
        ));
    }
    Ok(name)
}

/// An address that a router can have, and its prefix length: the whole
/// address where none is written.
pub(super) fn address(word: &str) -> Read<'_, (IpAddr, u8)> {
    let (address, prefix_len) = match word.split_once('/') {
        Some((address, prefix_len)) => (address, Some(prefix_len)),
        None => (word, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(Problem::new(
            word,
            "`{0}` is no IP address",
            "write `192.0.2.1/24` or `2001:db8::1/64`",
            &[Argument::Text(word)],
        ));
    };
    let (bits, broadcast) = match ip {
        IpAddr::V4(ip) => (32, ip.is_broadcast() || ip.octets().starts_with(&[0])),
        IpAddr::V6(_) => (128, false),
    };
    if broadcast || ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() {
        return Err(Problem::new(
            address,
            "`{0}` is no address that a host can have",
            "write a unicast address of the network",
            &[Argument::Text(address)],
        ));
    }
    let prefix_len = match prefix_len {
        Some(prefix_len) => number(prefix_len, "prefix length", 1, bits)?,
        None => bits,
    };
    Ok((ip, prefix_len as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(value: &str) -> Result<u64, &'static str> {
        let day = Duration::from_secs(86_400);
        match time(value, "interval", Duration::ZERO, day) {
            Ok(time) => Ok(time.total_micros()),
            Err(problem) => Err(problem.message),
        }
    }

    #[test]
    fn durations() {
        assert_eq!(micros("10ms"), Ok(10_000));
        assert_eq!(micros("2"), Ok(2_000_000));
        assert_eq!(micros("40.95s"), Ok(40_950_000));
        assert_eq!(micros("0.5ms"), Ok(500));
        assert_eq!(micros("1.5m"), Ok(90_000_000));
        assert_eq!(micros("0.10000000000"), Ok(100_000));
        assert_eq!(micros("24h"), Ok(86_400_000_000));
        assert_eq!(micros("0.0001ms"), Err("`{0}` is finer than a microsecond"));
        assert_eq!(
            micros("0.0000005s"),
            Err("`{0}` is finer than a microsecond")
        );
        let no_duration = Err("`{0}` is no duration");
        for bad in [
            "s", "1.s", ".5s", "-1s", "1 s", "1sec", "1S", "1d", "1e3", "0x1",
        ] {
            assert_eq!(micros(bad), no_duration, "{bad}");
        }
        assert!(micros("25h").is_err());
        assert!(micros("99999999999999999999999999h").is_err());
        assert!(micros("18446744073709551615h").is_err());
    }

    #[test]
    fn numbers_are_decimal_and_within_range() {
        assert_eq!(number("255", "priority", 1, 255).ok(), Some(255));
        assert_eq!(number("-253", "weight", -253, 253).ok(), Some(-253));
        for bad in ["256", "0", "", "0x10", "1.0", "-", "99999999999999999999"] {
            assert!(number(bad, "priority", 1, 255).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_those_a_host_can_have() {
        assert!(matches!(address("192.0.2.1"), Ok((IpAddr::V4(_), 32))));
        assert!(matches!(address("192.0.2.1/24"), Ok((IpAddr::V4(_), 24))));
        assert!(matches!(address("fe80::1"), Ok((IpAddr::V6(_), 128))));
        for bad in [
            "192.0.2",
            "192.0.2.1/33",
            "192.0.2.1/0",
            "192.0.2.1/",
            "01.2.3.4",
            "224.0.0.1",
            "0.1.2.3",
            "127.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "fe80::1%eth0",
            "2001:db8::1/129",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
