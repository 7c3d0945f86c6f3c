//! Running the user's pytest: whose interpreter, with what handed over, what it tells while it runs, and how it ends.
//!
//! * [`interpreter`] finds the Python that has the user's pytest and checks both.
//! * [`plugin`] unpacks what watches a run, which is compiled into this binary, so that no environment needs it;
//!   [`scratch`] is where to.
//! * [`run`] starts pytest in a process group of its own, listens, and leaves no process behind.
//! * [`stream`] reads what the recorder writes: one file of JSON lines for each process that runs tests.
//! * [`facts`] are what it says about a test.
//! * [`interrupt`] turns Ctrl-C into a question that a run asks.
//!
//! Nothing here judges or prints. `measure` and `fix --verify` are built on it.

pub mod facts;
pub mod interpreter;
pub mod interrupt;
pub mod plugin;
pub mod run;
pub mod scratch;
pub mod stream;

pub use facts::{Outcome, Site, SiteKind, Test};
pub use interpreter::{Interpreter, InterpreterError};
pub use interrupt::Interrupts;
pub use plugin::Plugin;
pub use run::{Constraint, End, Recording, Run, RunError, Timeouts};
pub use stream::{Event, Told};
