//! Which durations of a test keep their order, their ratio, or are one number, and which of them it waits for.

use super::{Builder, COVERED, Form, Link, Nap, Waited};
use crate::plan::solve::Limits;

impl Builder<'_, '_> {
    /// Ties every two durations whose order may be what the test is about.
    pub(super) fn tie(&mut self) {
        let mut links = Vec::new();
        let windows = self.windows();
        let singles: Vec<Form> = self.naps().map(|nap| nap.form.clone()).collect();
        let goes_on: Vec<bool> = self.naps().map(|nap| nap.goes_on).collect();
        // Sums that come out even, or close to it, are seldom what is waited for; single sleeps are.
        let beyond = |n: usize, t: f64| if n < singles.len() { t - 1e-9 } else { t + Limits::SECONDS.tolerance_min };
        let longest = windows.iter().map(|w| self.seconds(w)).fold(0.0, f64::max);
        // What is waited out, and the bounds that elapsed time is held against. A timeout longer than all sleeps together is not
        // waited out here, nor is a deadline that ends early, unless a longer wait shows that it does not (HAZARDS row 9): they
        // keep their order, but nothing is gained by making them shorter.
        let mut against: Vec<(Form, bool)> = self.timeouts.clone();
        let mut waited = longest;
        let mut wanted: Vec<usize> = singles.iter().chain(self.lower.iter().map(|(f, _)| f)).flatten().map(|x| x.0).collect();
        // A sleep somewhat longer than a timeout waits for it; one many times longer waits for something else.
        let mut waited_out: Vec<usize> = Vec::new();
        for form in &self.given {
            let t = self.seconds(form);
            // Of a default that nobody mentions, equal numbers are no sign: whoever waits one out sleeps longer.
            let default = form.iter().any(|x| !self.model.durations[x.0].key.parameter.is_empty());
            let least = if default { t + 1e-9 } else { t };
            let seconds = |(n, w)| (n, self.seconds(w));
            if windows.iter().enumerate().map(seconds).any(|(n, w)| w >= least && w >= beyond(n, t) && w <= 2.0 * t) {
                waited_out.extend(form.iter().map(|x| x.0));
            }
        }
        for (form, _) in &self.timeouts {
            let t = self.seconds(form);
            if windows.iter().enumerate().any(|(n, w)| self.seconds(w) >= beyond(n, t)) {
                wanted.extend(form.iter().map(|x| x.0));
                waited = waited.max(t);
            }
        }
        for bound in self.upper.iter().chain(&self.deadlines) {
            against.push((bound.clone(), false));
            if self.seconds(bound) < waited - 1e-9 {
                wanted.extend(bound.iter().map(|x| x.0));
            }
        }
        for (indices, waited) in [(wanted, Waited::For), (waited_out, Waited::Out)] {
            for i in indices {
                let d = &mut self.model.durations[i];
                d.waited = d.waited.max(waited);
            }
        }
        for &(echo, timeout) in &self.echoes {
            let waited = self.model.durations[timeout].waited.min(Waited::For);
            let d = &mut self.model.durations[echo];
            d.waited = d.waited.max(waited);
        }
        for (timeout, repeating) in &against {
            let t = self.seconds(timeout);
            for (n, window) in windows.iter().enumerate() {
                let w = self.seconds(window);
                let gap = (w - t).abs();
                if n >= singles.len() && gap < Limits::SECONDS.tolerance_min {
                    continue;
                }
                // `sleep(0.3)`, `assert not fired`, `sleep(0.3)`, `assert fired`: the second alone is of no length that matters.
                if goes_on.get(n) == Some(&true) {
                    continue;
                }
                if shares(timeout, window) && gap < 1e-9 {
                    continue;
                }
                links.push(if w < t {
                    Link::Order(window.clone(), timeout.clone())
                } else {
                    Link::Order(timeout.clone(), window.clone())
                });
                if *repeating && t > 0.0 && w > 2.0 * t {
                    let k = (w / t).floor();
                    let times = |k: f64| timeout.iter().map(|&(i, f)| (i, f * k)).collect::<Form>();
                    // Where they fit in exactly, the last may be just over or just about to be.
                    let over = if w - k * t >= Limits::SECONDS.tolerance_min { k } else { k - 1.0 };
                    if over > 1.0 {
                        links.push(Link::Order(times(over), window.clone()));
                    }
                    if (k + 1.0) * t - w >= Limits::SECONDS.tolerance_min {
                        links.push(Link::Order(window.clone(), times(k + 1.0)));
                    }
                }
            }
        }
        // A sleep that is longer than all of them together may wait for one after the other. Of equal ones, one stands for all: those are
        // of things side by side.
        for window in &windows {
            let w = self.seconds(window);
            let mut chain: Vec<&Form> = Vec::new();
            for (timeout, _) in &self.timeouts {
                let t = self.seconds(timeout);
                if t <= w && !shares(timeout, window) && chain.iter().all(|known| (self.seconds(known) - t).abs() > 1e-9) {
                    chain.push(timeout);
                }
            }
            let all: Form = chain.iter().copied().flatten().copied().collect();
            if chain.len() > 1 && self.seconds(&all) <= w - Limits::SECONDS.tolerance_min {
                links.push(Link::Order(all, window.clone()));
            }
        }
        // What the product does every so often, a sleep that is longer than that waits for.
        if self.model.slack > Limits::SECONDS.margin / COVERED {
            for form in &singles {
                if self.seconds(form) > self.model.slack + 1e-9 {
                    links.push(Link::Order(Vec::new(), form.clone()));
                }
            }
        }
        // `SETTLE - FIRST_HALF`: what is slept in all has a floor as well.
        for form in &singles {
            let (less, more): (Form, Form) = form.iter().copied().partition(|(_, c)| *c < 0.0);
            if !less.is_empty() && !more.is_empty() {
                links.push(Link::Order(less.into_iter().map(|(i, c)| (i, -c)).collect(), more));
            }
        }
        // Nothing has happened yet, and nothing here says that something ever would: the longer that is looked at, the more it says
        // (HAZARDS row 6).
        for form in self.quiet.clone() {
            let s = self.seconds(&form);
            let reached = against.iter().any(|(t, _)| self.seconds(t) <= longest + 1e-9);
            if s > 0.0 && !reached {
                for (i, _) in form {
                    let why = "it shows that nothing happens for so long: made shorter, it would show less";
                    self.model.durations[i].frozen.get_or_insert_with(|| why.to_owned());
                }
            }
        }
        // Among themselves, what the product waits for keeps its order, and a timeout its number of intervals.
        for (i, (a, a_repeats)) in against.iter().enumerate() {
            for (b, b_repeats) in &against[i + 1..] {
                let (x, y) = (self.seconds(a), self.seconds(b));
                if let ([(i, _)], [(j, _)]) = (&a[..], &b[..]) {
                    if i == j {
                        continue;
                    }
                    if (x - y).abs() < 1e-9 {
                        links.push(Link::Same(*i, *j));
                        continue;
                    }
                    if *a_repeats && !b_repeats && y > x {
                        links.push(Link::Ratio(*j, *i));
                        continue;
                    }
                    if *b_repeats && !a_repeats && x > y {
                        links.push(Link::Ratio(*i, *j));
                        continue;
                    }
                }
                if (x - y).abs() >= Limits::SECONDS.tolerance_min {
                    links.push(if x < y { Link::Order(a.clone(), b.clone()) } else { Link::Order(b.clone(), a.clone()) });
                }
            }
        }
        // A lower bound on elapsed time stays under what is slept, by as much as it did.
        let total: Form = self.naps().flat_map(|nap| nap.form.iter().map(move |&(i, c)| (i, c * nap.times))).collect();
        for (bound, timed) in self.lower.clone() {
            let l = self.seconds(&bound);
            // `event.quiet_for >= 2.0` beside `Monitor(timeout=2.0)`: the same number twice.
            let twin = self.timeouts.iter().find(|(t, _)| t.len() == 1 && (self.seconds(t) - l).abs() < 1e-9);
            if let (Some((twin, _)), [(i, _)]) = (twin, &bound[..]) {
                if twin[0].0 != *i {
                    links.push(Link::Same(*i, twin[0].0));
                }
                continue;
            }
            if !timed {
                self.freeze(&bound);
            }
            let candidate =
                windows.iter().filter(|w| self.seconds(w) >= l - 1e-9).min_by(|a, b| self.seconds(a).total_cmp(&self.seconds(b)));
            match candidate {
                Some(w) if (self.seconds(w) - l).abs() < 1e-9 => match (&w[..], &bound[..]) {
                    ([(i, f)], [(j, g)]) if (f - g).abs() < 1e-9 => {
                        if i != j {
                            links.push(Link::Same(*i, *j));
                        }
                    }
                    _ if shares(w, &bound) => {}
                    _ => self.decline("an assertion demands exactly the time that is slept".to_owned()),
                },
                Some(w) => links.push(Link::Order(bound.clone(), w.clone())),
                None if self.seconds(&total) >= l => links.push(Link::Order(bound.clone(), total.clone())),
                None => {
                    let covered = self.timeouts.iter().map(|(f, _)| f).find(|f| self.seconds(f) >= l - 1e-9).cloned();
                    match covered {
                        Some(t) if (self.seconds(&t) - l).abs() >= Limits::SECONDS.tolerance_min => {
                            links.push(Link::Order(bound.clone(), t));
                        }
                        Some(t) if t.len() == 1 && bound.len() == 1 => links.push(Link::Same(t[0].0, bound[0].0)),
                        _ => self.decline("it asserts a lower bound on elapsed time that no known wait explains".to_owned()),
                    }
                }
            }
        }
        // Sleeps of different threads keep their order: a worker that sleeps less than the main thread is done before it.
        let by_function: Vec<Vec<Form>> =
            self.sleeps.iter().map(|(_, naps)| naps.iter().map(|nap| nap.form.clone()).collect()).collect();
        for (i, a) in by_function.iter().enumerate() {
            for b in &by_function[i + 1..] {
                for x in a {
                    for y in b {
                        let (p, q) = (self.seconds(x), self.seconds(y));
                        if (p - q).abs() < 1e-9 {
                            if let ([(i, f)], [(j, g)]) = (&x[..], &y[..])
                                && i != j
                                && (f - g).abs() < 1e-9
                            {
                                links.push(Link::Same(*i, *j));
                            }
                        } else {
                            links.push(if p < q { Link::Order(x.clone(), y.clone()) } else { Link::Order(y.clone(), x.clone()) });
                        }
                    }
                }
            }
        }
        // So do those of one function that several threads run, each with a time of its own.
        for (_, naps) in &self.sleeps {
            for (i, a) in naps.iter().enumerate() {
                for b in naps[i + 1..].iter().filter(|b| b.stmt == a.stmt) {
                    let (p, q) = (self.seconds(&a.form), self.seconds(&b.form));
                    if (p - q).abs() > 1e-9 {
                        let (less, more) = if p < q { (a, b) } else { (b, a) };
                        links.push(Link::Order(less.form.clone(), more.form.clone()));
                    }
                }
            }
        }
        self.model.links.extend(links);
    }

