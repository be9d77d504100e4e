//! config
mod model;
mod words;

pub use model::*;
pub use words::Words;
