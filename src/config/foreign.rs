//! Words of keepalived and HAProxy: what they are called here, what to do
//! instead, and whether a whole file is one of theirs. It reads no such file.

use super::diagnostic::{Template, template};
use super::table;
use crate::pack::Packed;
use crate::say::cut;

/// What a word of keepalived or HAProxy is here, if it fits; more may follow it.
pub(super) fn alias(text: &str, fits: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    let mut aliases = table::ALIASES.iter();
    let (_, meant) = aliases.find(|(theirs, ours)| {
        let key = cut(ours, b' ').map_or(*ours, |(key, _)| key);
        begins(text, theirs) && fits(key)
    })?;
    Some(meant)
}

/// What to do instead of a word of keepalived or HAProxy that nothing is called
/// here; more may follow it.
pub(super) fn advice(text: &str) -> Option<Packed> {
    let mut known = table::ADVICE.iter();
    let (_, advice) = known.find(|(words, _)| words.split(' ').any(|word| begins(text, word)))?;
    Some(*advice)
}

/// Whether a text begins with a word, with `-`, `_` or a blank in its joints.
pub(super) fn begins(text: &str, word: &str) -> bool {
    let fold = |&byte: &u8| match byte {
        b'-' | b' ' | b'\t' => b'_',
        byte => byte,
    };
    let Some((start, rest)) = text.as_bytes().split_at_checked(word.len()) else {
        return false;
    };
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    start.iter().map(fold).eq(word.as_bytes().iter().map(fold))
        && !rest.first().is_some_and(goes_on)
}

/// The word that gives a file of keepalived or HAProxy away: it begins a block
/// before any section. One answer helps more than one for each of its lines.
pub(super) fn foreign(text: &[u8]) -> Option<(&str, &'static Template)> {
    let keepalived = [
        "global_defs",
        "vrrp_instance",
        "vrrp_script",
        "vrrp_sync_group",
    ];
    let haproxy = ["global", "defaults", "frontend", "backend", "listen"];
    for line in text.split(|&byte| byte == b'\n') {
        let line = str::from_utf8(line).unwrap_or_default().trim_ascii();
        if line.starts_with('[') {
            return None;
        }
        let word = line.split([' ', '{']).next().unwrap_or_default();
        if keepalived.contains(&word) {
            let template = template!(
                "this is a file of keepalived",
                "README.md has its keywords under `Coming from keepalived`"
            );
            return Some((word, template));
        }
        if haproxy.contains(&word) && !line.contains('=') {
            let template = template!(
                "this is a file of HAProxy",
                "write a [service NAME] for each frontend of TCP; smena(8) has an example"
            );
            return Some((word, template));
        }
    }
    None
}
