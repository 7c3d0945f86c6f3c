//! What the code means: syntax, scopes, values, types, and the suite as pytest sees it.

pub mod assertion;
pub mod ast;
pub mod cost;
pub mod ended;
pub mod fate;
pub mod lower;
pub mod polling;
pub mod project;
pub mod scope;
pub mod semantics;
pub(crate) mod stdlib;
pub mod suite;
pub mod value;
pub mod view;
pub mod workers;
