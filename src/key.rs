//! A key of `auth_hmac`: the id that goes with a signed packet, and the secret
//! as base64 in the text that it was read from. It is decoded when it is used,
//! so that no second copy of it lies in memory, and it never shows itself.

use core::fmt;

/// The fewest and the most bytes of a secret: what SHA-256 yields, and what it
/// takes at once (RFC 2104 section 3).
pub const SECRET_LEN: (usize, usize) = (32, 64);

/// A key. [`fmt::Debug`] shows its id only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    id: u8,
    text: &'a str,
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not base64 (RFC 4648 section 4).
    Form,
    /// It is, and has this many bytes, too few or too many.
    Length(usize),
}

/// A decoded secret.
#[derive(Clone, Copy)]
pub struct Secret {
    bytes: [u8; SECRET_LEN.1],
    length: u8,
}

impl<'a> Key<'a> {
    /// A key of this id whose secret is `text` in base64.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn new(id: u8, text: &'a str) -> Result<Key<'a>, Flaw> {
        let key = Key { id, text };
        match decode(text, &mut [0; SECRET_LEN.1]) {
            Some(length) if (SECRET_LEN.0..=SECRET_LEN.1).contains(&length) => Ok(key),
            Some(length) => Err(Flaw::Length(length)),
            None => Err(Flaw::Form),
        }
    }

    /// Its id on the wire, 1..=255.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// Its secret.
    pub fn secret(&self) -> Secret {
        let mut bytes = [0; SECRET_LEN.1];
        let length = decode(self.text, &mut bytes).unwrap_or(0) as u8;
        Secret { bytes, length }
    }
}

impl Secret {
    /// 32 to 64 bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Decodes base64, padded or not, and returns how many bytes it has, though only
/// as many are written as there is room for. `None`: it is none, or bits are
/// left over that are not zero, as happens when a text was cut.
fn decode(text: &str, buffer: &mut [u8]) -> Option<usize> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if padding > 2 || padding > 0 && !text.len().is_multiple_of(4) {
        return None;
    }
    let (mut bits, mut count, mut length) = (0u32, 0, 0);
    for digit in digits.bytes() {
        bits = bits << 6 | u32::from(value(digit)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            if let Some(byte) = buffer.get_mut(length) {
                *byte = (bits >> count) as u8;
            }
            length += 1;
        }
    }
    let left_over = bits & ((1 << count) - 1);
    (count < 6 && left_over == 0).then_some(length)
}

fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    /// RFC 4648 section 10, and what the alphabet's end means.
    #[test]
    fn base64_is_read_as_it_is_written() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm8", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYmFy", b"foobar"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
        ] {
            let mut buffer = [0; 8];
            let length = decode(text, &mut buffer);
            assert_eq!(length, Some(bytes.len()), "{text}");
            assert_eq!(&buffer[..bytes.len()], bytes, "{text}");
        }
        for text in [
            "Z", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8==", "Zm-v", "Zm9v=", "=", "Z g=", "Zmé",
        ] {
            assert_eq!(decode(text, &mut [0; 8]), None, "{text}");
        }
    }

    #[test]
    fn a_secret_has_32_to_64_bytes_and_hides() {
        let text = |bytes: usize| "A".repeat((bytes * 8).div_ceil(6));
        assert_eq!(Key::new(1, &text(31)), Err(Flaw::Length(31)));
        assert_eq!(Key::new(1, &text(65)), Err(Flaw::Length(65)));
        assert_eq!(Key::new(1, &text(300)), Err(Flaw::Length(300)));
        assert_eq!(Key::new(1, "not base64"), Err(Flaw::Form));
        for length in [32, 33, 64] {
            let text = text(length);
            let key = Key::new(7, &text).unwrap();
            assert_eq!(key.secret().bytes(), &std::vec![0; length]);
            assert_eq!(format!("{key:?} {:?}", key.secret()), "Key(7) Secret");
        }
    }
}