    /// `Rate(20, interval=1000)` beside a sleep of two seconds: nobody waits a thousand seconds, but two are longer than 1000 ms.
    pub(super) fn milliseconds(&mut self) {
        let windows: Vec<f64> = self.windows().iter().map(|w| self.seconds(w)).collect();
        let explained =
            self.timeouts.iter().map(|(t, _)| self.seconds(t)).any(|t| windows.iter().any(|w| *w >= t && *w <= 2.0 * t));
        let unit = self.whole.iter().find(|(v, _)| windows.iter().any(|w| *w >= v / 1e3 && *w <= v / 1e3 * 2.5)).cloned();
        if let (false, Some((value, name))) = (explained, unit) {
            self.decline(format!("`{name}` of {value} may be in milliseconds"));
        }
    }

    /// All sleeps, function by function.
    fn naps(&self) -> impl Iterator<Item = &Nap> {
        self.sleeps.iter().flat_map(|(_, naps)| naps)
    }

    /// Sums of consecutive sleeps of one function, from each that something may begin with on; single ones first.
    pub(super) fn windows(&self) -> Vec<Form> {
        let mut out: Vec<Form> = self.naps().map(|nap| nap.form.clone()).collect();
        for (_, sleeps) in &self.sleeps {
            // Long functions would make quadratically many; beyond a dozen sleeps only neighbours are added up.
            let reach = if sleeps.len() > 12 { 2 } else { sleeps.len() };
            for i in (0..sleeps.len()).filter(|&i| !sleeps[i].goes_on) {
                let mut sum: Form = Vec::new();
                let within = |(k, nap): &(usize, &Nap)| *k < reach || nap.goes_on;
                for (k, Nap { form, times: n, .. }) in sleeps[i..].iter().enumerate().take_while(within) {
                    for &(j, c) in form {
                        match sum.iter_mut().find(|(x, _)| *x == j) {
                            Some((_, old)) => *old += c * n,
                            None => sum.push((j, c * n)),
                        }
                    }
                    if k > 0 || *n > 1.0 {
                        out.push(sum.clone());
                    }
                }
            }
        }
        out
    }
}

fn shares(a: &Form, b: &Form) -> bool {
    a.iter().any(|(i, _)| b.iter().any(|(j, _)| i == j))
}
