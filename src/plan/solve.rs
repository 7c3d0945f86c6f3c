//! Numbers that belong together, solved at once: the smallest values that keep every tie.
//!
//! The method is a least fixpoint: everything starts at its floor, and as long as some order is broken its larger
//! side is raised, to the next point of its grid. Raising never needs to pass the original values, because those
//! keep every tie themselves; so the search ends, and nothing grows.
//!
//! Numbers joined by *ratio* or *same* move in step and are one unknown to the search, a gang. All sums are
//! over integers (billionths), so `0.1 + 0.2` is `0.3` here, and the results print as the decimals they are.
//!
//! A group has one dimension: seconds are solved with [`Limits::SECONDS`], threads, iterations and bytes with
//! [`Limits::COUNTS`].

mod search;

use std::fmt;

use self::search::{Group, MAX_ROUNDS};

/// Billionths in one: the resolution of the arithmetic. A nanosecond is finer than any literal of a test.
const BILLION: i128 = 1_000_000_000;
/// Differences up to a billionth are none.
const EPSILON: f64 = 1e-9;
/// Largest value the integer sums hold with room for ten thousand terms (3,000 years; 100 GB).
const LARGEST: f64 = 1e11;
/// Coefficients come from loop counts; the bound keeps the integer sums from overflowing.
const COEFFICIENTS: std::ops::RangeInclusive<f64> = 1e-6..=1e5;
/// Grid of seconds that a ratio joins: 2.0 s / 0.3 s share no smaller pair of tenths, but 0.8 s / 0.12 s will do.
const RATIO_GRID: f64 = 0.01;

/// One number of a group: what it is now and what it may become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// Its value today, in seconds or as a count.
    pub value: f64,
    /// Whether it may change. If not, it takes part in the ties as a constant.
    pub editable: bool,
    /// It does not get smaller than this. A value already below its floor stays as it is.
    pub floor: f64,
    /// The grid it is rounded up to: 0.05 s, or 1 for counts.
    pub unit: f64,
    /// Where the search starts, if above the floor: the target of the budget for counts.
    pub start: f64,
}

impl Quantity {
    /// Shortest duration that is planned. A sleep overshoots by 8.5 ms on a loaded machine (HAZARDS), so a tenth of
    /// a second keeps the error under a tenth of the value.
    pub const FLOOR_S: f64 = 0.1;
    /// Grid of durations: the halves of a tenth are the finest numbers people write for sleeps.
    pub const UNIT_S: f64 = 0.05;
    /// Fewest threads, iterations or items: with fewer than two there is nothing left to interleave or repeat.
    pub const FLOOR_COUNT: f64 = 2.0;

    /// A duration in seconds, with the usual floor and grid.
    #[must_use]
    pub const fn seconds(value: f64) -> Self {
        Self { value, editable: true, floor: Self::FLOOR_S, unit: Self::UNIT_S, start: Self::FLOOR_S }
    }

    /// A count or size that should come down to `target`, the budget's.
    #[must_use]
    pub const fn count(value: f64, target: f64) -> Self {
        Self { value, editable: true, floor: Self::FLOOR_COUNT, unit: 1.0, start: target }
    }

    /// The same number, not to be changed.
    #[must_use]
    pub const fn fixed(self) -> Self {
        Self { editable: false, ..self }
    }

    /// The same number over another floor: the limit plus one that a thread count has to exceed, say.
    #[must_use]
    pub const fn at_least(self, floor: f64) -> Self {
        Self { floor, ..self }
    }
}

/// What has to stay true of a group. Indices are those of the slice of quantities; every tie is true of the
/// originals, or the group is declined.
#[derive(Debug, Clone, PartialEq)]
pub enum Tie {
    /// The sum of `smaller` stays below the sum of `larger`, by a gap that survives a loaded machine:
    ///
    /// * an original gap of [`Limits::margin`] or more may shrink to the margin;
    /// * one between [`Limits::tolerance_min`] and the margin does not shrink;
    /// * a narrower one, or none, declines the group: it held by luck.
    ///
    /// Terms are (index, coefficient); the coefficient is positive: how often the wait happens.
    Order {
        /// What ends first.
        smaller: Vec<(usize, f64)>,
        /// What ends last.
        larger: Vec<(usize, f64)>,
        /// Latency that the gap has to cover on top, in seconds: the interval at which the product polls.
        slack: f64,
    },
    /// `a / b` stays what it is: a timeout over an interval is the number of retries.
    Ratio {
        /// Dividend.
        a: usize,
        /// Divisor.
        b: usize,
    },
    /// Both are one number: a literal with two uses, a count and its assertion.
    Same {
        /// One use.
        a: usize,
        /// Another use.
        b: usize,
    },
}

