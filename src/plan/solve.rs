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

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::Range;

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

/// A node that the search for circles has not come to.
const UNSEEN: usize = usize::MAX;
/// Rounds of descent in [`solve`]. Two are usual; the most seen in 18,000 random groups of up to 40 numbers with
/// competing sums was 30.
const MAX_ROUNDS: usize = 256;

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

/// Numbers that move in step: member *i* is `part[i] × at`, the whole gang one unknown.
struct Gang {
    /// The position now: a multiple of `step`, or `top`.
    at: i128,
    /// The position of the originals, which is never passed.
    top: i128,
    /// The coarsest step that keeps every member on its grid.
    step: i128,
}

impl Gang {
    const STILL: Self = Self { at: 1, top: 1, step: 1 };

    fn movable(&self) -> bool {
        self.at < self.top
    }

    /// Raises to at least `to`: on the grid, or as high as the original.
    fn raise(&mut self, to: i128) {
        self.at = self.at.max(ceil(to, self.step) * self.step).min(self.top);
    }
}

/// An order over the gangs that can move; everything else is folded into `need`. In billionths of billionths.
struct Row {
    /// Gangs that push when they are raised, with weights.
    smaller: Vec<(usize, i128)>,
    /// Gangs that can be raised to keep the order, with weights.
    larger: Vec<(usize, i128)>,
    /// How many of `larger`, from the first, push nothing that pushes this row in turn.
    calm: usize,
    /// What the larger side has to exceed the smaller one by.
    need: i128,
}

/// A group made ready for the search.
struct Group<'a> {
    q: &'a [Quantity],
    /// The gang of each quantity, and how many of its positions make up the quantity.
    place: Vec<(usize, i128)>,
    gangs: Vec<Gang>,
    rows: Vec<Row>,
}

