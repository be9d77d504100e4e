//! An ICMP echo (RFC 792, RFC 4443 section 4) and how its answer is known.

use super::{REQUEST_MAX, Writer};

/// Header and token.
const LENGTH: usize = 16;

/// Writes the request. The kernel computes the checksum of ICMPv6.
pub(super) fn request(v6: bool, id: u16, token: u64, out: &mut [u8; REQUEST_MAX]) -> usize {
    let mut echo = echo(if v6 { 128 } else { 8 }, id, token);
    if !v6 {
        // The internet checksum (RFC 1071).
        let pairs = echo.chunks_exact(2);
        let sum: u32 = pairs
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
            .sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let sum = !(folded + (folded >> 16)) as u16;
        [echo[2], echo[3]] = sum.to_be_bytes();
    }
    let mut out = Writer {
        bytes: out,
        length: 0,
    };
    out.put(&echo);
    out.length
}

/// An echo with an empty checksum.
fn echo(kind: u8, id: u16, token: u64) -> [u8; LENGTH] {
    let mut echo = [0; LENGTH];
    echo[0] = kind;
    [echo[4], echo[5]] = id.to_be_bytes();
    let [.., a, b, c, d, e, f, g, h] = &mut echo;
    [*a, *b, *c, *d, *e, *f, *g, *h] = token.to_be_bytes();
    echo
}

/// Whether these bytes answer our request. The kernel has checked the IP
/// header; a checksum that is wrong would not let the token be right.
#[inline(never)]
pub(super) fn is_reply(v6: bool, id: u16, token: u64, bytes: &[u8]) -> bool {
    let header = match bytes.first() {
        Some(first) if !v6 => usize::from(first & 15) * 4,
        _ => 0,
    };
    let Some(answer) = bytes.get(header..).and_then(|rest| rest.first_chunk()) else {
        return false;
    };
    let mut answer: [u8; LENGTH] = *answer;
    (answer[2], answer[3]) = (0, 0);
    answer == echo(if v6 { 129 } else { 0 }, id, token)
}