impl Tie {
    /// `smaller` ends before `larger`, each happening once.
    #[must_use]
    pub fn before(smaller: usize, larger: usize) -> Self {
        Self::Order { smaller: vec![(smaller, 1.0)], larger: vec![(larger, 1.0)], slack: 0.0 }
    }
}

/// How wide the gaps of orders are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Gap that is enough.
    pub margin: f64,
    /// Gap below which nothing is trusted.
    pub tolerance_min: f64,
}

impl Limits {
    /// On 2 cores, oversubscribed three times, an event wakes at most 12 ms late and a sleep overshoots by at most
    /// 8.5 ms (HAZARDS). Four times that is the least to accept, eight times that is the default.
    pub const SECONDS: Self = Self { margin: 0.1, tolerance_min: 0.05 };
    /// Counts do not jitter: one more is more.
    pub const COUNTS: Self = Self { margin: 1.0, tolerance_min: 1.0 };

    /// Limits of whole numbers are those of counts; it only matters for how a [`Decline`] reads.
    fn amount(&self, value: f64) -> Amount {
        if self.tolerance_min < 1.0 { Amount::Seconds(value) } else { Amount::Count(value) }
    }
}

/// A number in a message, in its dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Seconds; shown as milliseconds below a tenth.
    Seconds(f64),
    /// Threads, iterations, bytes.
    Count(f64),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seconds(s) if s.abs() < 0.1 => write!(f, "{} ms", (s * 1e6).round() / 1e3),
            Self::Seconds(s) if (s * 100.0 - (s * 100.0).round()).abs() > EPSILON => {
                write!(f, "{s:.3} s")
            }
            Self::Seconds(s) => write!(f, "{s:.2} s"),
            Self::Count(n) => write!(f, "{n}"),
        }
    }
}

/// Why a group is left as it is. The texts are shown to users, after "not fixed:".
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Decline {
    /// An order that holds, but by less than a loaded machine needs.
    #[error("a gap of {gap} between {smaller} and {larger} leaves no margin on a loaded machine{}", latency(*slack))]
    TooClose {
        /// Sum of the smaller side.
        smaller: Amount,
        /// Sum of the larger side.
        larger: Amount,
        /// Their difference.
        gap: Amount,
        /// How much of the gap is latency.
        slack: Amount,
    },
    /// An order whose sides are equal (row 3 of HAZARDS).
    #[error("one of two waits has to end first, but both take {0}; set them apart and they can be shrunk together")]
    Equal(Amount),
    /// An order that the originals do not keep: the test does not do what it seems to.
    #[error("{smaller} would have to be less than {larger}; the numbers do not belong together as they seem to")]
    Reversed {
        /// Sum of the side that should be smaller.
        smaller: Amount,
        /// Sum of the side that should be larger.
        larger: Amount,
    },
    /// One number that has two values.
    #[error("{0} and {1} should be one number, but differ")]
    Different(Amount, Amount),
    /// A ratio with zero (or a negative number).
    #[error("{0} and {1} have no ratio that could be kept")]
    NoRatio(Amount, Amount),
    /// Not a number to reckon with: infinite, not a number, huge, or a grid or coefficient that is not positive.
    #[error("{0} is not a number that can be planned with")]
    Unusable(f64),
    /// A tie between quantities that are not in the group: a mistake of testdiet, told rather than a panic.
    #[error("a tie names number {index} of a group of {len}; please report this as a bug of testdiet")]
    Dangling {
        /// The index named.
        index: usize,
        /// Size of the group.
        len: usize,
    },
    /// The bound on the work was reached.
    #[error("its {0} numbers depend on each other in circles that do not settle; shorten one of them by hand")]
    Unsettled(usize),
}

fn latency(slack: Amount) -> String {
    match slack {
        Amount::Seconds(s) | Amount::Count(s) if s > 0.0 => {
            format!(": {slack} of it is latency of the code under test")
        }
        _ => String::new(),
    }
}

/// The smallest values that keep every tie, in the order of `q`.
///
/// No value is larger than before; none goes below its floor; those that are not editable stay. Solving a
/// solution again gives the same solution.
///
/// # Errors
/// When a tie cannot be trusted to survive smaller numbers; see [`Decline`]. Ties between numbers that cannot move
/// are not looked at.
pub fn solve(q: &[Quantity], ties: &[Tie], limits: &Limits) -> Result<Vec<f64>, Decline> {
    // Where a sum has to grow there is a choice, and a later raise can make an earlier one superfluous. Solving
    // the solution until it stays as it is takes those back, and makes a second `fix` a no-op by construction.
    let mut now = q.to_vec();
    for _ in 0..MAX_ROUNDS {
        let next = Group::new(&now, ties, limits)?.least()?;
        let settled = next.iter().zip(&now).all(|(n, q)| n.to_bits() == q.value.to_bits());
        if settled {
            debug_assert!(holds(q, &next, ties, limits), "the solver broke a tie");
            return Ok(next);
        }
        for (q, value) in now.iter_mut().zip(next) {
            q.value = value;
        }
    }
    Err(Decline::Unsettled(q.len()))
}

