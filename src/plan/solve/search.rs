//! The search for the least fixpoint: gangs of numbers that move in step, raised until every order is kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::{BILLION, Decline, Limits, Quantity, RATIO_GRID, Tie, billionths, ceil, check, decimal, gcd, lcm, truncated};

/// A node that the search for circles has not come to.
const UNSEEN: usize = usize::MAX;

/// Rounds of descent in [`solve`]. Two are usual; the most seen in 18,000 random groups of up to 40 numbers with
/// competing sums was 30.
pub(super) const MAX_ROUNDS: usize = 256;

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
pub(super) struct Group<'a> {
    q: &'a [Quantity],
    /// The gang of each quantity, and how many of its positions make up the quantity.
    place: Vec<(usize, i128)>,
    gangs: Vec<Gang>,
    rows: Vec<Row>,
}

impl<'a> Group<'a> {
    pub(super) fn new(q: &'a [Quantity], ties: &[Tie], limits: &Limits) -> Result<Self, Decline> {
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
    pub(super) fn least(mut self) -> Result<Vec<f64>, Decline> {
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

/// The gap an order keeps, from the sums of its originals.
pub(super) fn needed(low: i128, high: i128, latency: i128, slack: f64, limits: &Limits) -> Result<i128, Decline> {
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
pub(super) fn leaders(q: &[Quantity], values: &[i128], ties: &[Tie], limits: &Limits) -> Result<Vec<usize>, Decline> {
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
