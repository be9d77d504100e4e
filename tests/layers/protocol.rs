//! tests/protocol.md shows for each line of the protocol's checklist which test
//! holds it; here the page is held to the tests.

use super::root;

/// The checklist's last number.
const LINES: usize = 81;

#[test]
fn each_line_of_the_protocol_is_held() {
    let page = read("tests/protocol.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| {
            row.trim_end_matches('|')
                .split(" | ")
                .map(str::trim)
                .collect()
        })
        .filter(|row: &Vec<&str>| row[0] != "n")
        .collect();
    assert_eq!(rows.len(), LINES);
    let mut wrong = Vec::new();
    for (row, number) in rows.iter().zip(1..) {
        let [n, _, holders] = row[..] else {
            panic!("three columns: {row:?}")
        };
        assert_eq!(n, number.to_string(), "each number once and in order");
        for holder in holders.split("<br>") {
            if let Err(why) = held(number, holder) {
                wrong.push(format!("line {number}: `{holder}`: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether this test, or these words of a page, are there for this line.
fn held(number: usize, holder: &str) -> Result<(), &'static str> {
    let (path, name) = holder.split_once(": ").ok_or("no `path: test`")?;
    let text = read(path);
    if let Some(words) = name.strip_prefix('"') {
        let words = words.strip_suffix('"').ok_or("no closing quote")?;
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        return match flat(&text).contains(&flat(words)) {
            true => Ok(()),
            false => Err("the page does not say so"),
        };
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let start = format!("fn {name}(");
    let heads = (0..lines.len()).filter(|at| lines[*at].starts_with(&start));
    let mut heads = heads.map(|at| {
        let above = lines[..at].iter().rev();
        let head = above.take_while(|line| line.starts_with("//") || line.starts_with("#["));
        head.copied().collect::<Vec<_>>()
    });
    let head = heads.find(|head| head.contains(&"#[test]"));
    let head = head.ok_or("there is no such test")?;
    let number = number.to_string();
    let mut words = head.iter().filter(|line| line.starts_with("//"));
    let said = words.any(|line| {
        line.split(|c: char| !c.is_ascii_digit())
            .any(|n| n == number)
    });
    let named = name
        .split('_')
        .any(|word| word.strip_prefix('n') == Some(&number));
    match named || said {
        true => Ok(()),
        false => Err("it does not name the line"),
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
