//! SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104), for the few hundred bytes
//! of an advert: small before fast. The tests hold it to published vectors and
//! to what another implementation says.

const BLOCK: usize = 64;

/// The first 32 bits of the fractional parts of the cube roots of the first 64
/// primes (FIPS 180-4 section 4.2.2).
static K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

struct Sha256 {
    state: [u32; 8],
    block: [u8; BLOCK],
    /// Bytes so far; those of the last, incomplete block wait in `block`.
    length: usize,
}

impl Sha256 {
    fn new() -> Sha256 {
        Sha256 {
            state: [
                0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                0x5be0cd19,
            ],
            block: [0; BLOCK],
            length: 0,
        }
    }

    #[inline(never)]
    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.block[self.length % BLOCK] = byte;
            self.length += 1;
            if self.length.is_multiple_of(BLOCK) {
                self.compress();
            }
        }
    }

    /// The digest: a one bit, zeros, and the length in bits end the message.
    fn finish(mut self) -> [u8; 32] {
        let bits = (self.length as u64 * 8).to_be_bytes();
        self.update(&[0x80]);
        while self.length % BLOCK != BLOCK - bits.len() {
            self.update(&[0]);
        }
        self.update(&bits);
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }

    /// FIPS 180-4 section 6.2.2, with the message schedule in 16 words that
    /// turn.
    #[inline(never)]
    fn compress(&mut self) {
        let mut w = [0u32; 16];
        for (word, bytes) in w.iter_mut().zip(self.block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let mut s = self.state;
        for (t, k) in K.iter().enumerate() {
            let [a, b, c, d, e, f, g, h] = s;
            let word = w[t % 16];
            let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let t1 = h
                .wrapping_add(big1)
                .wrapping_add(choice)
                .wrapping_add(*k)
                .wrapping_add(word);
            let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let majority = (a & b) ^ (a & c) ^ (b & c);
            let t2 = big0.wrapping_add(majority);
            s = [t1.wrapping_add(t2), a, b, c, d.wrapping_add(t1), e, f, g];
            // The word that is due in 16 rounds takes the place of this one.
            let (near, far) = (w[(t + 14) % 16], w[(t + 1) % 16]);
            let small1 = near.rotate_right(17) ^ near.rotate_right(19) ^ near >> 10;
            let small0 = far.rotate_right(7) ^ far.rotate_right(18) ^ far >> 3;
            w[t % 16] = word
                .wrapping_add(small0)
                .wrapping_add(w[(t + 9) % 16])
                .wrapping_add(small1);
        }
        for (word, more) in self.state.iter_mut().zip(s) {
            *word = word.wrapping_add(more);
        }
    }
}

/// HMAC-SHA256 of the parts one after the other. A key of more than 64 bytes
/// would have to be hashed first; `Secret` holds none.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let inner = keyed(key, 0x36, parts);
    keyed(key, 0x5c, &[&inner])
}

fn keyed(key: &[u8], pad: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut padded = [pad; BLOCK];
    for (byte, key) in padded.iter_mut().zip(key) {
        *byte ^= key;
    }
    hash.update(&padded);
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .map(|byte| std::format!("{byte:02x}"))
            .collect()
    }

    fn digest(bytes: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(bytes);
        hex(&hash.finish())
    }

    /// FIPS 180-2 appendix B, and the empty message.
    #[test]
    fn digests_are_those_of_the_standard() {
        for (text, expected) in [
            (
                &b""[..],
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                b"abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            assert_eq!(digest(text), expected);
        }
        let million = std::vec![b'a'; 1_000_000];
        assert_eq!(
            digest(&million),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
    }

    /// RFC 4231 sections 4.2 to 4.6; the others have keys that are too long here.
    #[test]
    fn macs_are_those_of_rfc_4231() {
        let counting: Vec<u8> = (1..=25).collect();
        for (key, data, expected) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                &counting,
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
        ] {
            assert_eq!(hex(&hmac(key, &[data])), expected);
            let (a, b) = data.split_at(data.len() / 3);
            assert_eq!(hex(&hmac(key, &[a, &[], b])), expected, "in parts");
        }
        let truncated = hmac(&[0x0c; 20], &[b"Test With Truncation"]);
        assert_eq!(hex(&truncated[..16]), "a3b6167473100ee06e0c796c2955552b");
    }
}
