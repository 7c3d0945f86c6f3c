//! Proof: keeps of the fixes exactly what a run of the tests proves.

pub mod search;
pub mod shadow;
pub mod units;
