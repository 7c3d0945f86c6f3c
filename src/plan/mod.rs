//! The planner's arithmetic: which smaller numbers still say what the author meant.
//!
//! A test rarely owns a number alone. `OutputMonitor(timeout=2.0)` followed by `time.sleep(2.5)` is one thought in
//! two literals: *sleep longer than the monitor waits*. Shrink the sleep alone and the test still runs, still
//! passes perhaps, and proves nothing. So the planner never asks "how small can this number be?" but "how small
//! can these numbers be, together?".
//!
//! # Quantities
//!
//! Every number that may change, or that others lean on, is a [`Quantity`](solve::Quantity): its value now, the
//! floor under it, the grid it is written on (nobody writes `0.2173`), and whether it may be edited at all. A
//! number of the product, or one whose users are not all in sight, is not editable; it keeps its value and takes
//! part as a constant.
//!
//! # Ties
//!
//! What the author meant is a list of [`Tie`](solve::Tie)s between quantities, each true of the suite as it is:
//!
//! * *order* — `timeout < sleep`; also over sums, since a test may sleep twice while one timeout runs:
//!   `first < timeout < first + second`. The gap is kept wide enough for a loaded machine, not in proportion: a
//!   thread wakes late by milliseconds, however long it slept.
//! * *ratio* — `timeout / interval` is the number of retries, and tests count retries.
//! * *same* — one literal with many uses, or a count and the `== 10` that asserts it.
//!
//! # Solving
//!
//! [`solve`](solve::solve) finds the smallest values that keep every tie. The values of today keep them all, so
//! there always is an answer, and no number ever grows. Where today's own gap is too narrow to trust, the answer
//! is a [`Decline`](solve::Decline): a sentence for the user, and no edit. Solving what was solved before changes
//! nothing, which is why a second `testdiet fix` finds nothing to do.
//!
//! Where a suite has testdiet's fixtures, nothing need shrink at all: [`fast_time`] says whether a test can run on virtual time.
//!
//! [`number`] then writes the new value the way the author wrote the old one: `2.5` becomes `0.2`, `100_000`
//! becomes `20_000`.

pub mod counts;
pub mod durations;
pub mod fast_time;
pub mod number;
pub mod solve;
