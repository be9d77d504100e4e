//! `did you mean`: the known word that is nearest to an unknown one.

/// Longer words have no near one.
const WORD_MAX: usize = 32;

/// The candidate that takes the fewest edits, if these are few enough for it
/// to be what was meant: a third of its length.
pub fn nearest<'a>(word: &str, candidates: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    for candidate in candidates {
        let edits = distance(word.as_bytes(), candidate.as_bytes());
        let allowed = 1 + candidate.len() / 4;
        if edits <= allowed && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many bytes must be inserted, removed, replaced or swapped with their
/// neighbour; case, and `-` for `_`, cost nothing (optimal string alignment).
fn distance(from: &[u8], to: &[u8]) -> usize {
    if from.len() > WORD_MAX || to.len() > WORD_MAX {
        return usize::MAX;
    }
    // Rows of the usual table: the one before the last, the last, the present.
    let mut before = [0; WORD_MAX + 1];
    let mut last = core::array::from_fn::<usize, { WORD_MAX + 1 }, _>(|index| index);
    let mut left = None;
    for (row, &byte) in from.iter().enumerate() {
        let mut now = [row + 1; WORD_MAX + 1];
        let mut above_left = None;
        for (column, &other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(!same(byte, other));
            let mut edits = replaced.min(last[column + 1] + 1).min(now[column] + 1);
            let swapped = left.is_some_and(|left| same(left, other))
                && above_left.is_some_and(|above| same(byte, above));
            if swapped {
                edits = edits.min(before[column - 1] + 1);
            }
            now[column + 1] = edits;
            above_left = Some(other);
        }
        left = Some(byte);
        before = last;
        last = now;
    }
    last[to.len()]
}

fn same(one: u8, other: u8) -> bool {
    let fold = |byte: u8| match byte.to_ascii_lowercase() {
        b'-' => b'_',
        byte => byte,
    };
    fold(one) == fold(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, edits) in [
            ("priorty", "priority", 1),
            ("priroity", "priority", 1),
            ("Advert-Int", "advert_int", 0),
            ("advertint", "advert_int", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("ca", "abc", 3),
        ] {
            assert_eq!(
                distance(from.as_bytes(), to.as_bytes()),
                edits,
                "{from} {to}"
            );
        }
    }

    #[test]
    fn the_nearest_one_is_suggested_and_no_far_one() {
        let keys = ["rise", "fall", "interval", "timeout"];
        let nearest = |word| nearest(word, &mut keys.into_iter());
        assert_eq!(nearest("intervall"), Some("interval"));
        assert_eq!(nearest("raise"), Some("rise"));
        assert_eq!(nearest("zzzz"), None);
        assert_eq!(nearest(&"interval".repeat(9)), None);
    }
}
