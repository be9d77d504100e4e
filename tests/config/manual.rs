//! The manual knows every key, and says of each what holds without it.

use smena::config::table::{Absence, SECTIONS};
use smena::diagnosis::Code;

const MANUAL: &str = include_str!("../../man/smena.8");

#[test]
fn every_key_stands_in_the_manual_with_its_default() {
    for section in &SECTIONS {
        let header = match section.named {
            true => format!("\n.Ss [{} NAME]\n", section.kind),
            false => format!("\n.Ss [{}]\n", section.kind),
        };
        let (_, text) = MANUAL.split_once(&header).expect(section.kind);
        let text = text.split("\n.Ss ").next().unwrap();
        let text = text.split("\n.Sh ").next().unwrap();
        for key in section.keys {
            let item = format!("\n.It Sy {} = ", key.name);
            let place = format!("[{}] {}", section.kind, key.name);
            let (_, entry) = text.split_once(&item).expect(&place);
            let entry = entry.split("\n.It ").next().unwrap();
            let last = match key.default() {
                Absence::Required(_) => "\nRequired.".into(),
                Absence::Absent => "\nDefault: none.".into(),
                Absence::Text(default) => format!("\nDefault: {default}."),
                Absence::Rule(rule) => format!("\nDefault: {rule}"),
            };
            assert!(entry.contains(&last), "{place}: {last}");
            assert_eq!(entry.contains("\nMay be repeated"), key.plural, "{place}");
        }
        let items = text.matches("\n.It Sy ").count();
        assert_eq!(items, section.keys.len(), "[{}]: too many", section.kind);
    }
}

/// Each diagnosis with its cause and its mend, in the order of the enum.
#[test]
fn every_diagnosis_stands_in_the_manual() {
    let (_, text) = MANUAL.split_once("\n.Sh DIAGNOSES\n").unwrap();
    let text = text.split("\n.Sh ").next().unwrap();
    let mut items = text.split("\n.It Sy ").skip(1);
    for code in Code::ALL {
        let item = items.next().unwrap_or_default();
        let (name, lines) = item.split_once('\n').unwrap();
        assert_eq!(name, code.name().to_string());
        assert!(
            lines.trim_end_matches(".El\n").lines().count() >= 2,
            "{name}"
        );
    }
    assert_eq!(items.next(), None);
}

#[cfg(debug_assertions)]
#[test]
fn the_table_tells_every_key_in_a_line() {
    for key in SECTIONS.iter().flat_map(|section| section.keys) {
        let fits = (1..=100).contains(&key.doc().len()) && !key.doc().ends_with('.');
        assert!(fits, "{}: {}", key.name, key.doc());
    }
}

/// One bit of a word remembers each key that was said.
#[test]
fn a_section_has_at_most_64_keys() {
    for section in &SECTIONS {
        assert!(section.keys.len() <= 64, "[{}]", section.kind);
    }
}
