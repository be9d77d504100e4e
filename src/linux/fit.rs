//! What `smena check` can say about the machine that it runs on: whether the
//! programs and the user that a file names are there and may be used. It may be
//! another machine than the one the file is for, so these are notes, and the file
//! is as good as before.

use core::fmt;

use rustix::fs::{Access, access};
use smena::config::{Config, Diagnostic, Source};
use smena::say::{Plain, parts};

use super::hook;
use super::spawn::PATH;
use super::text::Text;
use super::user::User;

/// Tells what of a file without errors this machine lacks.
#[inline(never)]
pub fn judge<'a>(
    config: &Config<'a>,
    source: &Source<'a>,
    report: &mut dyn FnMut(&Diagnostic<'_>),
) {
    let mut note = |word: &str, why: fmt::Arguments<'_>| {
        let why = Text::<512>::of(why);
        report(&Diagnostic::unusable(*source, word, why.as_str()));
    };
    if let Some(name) = config.node.script_user
        && let Err(unknown) = User::find(name)
    {
        note(name, format_args!("{unknown}"));
    }
    for command in config.programs() {
        let Some(word) = command.iter().next() else {
            continue;
        };
        let mut path = Text::<1100>::of(format_args!("{word}"));
        if !path.as_str().contains('/') {
            // A name is looked for as it is when it runs.
            path = match parts(PATH, b':')
                .map(|folder| in_folder(folder, &path))
                .find_map(|p| p)
            {
                Some(path) => path,
                None => {
                    note(
                        word.as_written(),
                        format_args!(
                            "PATH has no such program: install it, or write all of its path"
                        ),
                    );
                    continue;
                }
            };
        }
        if let Err(refused) = hook::judge(path.as_str()) {
            note(word.as_written(), format_args!("{refused}"));
        }
    }
}

/// A program's path in a folder, if it is there.
fn in_folder(folder: &str, name: &Text<1100>) -> Option<Text<1100>> {
    let mut path = Text::of(format_args!("{}/{}", Plain(folder), Plain(name.as_str())));
    access(path.as_c_str()?, Access::EXISTS).ok()?;
    Some(path)
}
