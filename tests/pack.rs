//! The table of pairs against the texts that are packed with it: nothing is
//! changed by packing, and the table is not much worse than one made anew.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use smena::pack::{Packed, pack};

/// A new table may be this much better, in percent of the plain texts, before
/// it is worth its place.
const WORTH: usize = 4;

#[test]
fn what_is_packed_is_what_was_written() {
    for text in texts() {
        let roomy = pack(&text);
        let packed: &'static [u8] = Box::leak(Box::new(roomy.cut::<1024>()));
        let shown = Packed(&packed[..roomy.length]).to_string();
        assert_eq!(shown, text);
    }
}

#[test]
fn the_table_fits_the_texts() {
    let texts = texts();
    let plain: usize = texts.iter().map(String::len).sum();
    let packed: usize = texts.iter().map(|text| pack(text).length).sum();
    let (table, best) = train(&texts);
    println!("{plain} bytes are packed into {packed}, and could be into {best}");
    let lines: String = table
        .chunks(8)
        .map(|row| format!("    {row:?}\n"))
        .collect();
    assert!(
        packed <= best + plain * WORTH / 100,
        "{plain} bytes are packed into {packed}; with this table they are {best}:\n{lines}"
    );
}

/// Byte-pair encoding: the table of 128 pairs, and the length of all texts then.
fn train(texts: &[String]) -> (Vec<[u8; 2]>, usize) {
    let mut texts: Vec<Vec<u8>> = texts.iter().map(|text| text.clone().into_bytes()).collect();
    let mut table = Vec::new();
    for code in 0x80..=0xff {
        let mut counts = HashMap::new();
        let pairs = texts.iter().flat_map(|text| text.windows(2));
        // The lines of a text are found without unpacking it.
        for pair in pairs.filter(|pair| !pair.contains(&b'\n')) {
            *counts.entry([pair[0], pair[1]]).or_insert(0) += 1;
        }
        let (&pair, _) = counts
            .iter()
            .max_by_key(|&(pair, count)| (count, pair))
            .unwrap();
        table.push(pair);
        for text in &mut texts {
            let mut at = 0;
            while at + 1 < text.len() {
                if text[at..at + 2] == pair {
                    text.splice(at..at + 2, [code]);
                }
                at += 1;
            }
        }
    }
    (table, texts.iter().map(Vec::len).sum())
}

/// The texts that the source packs: what stands in `packed!` and `template!`.
fn texts() -> Vec<String> {
    let mut texts = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.extend(packed_in(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    texts
}

/// The literals of one file; the two of a template are two texts, and those of
/// a list of lines are one each.
fn packed_in(source: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (name, end) in [
        ("packed!(", ")"),
        ("template!(", ")"),
        ("packed_lines![", "]"),
        ("codes! {", "}"),
        ("reasons! {", "}"),
    ] {
        for (at, _) in source.match_indices(name) {
            let mut rest = &source[at + name.len()..];
            // Up to the end, with what stands between and is no literal.
            while let Some((between, after)) = rest.split_once('"')
                && !between
                    .lines()
                    .any(|line| line.trim_start().starts_with(end))
            {
                let (text, after) = literal(after);
                texts.push(text);
                rest = after;
            }
        }
    }
    texts
}

/// What a string literal means, from behind its opening quote, and the rest.
fn literal(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = source.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &source[at + 1..]),
            '\\' => match chars.next().unwrap().1 {
                'n' => text.push('\n'),
                '\n' => {
                    let rest = chars.as_str();
                    let skip = rest.len() - rest.trim_start().len();
                    for _ in 0..skip {
                        chars.next();
                    }
                }
                other => text.push(other),
            },
            _ => text.push(c),
        }
    }
    panic!("a literal without an end");
}