/// Whether `solution` keeps every tie of `original` and the limits of each number. Shares no code with [`solve`],
/// so that each checks the other.
#[must_use]
pub fn holds(original: &[Quantity], solution: &[f64], ties: &[Tie], limits: &Limits) -> bool {
    let numbers_hold = original.len() == solution.len()
        && original.iter().zip(solution).all(|(q, &new)| {
            let same = (new - q.value).abs() <= EPSILON;
            let shrunk = q.editable && new <= q.value && new >= q.floor - EPSILON;
            new.is_finite() && (same || shrunk)
        });
    let moved = |i: usize| (original[i].value - solution[i]).abs() > EPSILON;
    let sums = |terms: &[(usize, f64)]| {
        terms.iter().fold((0.0, 0.0), |(old, new), &(i, k)| (old + k * original[i].value, new + k * solution[i]))
    };
    let in_range = |i: usize| i < original.len();
    numbers_hold
        && ties.iter().all(|tie| match tie {
            Tie::Order { smaller, larger, slack } => {
                let mut terms = smaller.iter().chain(larger).map(|t| t.0);
                if !terms.clone().all(in_range) {
                    return false;
                }
                if !terms.any(moved) {
                    return true;
                }
                let ((s0, s1), (l0, l1)) = (sums(smaller), sums(larger));
                let (gap0, gap1) = (l0 - s0, l1 - s1);
                let tolerance = EPSILON * (2.0 + s0.abs() + l0.abs());
                gap1 + tolerance >= gap0.min(limits.margin + slack) && gap1 + tolerance >= limits.tolerance_min + slack
            }
            &Tie::Ratio { a, b } => {
                if !(in_range(a) && in_range(b)) {
                    return false;
                }
                let (a0, b0, a1, b1) = (original[a].value, original[b].value, solution[a], solution[b]);
                !(moved(a) || moved(b)) || (a1 / b1 - a0 / b0).abs() <= EPSILON * (a0 / b0).max(1.0)
            }
            &Tie::Same { a, b } => {
                in_range(a) && in_range(b) && {
                    let same = (solution[a] - solution[b]).abs() <= EPSILON;
                    same || !(moved(a) || moved(b))
                }
            }
        })
}

/// Refuses what the integer arithmetic does not hold.
fn check(q: &[Quantity], ties: &[Tie]) -> Result<(), Decline> {
    for q in q {
        for number in [q.value, q.floor, q.start] {
            if !(-LARGEST..=LARGEST).contains(&number) {
                return Err(Decline::Unusable(number));
            }
        }
        if !(EPSILON..=LARGEST).contains(&q.unit) {
            return Err(Decline::Unusable(q.unit));
        }
    }
    let len = q.len();
    let known = |index: usize| {
        if index < len { Ok(()) } else { Err(Decline::Dangling { index, len }) }
    };
    for tie in ties {
        match tie {
            Tie::Order { smaller, larger, slack } => {
                for &(i, k) in smaller.iter().chain(larger) {
                    known(i)?;
                    if !COEFFICIENTS.contains(&k) {
                        return Err(Decline::Unusable(k));
                    }
                }
                if !(0.0..=LARGEST).contains(slack) {
                    return Err(Decline::Unusable(*slack));
                }
            }
            &Tie::Ratio { a, b } | &Tie::Same { a, b } => {
                known(a)?;
                known(b)?;
            }
        }
    }
    Ok(())
}

/// A value in billionths; the caller has checked that it is at most [`LARGEST`].
#[allow(clippy::cast_possible_truncation)] // 1e11 × 1e9 is far from the end of i128
fn billionths(value: f64) -> i128 {
    (value * 1e9).round() as i128
}

#[allow(clippy::cast_possible_truncation)] // the cast saturates, and the fraction is meant to go
fn truncated(value: f64) -> i128 {
    value as i128
}

/// The float that prints as this decimal: one division of integers rounds correctly, `3 * 0.1` does not.
fn decimal(billionths: i128) -> f64 {
    if billionths % BILLION == 0 { (billionths / BILLION) as f64 } else { billionths as f64 / BILLION as f64 }
}

/// Quotient rounded up; `by` is positive.
fn ceil(value: i128, by: i128) -> i128 {
    -(-value).div_euclid(by)
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// `None` where it would be beyond every value that is solved for.
fn lcm(a: i128, b: i128) -> Option<i128> {
    (a / gcd(a, b)).checked_mul(b).filter(|&m| m <= billionths(LARGEST))
}

#[cfg(test)]
mod tests;
