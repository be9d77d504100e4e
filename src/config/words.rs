//! A value as words.

/// The words of a value, still as written.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(pub &'a str);
