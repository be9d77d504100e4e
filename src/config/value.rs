//! Reading one value: numbers, durations, switches, names and addresses. Each
//! either yields what it says exactly, or tells what is wrong with it; nothing is
//! rounded or cut.

use core::net::IpAddr;

use super::diagnostic::{Argument, Findings, Told, template};
use super::words::{Word, Words};
use crate::Duration;
use crate::address;
use crate::say::cut;

/// The longest name of a section, in bytes.
pub(super) const NAME_MAX: usize = 31;

/// The longest interface name and address label, in bytes (IFNAMSIZ - 1).
const INTERFACE_MAX: usize = 15;

/// The longest path of a unix socket, in bytes (sun_path without its zero).
const PATH_MAX: usize = 107;

type Read<T> = Result<T, Told>;

/// A text that is one piece as written: without quotes and escapes, or as a
/// whole in one pair of quotes. Only that can be borrowed from the file.
pub(super) fn text<'a>(f: &mut Findings<'a>, value: &'a str) -> Read<&'a str> {
    let inner = match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(inner) => inner,
        None => value,
    };
    if special(inner) {
        return Err(f.error(
            value,
            template!(
                "quotes and escapes inside a value that is no command",
                "write it without, or all of it in one pair of quotes"
            ),
            &[],
        ));
    }
    Ok(inner)
}

/// It holds a quote, or an escape.
fn special(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.contains(&b'"') || bytes.windows(2).any(|pair| pair == b"\\\\")
}

/// A word where only one is allowed.
pub(super) fn second_word<'a>(f: &mut Findings<'a>, word: Word<'a>) -> Told {
    let word = word.as_written();
    f.error(
        word,
        template!(
            "one word more than expected",
            "remove `{0}`, or put quotes around the whole"
        ),
        &[Argument::Text(word)],
    )
}

/// What sections, nodes and users may be called.
pub(super) fn name<'a>(f: &mut Findings<'a>, value: &'a str) -> Read<&'a str> {
    let name = text(f, value)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !(1..=NAME_MAX).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(f.error(
            value,
            template!(
                "`{0}` is no name",
                "1 to {1} letters, digits, `_`, `.` and `-`"
            ),
            &[Argument::Text(name), Argument::Number(NAME_MAX as i64)],
        ));
    }
    Ok(name)
}

/// What the kernel takes for an interface name.
pub(super) fn interface<'a>(f: &mut Findings<'a>, value: &'a str) -> Read<&'a str> {
    let name = label(f, value)?;
    if name.bytes().any(|byte| b":/".contains(&byte)) || matches!(name, "." | "..") {
        return Err(no_interface(f, value, name));
    }
    Ok(name)
}

/// What the kernel takes for the label of an address.
pub(super) fn label<'a>(f: &mut Findings<'a>, value: &'a str) -> Read<&'a str> {
    let name = text(f, value)?;
    let fits = (1..=INTERFACE_MAX).contains(&name.len());
    if !fits || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no_interface(f, value, name));
    }
    Ok(name)
}

fn no_interface<'a>(f: &mut Findings<'a>, value: &'a str, name: &'a str) -> Told {
    f.error(
        value,
        template!(
            "`{0}` cannot be the name of an interface or label",
            "at most {1} characters without blanks; an interface has no `/` and `:`"
        ),
        &[Argument::Text(name), Argument::Number(INTERFACE_MAX as i64)],
    )
}

/// The path of a file or socket.
pub(super) fn path<'a>(f: &mut Findings<'a>, value: &'a str) -> Read<&'a str> {
    if let Some(second) = Words(value).iter().nth(1) {
        return Err(second_word(f, second));
    }
    let path = text(f, value)?;
    if !path.starts_with('/') || path.len() > PATH_MAX {
        return Err(f.error(
            value,
            template!(
                "`{0}` is no absolute path",
                "it begins with `/` and has at most {1} bytes"
            ),
            &[Argument::Text(path), Argument::Number(PATH_MAX as i64)],
        ));
    }
    Ok(path)
}