impl<'a> Group<'a> {
    fn new(q: &'a [Quantity], ties: &[Tie], limits: &Limits) -> Result<Self, Decline> {
        check(q, ties)?;
        let values: Vec<i128> = q.iter().map(|q| billionths(q.value)).collect();
        let leaders = leaders(q, &values, ties, limits)?;
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); q.len()];
        for (i, &leader) in leaders.iter().enumerate() {
            members[leader].push(i);
        }
        let mut place = vec![(0, 0); q.len()];
        let mut gangs = Vec::new();
        for members in members.iter().filter(|m| !m.is_empty()) {
            let (gang, unit) = gang(q, &values, members);
            for &i in members {
                place[i] = (gangs.len(), values[i] / unit);
            }
            gangs.push(gang);
        }
        let mut group = Self { q, place, gangs, rows: Vec::new() };
        for tie in ties {
            if let Tie::Order { smaller, larger, slack } = tie {
                group.add_order(&values, smaller, larger, *slack, limits)?;
            }
        }
        Ok(group)
    }

    fn add_order(
        &mut self,
        values: &[i128],
        smaller: &[(usize, f64)],
        larger: &[(usize, f64)],
        slack: f64,
        limits: &Limits,
    ) -> Result<(), Decline> {
        let movable = |&(i, _): &(usize, f64)| self.gangs[self.place[i].0].movable();
        if !smaller.iter().chain(larger).any(movable) {
            return Ok(());
        }
        // One number may stand on both sides (`first < first + second`): only what it adds up to matters.
        let (mut low, mut high) = (0, 0);
        let mut net: Vec<(usize, i128)> = Vec::with_capacity(smaller.len() + larger.len());
        for (terms, sum, sign) in [(smaller, &mut low, -1), (larger, &mut high, 1)] {
            for &(i, k) in terms {
                let weight = billionths(k);
                let (gang, part) = self.place[i];
                *sum += weight * values[i];
                net.push((gang, sign * weight * part));
            }
        }
        net.sort_unstable_by_key(|t| t.0);
        net.dedup_by(|b, a| {
            let one = a.0 == b.0;
            if one {
                a.1 += b.1;
            }
            one
        });
        net.retain(|&(gang, weight)| weight != 0 && self.gangs[gang].movable());

        let gap = high - low;
        let mut need = needed(low, high, billionths(slack) * BILLION, slack, limits)?;
        // What cannot move contributes its difference once and for all.
        need -= gap;
        let mut row = Row { smaller: Vec::new(), larger: Vec::new(), calm: 0, need: 0 };
        for (gang, weight) in net {
            need += weight * self.gangs[gang].top;
            if weight > 0 {
                row.larger.push((gang, weight));
            } else {
                row.smaller.push((gang, -weight));
            }
        }
        row.need = need;
        // With nothing to raise it holds anyway: its smaller side never exceeds the originals.
        if !row.larger.is_empty() {
            self.rows.push(row);
        }
        Ok(())
    }

    /// What the larger side of a row lacks; at most zero if the row holds.
    fn lacking(&self, row: usize) -> i128 {
        let sum = |terms: &[(usize, i128)]| -> i128 { terms.iter().map(|&(g, w)| w * self.gangs[g].at).sum() };
        let Row { smaller, larger, need, .. } = &self.rows[row];
        need + sum(smaller) - sum(larger)
    }

    /// Raises larger sides until every row holds.
    fn least(mut self) -> Result<Vec<f64>, Decline> {
        let mut watchers: Vec<Vec<usize>> = vec![Vec::new(); self.gangs.len()];
        for (r, row) in self.rows.iter().enumerate() {
            for &(gang, _) in &row.smaller {
                watchers[gang].push(r);
            }
        }
        let order = self.arrange(&watchers);
        let mut rank = vec![0; self.rows.len()];
        for (k, &r) in order.iter().enumerate() {
            rank[r] = k;
        }

        // What pushes before what is pushed: without circles, one look at each row is enough.
        let mut queue: BinaryHeap<Reverse<usize>> = (0..order.len()).map(Reverse).collect();
        let mut queued = vec![true; order.len()];
        // Only circles need more than one turn a row. They climb in steps of the grid, and these turns take one 500 s
        // up; a test that waits longer has other troubles.
        let mut turns = 10_000 + 200 * order.len();
        while let Some(Reverse(k)) = queue.pop() {
            let r = order[k];
            queued[r] = false;
            if self.lacking(r) <= BILLION {
                continue;
            }
            turns = turns.checked_sub(1).ok_or(Decline::Unsettled(self.q.len()))?;
            self.lift(r, 0..self.rows[r].calm);
            self.lift(r, self.rows[r].calm..self.rows[r].larger.len());
            for &(g, _) in &self.rows[r].larger {
                for &w in &watchers[g] {
                    if !queued[w] {
                        queued[w] = true;
                        queue.push(Reverse(rank[w]));
                    }
                }
            }
        }
        Ok(self.values())
    }

    /// Raises some terms of a row until it holds or they are all at the top. Several share the rise in proportion
    /// to the originals, and steps of the grid that remain go to the one that is relatively shortest.
    fn lift(&mut self, row: usize, range: Range<usize>) {
        loop {
            let lacking = self.lacking(row);
            if lacking <= BILLION {
                return;
            }
            let terms = &self.rows[row].larger[range.clone()];
            let mut open = terms.iter().filter(|t| self.gangs[t.0].movable());
            let Some(&(first, weight)) = open.next() else {
                return;
            };
            if open.next().is_none() {
                let to = self.gangs[first].at + ceil(lacking, weight);
                self.gangs[first].raise(to);
                return;
            }
            let whole: f64 =
                terms.iter().filter(|t| self.gangs[t.0].movable()).map(|&(g, w)| w as f64 * self.gangs[g].top as f64).sum();
            let mut moved = false;
            for &(g, _) in terms {
                let gang = &mut self.gangs[g];
                let share = truncated(lacking as f64 * (gang.top as f64 / whole));
                let to = (gang.at + share) / gang.step * gang.step;
                if gang.movable() && to > gang.at {
                    gang.raise(to);
                    moved = true;
                }
            }
            if !moved {
                let relative = |g: usize| self.gangs[g].at as f64 / self.gangs[g].top as f64;
                let shortest = terms
                    .iter()
                    .map(|t| t.0)
                    .filter(|&g| self.gangs[g].movable())
                    .min_by(|&a, &b| relative(a).total_cmp(&relative(b)));
                if let Some(g) = shortest {
                    let to = self.gangs[g].at + 1;
                    self.gangs[g].raise(to);
                }
            }
        }
    }

    fn values(&self) -> Vec<f64> {
        self.q
            .iter()
            .zip(&self.place)
            .map(|(q, &(g, part))| {
                let gang = &self.gangs[g];
                if gang.movable() { decimal(part * gang.at) } else { q.value }
            })
            .collect()
    }

    /// Orders the rows from what pushes to what is pushed, and finds the circles among them: in
    /// `first < timeout < first + second`, a longer `first` needs a longer `timeout` and the two would chase each
    /// other, so `second`, which pushes nothing, is to be raised first. Such terms move to the front of their row.
    fn arrange(&mut self, watchers: &[Vec<usize>]) -> Vec<usize> {
        let (circle, done) = self.circles(watchers);
        let gangs = self.gangs.len();
        for (r, row) in self.rows.iter_mut().enumerate() {
            let calm = |t: &(usize, i128)| circle[t.0] != circle[gangs + r];
            row.larger.sort_by_key(|t| !calm(t));
            row.calm = row.larger.iter().filter(|t| calm(t)).count();
        }
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|r| Reverse((circle[gangs + r], done[gangs + r])));
        order
    }

    /// The strongly connected parts of "raising this raises that", over the gangs and then the rows (Tarjan 1972,
    /// without recursion). For each node the number of its part, counted against the direction of the pushing, and
    /// when the search was done with it. A gang in the part of a row whose larger side it is on pushes that row.
    fn circles(&self, watchers: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
        let gangs = self.gangs.len();
        let len = gangs + self.rows.len();
        let next = |node: usize, k: usize| -> Option<usize> {
            if node < gangs {
                watchers[node].get(k).map(|r| gangs + r)
            } else {
                self.rows[node - gangs].larger.get(k).map(|t| t.0)
            }
        };
        let mut index = vec![UNSEEN; len];
        let mut low = vec![0; len];
        let mut circle = vec![UNSEEN; len];
        let mut done = vec![0; len];
        let (mut seen, mut left, mut found) = (0, 0, 0);
        let (mut stack, mut path) = (Vec::new(), Vec::new());
        for root in 0..len {
            if index[root] != UNSEEN {
                continue;
            }
            path.push((root, 0));
            while let Some((node, k)) = path.pop() {
                if k == 0 {
                    (index[node], low[node]) = (seen, seen);
                    seen += 1;
                    stack.push(node);
                }
                if let Some(to) = next(node, k) {
                    path.push((node, k + 1));
                    if index[to] == UNSEEN {
                        path.push((to, 0));
                    } else if circle[to] == UNSEEN {
                        low[node] = low[node].min(index[to]);
                    }
                    continue;
                }
                done[node] = left;
                left += 1;
                if low[node] == index[node] {
                    while let Some(member) = stack.pop() {
                        circle[member] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
                if let Some(&(parent, _)) = path.last() {
                    low[parent] = low[parent].min(low[node]);
                }
            }
        }
        (circle, done)
    }
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

/// The gap an order keeps, from the sums of its originals.
fn needed(low: i128, high: i128, latency: i128, slack: f64, limits: &Limits) -> Result<i128, Decline> {
    let amount = |sum: i128| limits.amount(decimal(sum / BILLION));
    let gap = high - low;
    if gap.abs() <= BILLION {
        return Err(Decline::Equal(amount(low)));
    }
    if gap < 0 {
        return Err(Decline::Reversed { smaller: amount(low), larger: amount(high) });
    }
    if gap - latency + BILLION < billionths(limits.tolerance_min) * BILLION {
        return Err(Decline::TooClose {
            smaller: amount(low),
            larger: amount(high),
            gap: amount(gap),
            slack: limits.amount(slack),
        });
    }
    Ok(gap.min(billionths(limits.margin) * BILLION + latency))
}

/// For each quantity, one that stands for all that move in step with it (union-find).
fn leaders(q: &[Quantity], values: &[i128], ties: &[Tie], limits: &Limits) -> Result<Vec<usize>, Decline> {
    fn find(leader: &mut [usize], mut of: usize) -> usize {
        while leader[of] != of {
            leader[of] = leader[leader[of]];
            of = leader[of];
        }
        of
    }
    let mut leader: Vec<usize> = (0..values.len()).collect();
    for tie in ties {
        let (a, b) = match *tie {
            Tie::Order { .. } => continue,
            Tie::Ratio { a, b } | Tie::Same { a, b } => (a, b),
        };
        if !(q[a].editable || q[b].editable) {
            continue;
        }
        let amount = |i: usize| limits.amount(q[i].value);
        match tie {
            Tie::Same { .. } if values[a] != values[b] => return Err(Decline::Different(amount(a), amount(b))),
            Tie::Ratio { .. } if values[a] <= 0 || values[b] <= 0 => {
                return Err(Decline::NoRatio(amount(a), amount(b)));
            }
            _ => {}
        }
        let (from, to) = (find(&mut leader, a), find(&mut leader, b));
        leader[from] = to;
    }
    Ok((0..leader.len()).map(|i| find(&mut leader, i)).collect())
}

/// The unknown that `members` share, and the value of one of its positions, in billionths.
fn gang(q: &[Quantity], values: &[i128], members: &[usize]) -> (Gang, i128) {
    let still = (Gang::STILL, 1);
    let may_move = |&i: &usize| q[i].editable && values[i] > 0 && values[i] >= billionths(q[i].floor);
    if !members.iter().all(may_move) {
        return still;
    }
    let unit = members.iter().fold(0, |g, &i| gcd(g, values[i]));
    let ratio = members.iter().any(|&i| values[i] != values[members[0]]);
    let (mut step, mut start) = (1, 1);
    for &i in members {
        let q = q[i];
        let grid = if ratio && q.unit < 1.0 { q.unit.min(RATIO_GRID) } else { q.unit };
        let part = values[i] / unit;
        // part × position is a multiple of the grid if and only if the position is one of grid / gcd(grid, part).
        let grid = billionths(grid);
        let Some(common) = lcm(step, grid / gcd(grid, part)) else {
            return still;
        };
        step = common;
        start = start.max(ceil(billionths(q.floor.max(q.start)), part));
    }
    let mut gang = Gang { at: 0, top: unit, step };
    gang.raise(start);
    if gang.movable() { (gang, unit) } else { still }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(values: &[f64]) -> Vec<Quantity> {
        values.iter().map(|&v| Quantity::seconds(v)).collect()
    }

    fn order(smaller: &[usize], larger: &[usize]) -> Tie {
        let once = |side: &[usize]| side.iter().map(|&i| (i, 1.0)).collect();
        Tie::Order { smaller: once(smaller), larger: once(larger), slack: 0.0 }
    }

    fn with_slack(smaller: usize, larger: usize, slack: f64) -> Tie {
        Tie::Order { smaller: vec![(smaller, 1.0)], larger: vec![(larger, 1.0)], slack }
    }

    /// The solution, after checks that every solution passes.
    fn solved(q: &[Quantity], ties: &[Tie]) -> Vec<f64> {
        solved_within(q, ties, &Limits::SECONDS)
    }

    fn solved_within(q: &[Quantity], ties: &[Tie], limits: &Limits) -> Vec<f64> {
        let solution = solve(q, ties, limits).unwrap();
        assert!(holds(q, &solution, ties, limits), "{solution:?}");
        assert_eq!(again(q, &solution, ties, limits), solution, "a second fix would change something");
        solution
    }

    fn again(q: &[Quantity], solution: &[f64], ties: &[Tie], limits: &Limits) -> Vec<f64> {
        let q: Vec<Quantity> = q.iter().zip(solution).map(|(q, &value)| Quantity { value, ..*q }).collect();
        solve(&q, ties, limits).unwrap()
    }

    fn declined(q: &[Quantity], ties: &[Tie]) -> String {
        solve(q, ties, &Limits::SECONDS).unwrap_err().to_string()
    }

    #[test]
    fn a_sleep_stays_longer_than_the_timeout_it_waits_for() {
        assert_eq!(solved(&seconds(&[2.0, 2.5]), &[Tie::before(0, 1)]), [0.1, 0.2]);
    }

    #[test]
    fn polling_of_the_product_widens_the_gap() {
        assert_eq!(solved(&seconds(&[2.0, 2.5]), &[with_slack(0, 1, 0.02)]), [0.1, 0.25]);
    }

    #[test]
    fn a_half_way_sleep_stays_half_way() {
        let q = seconds(&[1.0, 2.0, 2.5]);
        let solution = solved(&q, &[Tie::before(0, 1), Tie::before(1, 2)]);
        assert_eq!(solution, [0.1, 0.2, 0.3]);
        assert_eq!(solution[2].to_string(), "0.3");
    }

    #[test]
    fn two_sleeps_around_one_timeout() {
        let q = seconds(&[1.0, 1.5, 2.0]);
        assert_eq!(solved(&q, &[order(&[0], &[2]), order(&[2], &[0, 1])]), [0.1, 0.2, 0.2]);
    }

    #[test]
    fn a_first_sleep_that_dwarfs_the_second_does_not_chase_the_timeout() {
        let q = seconds(&[10.0, 0.4, 10.2]);
        assert_eq!(solved(&q, &[order(&[0], &[2]), order(&[2], &[0, 1])]), [0.1, 0.2, 0.2]);
    }

    #[test]
    fn a_sum_grows_in_proportion_to_the_originals() {
        let mut q = seconds(&[3.0, 1.0, 3.0]);
        q[0] = q[0].fixed();
        assert_eq!(solved(&q, &[order(&[0], &[1, 2])]), [3.0, 0.8, 2.3]);
    }

    #[test]
    fn a_wait_in_a_loop_counts_as_often_as_it_happens() {
        let q = seconds(&[0.5, 5.0]);
        let loops = Tie::Order { smaller: vec![(0, 6.0)], larger: vec![(1, 1.0)], slack: 0.0 };
        assert_eq!(solved(&q, &[loops]), [0.1, 0.7]);
        let polls = Tie::Order { smaller: vec![(1, 1.0)], larger: vec![(0, 12.0)], slack: 0.0 };
        assert_eq!(solved(&q, &[polls]), [0.1, 0.1]);
    }

    #[test]
    fn a_constant_of_the_product_holds_its_place() {
        let q = [Quantity::seconds(2.0).fixed(), Quantity::seconds(3.0), Quantity::seconds(0.5)];
        assert_eq!(solved(&q, &[Tie::before(0, 1), Tie::before(2, 0)]), [2.0, 2.1, 0.1]);
    }

    #[test]
    fn a_number_between_grid_points_is_kept_rather_than_raised() {
        let q = [Quantity::seconds(2.02).fixed(), Quantity::seconds(2.13), Quantity::seconds(0.12)];
        assert_eq!(solved(&q, &[Tie::before(0, 1)]), [2.02, 2.13, 0.1]);
    }

    #[test]
    fn what_is_short_already_stays() {
        assert_eq!(solved(&seconds(&[0.01, 0.0, 0.1, 3.0]), &[Tie::before(0, 3)]), [0.01, 0.0, 0.1, 0.15]);
    }

    #[test]
    fn a_gap_between_tolerance_and_margin_stays_as_it_is() {
        assert_eq!(solved(&seconds(&[2.0, 2.07]), &[Tie::before(0, 1)]), [0.1, 0.2]);
        let fine = |v| Quantity { unit: 0.01, ..Quantity::seconds(v) };
        assert_eq!(solved(&[fine(2.0), fine(2.07)], &[Tie::before(0, 1)]), [0.1, 0.17]);
    }

    #[test]
    fn a_narrow_gap_is_declined() {
        assert_eq!(
            declined(&seconds(&[2.0, 2.03]), &[Tie::before(0, 1)]),
            "a gap of 30 ms between 2.00 s and 2.03 s leaves no margin on a loaded machine"
        );
        assert_eq!(
            declined(&seconds(&[2.0, 2.06]), &[with_slack(0, 1, 0.02)]),
            "a gap of 60 ms between 2.00 s and 2.06 s leaves no margin on a loaded machine: 20 ms of it is latency of the code under test"
        );
    }

    #[test]
    fn a_ttl_equal_to_the_sleep_is_declined() {
        let text = declined(&seconds(&[2.0, 2.0]), &[Tie::before(0, 1)]);
        assert_eq!(
            text,
            "one of two waits has to end first, but both take 2.00 s; set them apart and they can be shrunk together"
        );
        assert_eq!(
            solve(&seconds(&[0.5, 0.5]), &[order(&[0], &[0])], &Limits::SECONDS),
            Err(Decline::Equal(Amount::Seconds(0.5)))
        );
    }

    #[test]
    fn an_order_that_the_test_does_not_keep_is_declined() {
        let decline = Decline::Reversed { smaller: Amount::Seconds(2.5), larger: Amount::Seconds(2.0) };
        assert_eq!(solve(&seconds(&[2.5, 2.0]), &[Tie::before(0, 1)], &Limits::SECONDS), Err(decline));
    }

    #[test]
    fn ties_between_numbers_that_cannot_move_do_not_matter() {
        let q =
            [Quantity::seconds(2.0).fixed(), Quantity::seconds(2.01).fixed(), Quantity::seconds(0.05), Quantity::seconds(5.0)];
        let ties = [Tie::before(0, 1), Tie::Same { a: 0, b: 1 }, order(&[2], &[0])];
        assert_eq!(solved(&q, &ties), [2.0, 2.01, 0.05, 0.1]);
    }

    #[test]
    fn the_number_of_retries_stays() {
        let ratio = [Tie::Ratio { a: 0, b: 1 }];
        assert_eq!(solved(&seconds(&[2.0, 0.5]), &ratio), [0.4, 0.1]);
        assert_eq!(solved(&seconds(&[2.0, 0.3]), &ratio), [0.8, 0.12]);
        assert_eq!(solved(&seconds(&[2.0, 0.05]), &ratio), [2.0, 0.05], "the interval is short already");
        assert_eq!(solved(&seconds(&[2.0, 1.0 / 3.0]), &ratio), [2.0, 1.0 / 3.0], "no decimals have that ratio");
    }

    #[test]
    fn a_ratio_takes_part_in_orders() {
        // sleep > timeout = 4 × interval
        let q = seconds(&[2.0, 0.5, 2.5]);
        assert_eq!(solved(&q, &[Tie::Ratio { a: 0, b: 1 }, Tie::before(0, 2)]), [0.4, 0.1, 0.5]);
        assert_eq!(solved(&q, &[Tie::Ratio { a: 0, b: 1 }, Tie::before(1, 0)]), [0.4, 0.1, 0.1]);
        assert_eq!(solved(&q, &[Tie::Ratio { a: 2, b: 0 }, Tie::before(0, 2)]), [0.4, 0.1, 0.5]);
    }

    #[test]
    fn one_literal_with_two_uses_stays_one_number() {
        let q = seconds(&[2.0, 2.0, 2.5, 1.0]);
        let ties = [Tie::Same { a: 0, b: 1 }, Tie::before(1, 2), Tie::before(3, 0)];
        assert_eq!(solved(&q, &ties), [0.2, 0.2, 0.3, 0.1]);
        assert_eq!(declined(&q, &[Tie::Same { a: 0, b: 2 }]), "2.00 s and 2.50 s should be one number, but differ");
    }

    #[test]
    fn a_use_that_cannot_be_edited_pins_the_others() {
        let mut q = seconds(&[2.0, 2.0, 1.0]);
        q[1] = q[1].fixed();
        assert_eq!(solved(&q, &[Tie::Same { a: 0, b: 1 }]), [2.0, 2.0, 0.1]);
    }

    #[test]
    fn counts_go_to_the_target_and_stay_above_the_limit() {
        let q = [
            Quantity::count(10.0, 3.0),              // threads
            Quantity::count(10.0, 3.0),              // the assertion on them
            Quantity::count(8.0, 3.0).at_least(5.0), // a pool limit of 4 to exceed
            Quantity::count(100.0, 3.0),             // items, ten a thread
            Quantity::count(2.0, 3.0),               // few already
            Quantity::count(100_000.0, 20_000.0),    // a size
            Quantity::count(60_000.0, 0.0),          // no target: the floor
        ];
        let ties = [Tie::Same { a: 0, b: 1 }, Tie::Ratio { a: 3, b: 0 }, Tie::before(4, 2)];
        let expected = [3.0, 3.0, 5.0, 30.0, 2.0, 20_000.0, 2.0];
        assert_eq!(solved_within(&q, &ties, &Limits::COUNTS), expected);
    }

    #[test]
    fn counts_stay_one_apart() {
        let q = [Quantity::count(4.0, 0.0).fixed(), Quantity::count(10.0, 3.0), Quantity::count(12.0, 3.0)];
        assert_eq!(solved_within(&q, &[Tie::before(0, 1), Tie::before(1, 2)], &Limits::COUNTS), [4.0, 5.0, 6.0]);
        let equal = solve(&[Quantity::count(5.0, 3.0); 2], &[Tie::before(0, 1)], &Limits::COUNTS);
        assert_eq!(equal, Err(Decline::Equal(Amount::Count(5.0))));
    }

    #[test]
    fn large_sizes_are_exact() {
        let q = [Quantity::count(3e9, 1_234_567_891.0), Quantity::count(6e9, 3.0)];
        assert_eq!(solved_within(&q, &[Tie::Ratio { a: 1, b: 0 }], &Limits::COUNTS), [1_234_567_891.0, 2_469_135_782.0]);
    }

    #[test]
    fn nonsense_is_declined_without_a_panic() {
        let one = seconds(&[1.0]);
        assert_eq!(declined(&seconds(&[f64::NAN]), &[]), "NaN is not a number that can be planned with");
        assert!(solve(&seconds(&[f64::INFINITY]), &[], &Limits::SECONDS).is_err());
        assert!(solve(&[Quantity { unit: 0.0, ..one[0] }], &[], &Limits::SECONDS).is_err());
        assert!(solve(&one, &[Tie::Same { a: 0, b: 1 }], &Limits::SECONDS).is_err());
        assert!(solve(&one, &[with_slack(0, 0, f64::NAN)], &Limits::SECONDS).is_err());
        assert!(solve(&seconds(&[0.0, 1.0]), &[Tie::Ratio { a: 0, b: 1 }], &Limits::SECONDS).is_err());
        assert!(!holds(&one, &[1.0], &[Tie::before(0, 1)], &Limits::SECONDS));
        assert_eq!(solve(&[], &[], &Limits::SECONDS), Ok(vec![]));
        let empty = Tie::Order { smaller: vec![], larger: vec![(0, 1.0)], slack: 0.0 };
        assert_eq!(solved(&one, &[empty]), [0.1]);
    }

    #[test]
    fn the_checker_sees_what_a_wrong_solution_breaks() {
        let q = [Quantity::seconds(2.0), Quantity::seconds(2.5), Quantity::seconds(1.0).fixed()];
        let ties = [Tie::before(0, 1)];
        let check = |solution: &[f64], ties: &[Tie]| holds(&q, solution, ties, &Limits::SECONDS);
        assert!(check(&[0.1, 0.2, 1.0], &ties));
        assert!(!check(&[0.1, 0.15, 1.0], &ties), "gap");
        assert!(!check(&[0.05, 0.2, 1.0], &ties), "floor");
        assert!(!check(&[0.1, 2.6, 1.0], &ties), "larger than before");
        assert!(!check(&[0.1, 0.2, 0.5], &ties), "not editable");
        assert!(!check(&[0.1, 0.2], &ties), "length");
        assert!(!check(&[0.1, 0.2, 1.0], &[Tie::Ratio { a: 0, b: 1 }]), "ratio");
        assert!(!check(&[0.1, 0.2, 1.0], &[Tie::Same { a: 0, b: 1 }]), "same");
    }

    /// 300 numbers under 3,000 orders, listed against the direction of the search.
    fn large_group(circles: bool) -> (Vec<Quantity>, Vec<Tie>) {
        let q = (0..300_u32).map(|i| Quantity::seconds(0.2 + 0.2 * f64::from(i))).collect();
        let ties = (0..3000_usize).rev().map(|k| match (k / 10, 1 + k % 10 * 7) {
            (i, gap) if i + gap < 300 => Tie::before(i, i + gap),
            (i, gap) if circles => order(&[i], &[i / 2, i / 2 + 2, gap]),
            (i, gap) => Tie::before(i - gap, i),
        });
        (q, ties.collect())
    }

    #[test]
    fn hundreds_of_numbers_under_thousands_of_ties() {
        for (circles, last) in [(false, 30.0), (true, 30.0)] {
            let (q, ties) = large_group(circles);
            let solution = solved(&q, &ties);
            assert_eq!(solution.last(), Some(&last));
        }
    }

    /// A group whose ties are true of its values.
    #[derive(Debug, Clone)]
    struct Case {
        q: Vec<Quantity>,
        ties: Vec<Tie>,
    }

    #[derive(Debug, Clone, Copy)]
    enum Kinds {
        Orders,
        All,
    }

    /// Draws values of 0.05 to 10 s and ties between them; an order that the values do not keep is turned round, one
    /// with too narrow a gap left out unless `narrow`.
    fn cases(kinds: Kinds, narrow: bool) -> impl Strategy<Value = Case> {
        let value = prop_oneof![(1_u32..200).prop_map(|k| f64::from(k) / 20.0), (5_u32..1000).prop_map(|k| f64::from(k) / 100.0)];
        let unit = prop_oneof![Just(0.05), Just(0.1), Just(0.01)];
        let quantity = (value, prop::bool::weighted(0.8), unit).prop_map(|(value, editable, unit)| Quantity {
            editable,
            unit,
            ..Quantity::seconds(value)
        });
        let tie = (0_u8..6, prop::collection::vec((any::<prop::sample::Index>(), 1_u8..4), 2..5), 0_u8..4);
        (prop::collection::vec(quantity, 1..9), prop::collection::vec(tie, 0..14)).prop_map(move |(q, drawn)| {
            let mut q = q;
            let mut ties = Vec::new();
            for (kind, terms, slack) in drawn {
                let terms: Vec<(usize, f64)> = terms.iter().map(|(i, k)| (i.index(q.len()), f64::from(*k))).collect();
                let (a, b) = (terms[0].0, terms[1].0);
                let slack = f64::from(slack) * 0.02;
                match (kinds, kind) {
                    (Kinds::All, 4) => ties.push(Tie::Ratio { a, b }),
                    (Kinds::All, 5) => {
                        // The values are made the same, unless that would falsify a tie drawn before.
                        let before = q[b].value;
                        q[b].value = q[a].value;
                        if ties.iter().all(|t| acceptable(&q, t, narrow)) {
                            ties.push(Tie::Same { a, b });
                        } else {
                            q[b].value = before;
                        }
                    }
                    _ => {
                        let split = if matches!(kinds, Kinds::All) { 1 + usize::from(kind) % (terms.len() - 1) } else { 1 };
                        let mut smaller = terms[..split].to_vec();
                        let mut larger = terms[split..].to_vec();
                        if matches!(kinds, Kinds::Orders) {
                            larger.truncate(1);
                        }
                        if sum(&q, &smaller) > sum(&q, &larger) {
                            std::mem::swap(&mut smaller, &mut larger);
                        }
                        let tie = Tie::Order { smaller, larger, slack };
                        if acceptable(&q, &tie, narrow) {
                            ties.push(tie);
                        }
                    }
                }
            }
            Case { q, ties }
        })
    }

    fn sum(q: &[Quantity], terms: &[(usize, f64)]) -> f64 {
        terms.iter().map(|&(i, k)| k * q[i].value).sum()
    }

    fn acceptable(q: &[Quantity], tie: &Tie, narrow: bool) -> bool {
        match tie {
            Tie::Order { smaller, larger, slack } => {
                let gap = sum(q, larger) - sum(q, smaller);
                gap - slack > 0.05 + 1e-6 || (narrow && gap > 1e-6)
            }
            Tie::Same { a, b } => q[*a].value.to_bits() == q[*b].value.to_bits(),
            Tie::Ratio { .. } => true,
        }
    }

    /// Lowers one value by one step of its grid, to the grid point below if it stands between two.
    fn lowered(q: &Quantity, solution: &[f64], i: usize) -> Vec<f64> {
        let mut lower = solution.to_vec();
        let steps = (solution[i] / q.unit - EPSILON).ceil() - 1.0;
        lower[i] = (steps * q.unit * 1e9).round() / 1e9;
        lower
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

        #[test]
        fn every_tie_survives_and_nothing_grows(case in cases(Kinds::All, false)) {
            let Case { q, ties } = &case;
            let solution = solve(q, ties, &Limits::SECONDS);
            prop_assert!(solution.is_ok(), "{solution:?}");
            let solution = solution.unwrap();
            prop_assert!(holds(q, &solution, ties, &Limits::SECONDS), "{solution:?}");
            for (q, &new) in q.iter().zip(&solution) {
                prop_assert!(new <= q.value);
                prop_assert!(new >= q.floor.min(q.value) - EPSILON);
                prop_assert!(q.editable || new.to_bits() == q.value.to_bits());
                let text = new.to_string();
                prop_assert!(text.len() <= 6, "{text} is no number a person writes");
            }
        }

        #[test]
        fn a_second_fix_is_empty(case in cases(Kinds::All, true)) {
            let Case { q, ties } = &case;
            if let Ok(solution) = solve(q, ties, &Limits::SECONDS) {
                prop_assert_eq!(again(q, &solution, ties, &Limits::SECONDS), solution);
            }
        }

        #[test]
        fn lowering_any_number_breaks_something(case in cases(Kinds::Orders, false)) {
            let Case { q, ties } = &case;
            let solution = solve(q, ties, &Limits::SECONDS).unwrap();
            for i in 0..q.len() {
                let lower = lowered(&q[i], &solution, i);
                prop_assert!(!q[i].editable || !holds(q, &lower, ties, &Limits::SECONDS), "{i} could be lower in {solution:?}");
            }
        }

        #[test]
        fn narrow_gaps_never_pass(case in cases(Kinds::All, true)) {
            let Case { q, ties } = &case;
            if let Ok(solution) = solve(q, ties, &Limits::SECONDS) {
                prop_assert!(holds(q, &solution, ties, &Limits::SECONDS), "{solution:?}");
            }
        }
    }
}
