//! Measuring a suite: a run of pytest becomes a record that is kept, held against budgets and against earlier ones.
//!
//! * [`record`] is what a run leaves behind: the types, and the format on disk.
//! * [`gather`] makes it of the events of a run; of those of a run that was killed, too.
//! * [`history`] keeps the records under `.testdiet/measure/`.
//! * [`judge`] holds a record against budgets and against the runs before it.
//!
//! ```text
//! .testdiet/measure/000012/
//!     start.json          what is run and how, written before it starts
//!     lock                held while it runs
//!     events-PID.jsonl    what the recorder told; gone once the record is written
//!     output.txt          what pytest printed
//!     run.json            the record
//! .testdiet/measure/evidence.json
//!                         what the runs have shown of each file: see [`crate::evidence`]
//! ```

pub mod gather;
pub mod history;
pub mod judge;
pub mod record;

pub use gather::Gathered;
pub use history::{History, StoreError};
pub use record::{Ended, EndedHow, Header, Record, Totals};