/// A whole number within its range; `key` is what the message calls it.
pub(super) fn number<'a>(
    f: &mut Findings<'a>,
    value: &'a str,
    key: &'a str,
    min: i32,
    max: i32,
) -> Read<i32> {
    let word = text(f, value)?;
    let (sign, unsigned) = match word.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let (min, max) = (i64::from(min), i64::from(max));
    let (about, template) = match digits(unsigned) {
        (Some(number), "") => match sign * i64::try_from(number).unwrap_or(i64::MAX) {
            number if (min..=max).contains(&number) => return Ok(number as i32),
            _ => (
                key,
                template!("`{0}` is out of range", "write a number from {1} to {2}"),
            ),
        },
        _ => (
            word,
            template!("`{0}` is no whole number", "write a number from {1} to {2}"),
        ),
    };
    let arguments = [
        Argument::Text(about),
        Argument::Number(min),
        Argument::Number(max),
    ];
    Err(f.error(value, template, &arguments))
}

/// A duration within its range, which is in milliseconds; `key` is what the
/// message calls it.
pub(super) fn time<'a>(
    f: &mut Findings<'a>,
    value: &'a str,
    key: &'a str,
    min: u32,
    max: u32,
) -> Read<Duration> {
    let word = text(f, value)?;
    let (min, max) = (
        Duration::from_millis(min.into()),
        Duration::from_millis(max.into()),
    );
    let (about, template) = match micros(word) {
        Ok(micros) if (min.total_micros()..=max.total_micros()).contains(&micros) => {
            // Elsewhere a number alone is milliseconds.
            if micros >= 1_000_000_000 && word.bytes().all(|byte| byte.is_ascii_digit()) {
                f.warning(
                    value,
                    template!(
                        "`{0}` without a unit is so many seconds",
                        "write `{0}s`, or `{0}ms` for milliseconds"
                    ),
                    &[Argument::Text(word)],
                );
            }
            return Ok(Duration::from_micros(micros));
        }
        Ok(_) => (
            key,
            template!("`{0}` is out of range", "write a duration from {1} to {2}"),
        ),
        Err(NoTime::Form) => (
            word,
            template!(
                "`{0}` is no duration",
                "write a number and `ms`, `s`, `m` or `h`, such as `10ms` or `2s`"
            ),
        ),
        Err(NoTime::Fine) => (
            word,
            template!("`{0}` is finer than a microsecond", "write fewer digits"),
        ),
    };
    let arguments = [
        Argument::Text(about),
        Argument::Time(min),
        Argument::Time(max),
    ];
    Err(f.error(value, template, &arguments))
}

/// Why a word is no duration.
enum NoTime {
    /// It is not written as one.
    Form,
    /// A digit would be lost.
    Fine,
}

/// The microseconds of a duration; what is too long for them is `u64::MAX`.
fn micros(word: &str) -> Result<u64, NoTime> {
    let (Some(whole), rest) = digits(word) else {
        return Err(NoTime::Form);
    };
    let (fraction, unit) = match rest.strip_prefix('.') {
        Some(rest) => match digits(rest) {
            (Some(_), unit) => (rest.strip_suffix(unit).unwrap_or(rest), unit),
            (None, _) => return Err(NoTime::Form),
        },
        None => ("", rest),
    };
    let unit = match unit {
        "ms" => 1_000,
        "" | "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(NoTime::Form),
    };
    let fraction = fraction_of(unit, fraction).ok_or(NoTime::Fine)?;
    Ok(whole.saturating_mul(unit).saturating_add(fraction))
}

/// The number that a text begins with, and the rest; `None` without a digit.
/// What is too long for 64 bits is `u64::MAX`.
fn digits(text: &str) -> (Option<u64>, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit());
    let parts = end.and_then(|end| text.split_at_checked(end));
    let (digits, rest) = parts.unwrap_or((text, ""));
    let number = digits.bytes().fold(0_u64, |number, digit| {
        let digit = u64::from(digit - b'0');
        number.saturating_mul(10).saturating_add(digit)
    });
    ((!digits.is_empty()).then_some(number), rest)
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
pub(super) fn switch<'a>(f: &mut Findings<'a>, value: &'a str) -> Read<bool> {
    match text(f, value)? {
        "yes" | "on" | "true" => Ok(true),
        "no" | "off" | "false" => Ok(false),
        word => Err(f.error(
            value,
            template!("`{0}` is no switch", "write `yes` or `no`"),
            &[Argument::Text(word)],
        )),
    }
}

