//! Configuration files and the exact text of what is said about them.

use smena::config::{Config, Limits, Outcome, Source, parse};

/// Reads a text as `smena.ini`; everything that is said about it.
fn check(text: impl AsRef<[u8]>) -> String {
    let source = Source {
        file: "smena.ini",
        text: text.as_ref(),
        others_can_read: false,
    };
    read(&source, &Limits::BOARD).1
}

fn read(source: &Source<'_>, limits: &Limits) -> (Outcome, String) {
    let mut config = Box::new(Config::EMPTY);
    let mut said = String::new();
    let outcome = parse(source, limits, &mut config, &mut |diagnostic| {
        said += &diagnostic.to_string();
    });
    (outcome, said)
}

#[test]
fn the_files_of_the_seeds_are_read() {
    for file in ["openuds", "wimark", "exchange", "space-vdi"] {
        for half in ["a", "b"] {
            let path = format!(
                "{}/tests/data/config/{file}-{half}.ini",
                env!("CARGO_MANIFEST_DIR")
            );
            let text = std::fs::read(&path).unwrap();
            println!("{}", check(text));
        }
    }
}
