//! What the code means: syntax, scopes, values, types, and the suite as pytest sees it.

pub mod ast;
pub mod lower;