/// One of some words: its index.
pub(super) fn choice<'a>(
    f: &mut Findings<'a>,
    value: &'a str,
    key: &'a str,
    words: &'static [&'static str],
) -> Read<usize> {
    let word = text(f, value)?;
    if let Some(index) = words.iter().position(|known| *known == word) {
        return Ok(index);
    }
    let arguments = [
        Argument::Text(key),
        Argument::Text(word),
        Argument::OneOf(words),
    ];
    Err(f.error(
        value,
        template!("`{0}` cannot be `{1}`", "write {2}"),
        &arguments,
    ))
}

/// The name of a kernel setting: it becomes a path below /proc/sys and stays
/// below it.
pub(super) fn sysctl<'a>(f: &mut Findings<'a>, name: &'a str) -> Read<&'a str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let mut parts = name.as_bytes().split(|byte| b"./".contains(byte));
    if !parts.all(|part| !part.is_empty() && part.iter().all(allowed)) {
        return Err(f.error(
            name,
            template!(
                "`{0}` is no kernel setting",
                "write it as sysctl(8) does, such as `net.ipv4.ip_forward`"
            ),
            &[Argument::Text(name)],
        ));
    }
    Ok(name)
}

/// An address that a router can have, and its prefix length: the whole
/// address where none is written.
pub(super) fn address<'a>(f: &mut Findings<'a>, word: &'a str) -> Read<(IpAddr, u8)> {
    let (address, prefix_len) = match cut(word, b'/') {
        Some((address, prefix_len)) => (address, Some(prefix_len)),
        None => (word, None),
    };
    let Some(ip) = address::parse(address) else {
        return Err(f.error(
            word,
            template!(
                "`{0}` is no IP address",
                "write `192.0.2.1/24` or `2001:db8::1/64`"
            ),
            &[Argument::Text(word)],
        ));
    };
    let (bits, broadcast) = match ip {
        IpAddr::V4(ip) => (32, ip.is_broadcast() || ip.octets().starts_with(&[0])),
        IpAddr::V6(_) => (128, false),
    };
    if broadcast || ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() {
        return Err(f.error(
            address,
            template!(
                "`{0}` is no address that a host can have",
                "write a unicast address of the network"
            ),
            &[Argument::Text(address)],
        ));
    }
    let prefix_len = match prefix_len {
        Some(prefix_len) => number(f, prefix_len, "prefix length", 1, bits)?,
        None => bits,
    };
    Ok((ip, prefix_len as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (word, expected) in [
            ("10ms", 10_000),
            ("2", 2_000_000),
            ("40.95s", 40_950_000),
            ("0.5ms", 500),
            ("1.5m", 90_000_000),
            ("0.10000000000", 100_000),
            ("24h", 86_400_000_000),
            ("99999999999999999999999999h", u64::MAX),
            ("18446744073709551615h", u64::MAX),
        ] {
            assert!(
                micros(word).is_ok_and(|micros| micros == expected),
                "{word}"
            );
        }
        for word in ["0.0001ms", "0.00000001ms", "0.0000005s"] {
            assert!(matches!(micros(word), Err(NoTime::Fine)), "{word}");
        }
        for word in [
            "", "s", "1.s", ".5s", "-1s", "1 s", "1sec", "1S", "1d", "1e3", "0x1",
        ] {
            assert!(matches!(micros(word), Err(NoTime::Form)), "{word}");
        }
    }

    #[test]
    fn numbers_are_decimal_and_within_range() {
        let number = |word, min, max| number(&mut Findings::new(), word, "key", min, max).ok();
        assert_eq!(number("255", 1, 255), Some(255));
        assert_eq!(number("-253", -253, 253), Some(-253));
        for bad in ["256", "0", "", "0x10", "1.0", "-", "99999999999999999999"] {
            assert_eq!(number(bad, 1, 255), None, "{bad}");
        }
    }

    #[test]
    fn addresses_are_those_a_host_can_have() {
        let address = |word| address(&mut Findings::new(), word).ok();
        assert!(matches!(address("192.0.2.1"), Some((IpAddr::V4(_), 32))));
        assert!(matches!(address("192.0.2.1/24"), Some((IpAddr::V4(_), 24))));
        assert!(matches!(address("fe80::1"), Some((IpAddr::V6(_), 128))));
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
            assert!(address(bad).is_none(), "{bad}");
        }
    }
}
