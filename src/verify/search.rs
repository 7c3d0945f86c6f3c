//! Finds, among fixes that all look right, exactly those that the tests refuse. Pure: what runs the tests is handed in.
//!
//! All fixes are tried at once. A test that goes wrong accuses the fixes that can reach it; halving them finds one whose
//! arrival makes it go wrong. Tests whose accused have nothing in common are searched in the same runs. A guilty fix is
//! replaced by its next, gentler version, or left out when it has none; then all that is left is tried again, until
//! nothing goes wrong.
//!
//! Chance accuses too. Before a hunt begins the tests that go wrong run without any fix; one that goes wrong then as well
//! proves nothing and is not hunted for. Nor is one that no fix is seen to reach, unless it goes wrong a second time. A fix
//! that has a test come and go gets one gentler version, not all of them.
//!
//! Of fixes that only do harm together, halving finds the one that completes them, and the others stay. With *k*
//! fixes of *n* that are bad on their own, exactly those are left out, after at most *k*·log₂*n* + 2*k* + 2 runs of
//! candidates: one for all, and for each bad fix ⌈log₂*n*⌉ for the halving and one for what is left. Gentler versions and
//! runs that only confirm are not counted.

use std::collections::{BTreeMap, BTreeSet};

/// Which version of each fix is applied; `None` leaves it out.
pub type Choice = Vec<Option<usize>>;

/// The fixes and the tests, by index.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// Number of versions of each fix, the boldest first. At least one.
    pub versions: Vec<usize>,
    /// For each test, the fixes that can reach it, ascending.
    pub reach: Vec<Vec<usize>>,
    /// For each test, the file it is in: where a test goes wrong only in company, its file's tests are its company.
    pub file: Vec<usize>,
}

/// A version of a fix that a test refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The fix.
    pub fix: usize,
    /// Which version.
    pub version: usize,
    /// The test that went wrong with it.
    pub test: usize,
}

/// How a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The boldest choice found with which no test goes wrong.
    pub choice: Choice,
    /// What was refused on the way, in order.
    pub blamed: Vec<Blame>,
    /// Tests that go wrong whatever is chosen, or now and then where nothing is seen to reach them: they prove nothing.
    pub unexplained: Vec<usize>,
    /// Candidates that were run; runs that only confirm not counted.
    pub candidates: usize,
}

/// A test that goes wrong, and the fixes that may be the reason.
struct Hunt {
    test: usize,
    /// The accused, those just made gentler last.
    accused: Vec<usize>,
    /// With this many of the accused the test is well.
    well: usize,
    /// With this many it goes wrong.
    wrong: usize,
    /// Where to cut first, if not in the middle.
    first: Option<usize>,
    /// The tests to run along.
    company: BTreeSet<usize>,
}

impl Hunt {
    fn cut(&self) -> usize {
        self.first.unwrap_or(self.well + (self.wrong - self.well) / 2)
    }

    fn over(&self) -> bool {
        self.wrong - self.well <= 1
    }
}

impl Problem {
    /// Every test.
    #[must_use]
    pub fn tests(&self) -> BTreeSet<usize> {
        (0..self.reach.len()).collect()
    }

    /// Searches from a choice on, of which the `dirty` tests have not been run. `run` runs tests with a choice and says which
    /// of them go wrong.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn settle<E>(
        &self,
        start: Choice,
        mut dirty: BTreeSet<usize>,
        mut run: impl FnMut(&Choice, &BTreeSet<usize>) -> Result<BTreeSet<usize>, E>,
    ) -> Result<Settled, E> {
        let mut settled = Settled { choice: start, blamed: Vec::new(), unexplained: Vec::new(), candidates: 0 };
        let all = self.tests();
        let none: Choice = vec![None; settled.choice.len()];
        // Tests that went wrong, to be seen well before those that have not been run with what is chosen now.
        let mut wrong = BTreeSet::new();
        let mut gentler: BTreeSet<usize> = BTreeSet::new();
        // Tests that went wrong once and were well when they ran again without the others.
        let mut fickle: BTreeSet<usize> = BTreeSet::new();
        while settled.choice.iter().any(Option::is_some) {
            let pending = if wrong.is_empty() { dirty.clone() } else { wrong };
            if pending.is_empty() {
                break;
            }
            settled.candidates += 1;
            wrong = run(&settled.choice, &pending)?;
            dirty = dirty.difference(&pending).copied().collect();
            wrong.retain(|t| !settled.unexplained.contains(t));
            if wrong.is_empty() {
                continue;
            }
            let alone = if wrong == pending { wrong.clone() } else { run(&settled.choice, &wrong)? };
            let unseen: BTreeSet<usize> =
                wrong.iter().copied().filter(|&t| self.accused(&settled.choice, t).is_empty()).collect();
            let company = if unseen.is_empty() { &wrong } else { &all };
            let mut unexplained = run(&none, company)?;
            if !unseen.is_subset(&unexplained) {
                let again = run(&settled.choice, &all)?;
                unexplained.extend(unseen.difference(&again));
            }
            settled.unexplained.extend(wrong.intersection(&unexplained));
            wrong.retain(|t| !unexplained.contains(t));
            let mut hunts = self.hunts(&settled.choice, &wrong, &fickle, &gentler);
            while hunts.iter().any(|h| !h.over()) {
                let mut choice = settled.choice.clone();
                let mut tests = BTreeSet::new();
                for hunt in hunts.iter().filter(|h| !h.over()) {
                    for &fix in &hunt.accused[hunt.cut()..] {
                        choice[fix] = None;
                    }
                    tests.extend(&hunt.company);
                }
                settled.candidates += 1;
                let wrong = run(&choice, &tests)?;
                for hunt in hunts.iter_mut().filter(|h| !h.over()) {
                    let cut = hunt.cut();
                    hunt.first = None;
                    if wrong.contains(&hunt.test) { hunt.wrong = cut } else { hunt.well = cut }
                }
            }
            gentler.clear();
            for hunt in hunts {
                let fix = hunt.accused[hunt.wrong - 1];
                let version = settled.choice[fix].unwrap_or_default();
                settled.blamed.push(Blame { fix, version, test: hunt.test });
                // One that makes a test come and go has had its chance: each further version would be judged by luck.
                let chance = version == 0 || !fickle.contains(&hunt.test);
                settled.choice[fix] = Some(version + 1).filter(|v| chance && *v < self.versions[fix]);
                if settled.choice[fix].is_some() {
                    gentler.insert(fix);
                }
                // What a change cannot reach stays as it was found.
                dirty.extend(all.iter().filter(|t| self.reach[**t].contains(&fix)));
            }
            // What goes wrong in company has to be seen well in company: first that of its file.
            let lasting = |t: &usize| fickle.contains(t) || self.reach[*t].is_empty();
            if wrong.iter().any(lasting) {
                dirty.clone_from(&all);
            }
            for test in wrong.difference(&alone) {
                let suspected = !self.accused(&settled.choice, *test).is_empty();
                dirty.extend(all.iter().filter(|t| !suspected || self.file[**t] == self.file[*test]));
                fickle.insert(*test);
            }
            // A test without any fix does what it did.
            let bare = |t: &usize| self.accused(&settled.choice, *t).is_empty();
            wrong.retain(|t| !bare(t));
            if dirty.len() < all.len() {
                dirty.retain(|t| !bare(t));
            }
        }
        Ok(settled)
    }

    /// The fixes of a choice that can reach a test.
    fn accused(&self, choice: &Choice, test: usize) -> Vec<usize> {
        self.reach[test].iter().copied().filter(|&f| choice[f].is_some()).collect()
    }

    /// Searches that do not get in each other's way, those with the fewest accused first.
    fn hunts(&self, choice: &Choice, wrong: &BTreeSet<usize>, fickle: &BTreeSet<usize>, gentler: &BTreeSet<usize>) -> Vec<Hunt> {
        let mut by_size: BTreeMap<(usize, usize), Hunt> = BTreeMap::new();
        for &test in wrong {
            let mut accused = self.accused(choice, test);
            let mut company = BTreeSet::from([test]);
            if accused.is_empty() {
                // Something that reaches it in a way nobody saw: a thread left behind, a file written.
                accused = (0..choice.len()).filter(|&f| choice[f].is_some()).collect();
                company.extend(0..self.reach.len());
            } else if fickle.contains(&test) {
                // What was tried alone did not help, so it may be the others that make it go wrong.
                company.extend((0..self.reach.len()).filter(|&t| self.file[t] == self.file[test]));
            }
            // Of fixes that a test goes wrong with only now and then, one that has a gentler version is the likelier.
            accused.sort_by_key(|f| (gentler.contains(f), self.versions[*f] > 1, *f));
            let calm = accused.iter().filter(|f| !gentler.contains(f)).count();
            let first = Some(calm).filter(|&c| c > 0 && c < accused.len());
            let wrong = accused.len();
            if wrong > 0 {
                by_size.insert((wrong, test), Hunt { test, accused, well: 0, wrong, first, company });
            }
        }
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        let mut hunts: Vec<Hunt> = Vec::new();
        for hunt in by_size.into_values() {
            // Company is touched by what reaches it; such a search is alone.
            let touches: BTreeSet<usize> = hunt.company.iter().flat_map(|&t| self.reach[t].iter().copied()).collect();
            if hunt.accused.iter().chain(&touches).all(|f| !taken.contains(f)) {
                taken.extend(hunt.accused.iter().copied().chain(touches));
                hunts.push(hunt);
            }
        }
        hunts
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Sets of (fix, first version that is harmless) that do harm when all of them are applied.
    type Harm = Vec<(usize, usize)>;

    /// A suite that exists only in numbers.
    #[derive(Debug, Clone)]
    struct Fake {
        problem: Problem,
        harms: Vec<Harm>,
    }

    impl Fake {
        fn wrong(&self, choice: &Choice, test: usize) -> bool {
            let reached = |f: &usize| self.problem.reach[test].contains(f);
            let harmful = |&(fix, harmless): &(usize, usize)| choice[fix].is_some_and(|v| v < harmless);
            self.harms.iter().any(|harm| harm.iter().all(|h| reached(&h.0) && harmful(h)))
        }

        fn settle(&self) -> Settled {
            let all = vec![Some(0); self.problem.versions.len()];
            let run = |choice: &Choice, tests: &BTreeSet<usize>| {
                Ok::<_, Infallible>(tests.iter().copied().filter(|&t| self.wrong(choice, t)).collect())
            };
            self.problem.settle(all, self.problem.tests(), run).unwrap()
        }

        fn well(&self, choice: &Choice) -> bool {
            (0..self.problem.reach.len()).all(|t| !self.wrong(choice, t))
        }
    }

    /// Suites with fixes that each reach some tests (every one reaches one at least), and bad ones among them.
    fn fakes(size: usize) -> impl Strategy<Value = Fake> {
        (1..=60_usize, 1..=40_usize).prop_flat_map(move |(fixes, tests)| {
            let reach = proptest::collection::vec(proptest::collection::btree_set(0..tests, 1..=tests.min(6)), fixes);
            let versions = proptest::collection::vec(1..=3_usize, fixes);
            let picked = proptest::collection::vec((0..fixes, any::<u64>()), 0..=8);
            (reach, versions, picked).prop_map(move |(reached, mut versions, picked)| {
                let mut reach: Vec<Vec<usize>> = vec![Vec::new(); tests];
                for (fix, tests) in reached.iter().enumerate() {
                    for &t in tests {
                        reach[t].push(fix);
                    }
                }
                let mut harms: Vec<Harm> = Vec::new();
                for (fix, pick) in picked {
                    if harms.iter().flatten().any(|h| h.0 == fix) {
                        continue;
                    }
                    let version = |f: usize| if size > 1 { versions[f] } else { 1 + usize::try_from(pick % 3).unwrap() };
                    let mut harm = vec![(fix, version(fix))];
                    if size > 1 {
                        // Partners that reach a common test.
                        let Some(test) = (0..tests).find(|&t| reach[t].contains(&fix)) else { continue };
                        let free = |f: &&usize| **f != fix && !harms.iter().flatten().any(|h| h.0 == **f);
                        harm.extend(reach[test].iter().filter(free).take(size - 1).map(|&f| (f, version(f))));
                    }
                    harms.push(harm);
                }
                if size == 1 {
                    // One version: bad is bad.
                    versions.iter_mut().for_each(|v| *v = 1);
                }
                let file = (0..tests).map(|t| t / 5).collect();
                Fake { problem: Problem { versions, reach, file }, harms }
            })
        })
    }

    fn log2(n: usize) -> f64 {
        (n as f64).log2()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn exactly_the_bad_ones_are_left_out_within_the_bound(fake in fakes(1)) {
            let settled = fake.settle();
            let bad: BTreeSet<usize> = fake.harms.iter().map(|h| h[0].0).collect();
            let out: BTreeSet<usize> = (0..settled.choice.len()).filter(|&f| settled.choice[f].is_none()).collect();
            prop_assert_eq!(&out, &bad);
            let (n, k) = (settled.choice.len(), bad.len());
            let bound = k as f64 * log2(n) + 2.0 * k as f64 + 2.0;
            prop_assert!(settled.candidates as f64 <= bound, "{} candidates, {bound} allowed", settled.candidates);
            prop_assert!(settled.unexplained.is_empty());
        }

        #[test]
        fn of_fixes_that_harm_together_one_is_left_out(fake in fakes(2)) {
            let settled = fake.settle();
            prop_assert!(fake.well(&settled.choice));
            let bad: BTreeSet<usize> = fake.harms.iter().flatten().map(|h| h.0).collect();
            let out: Vec<usize> = (0..settled.choice.len()).filter(|&f| settled.choice[f].is_none()).collect();
            prop_assert!(out.iter().all(|f| bad.contains(f)), "{out:?} of {bad:?}");
            prop_assert!(out.len() <= fake.harms.len(), "one of each set is enough");
            // Nothing that is left out could come back.
            for &f in &out {
                let mut more = settled.choice.clone();
                more[f] = Some(0);
                prop_assert!(!fake.well(&more), "{f} was left out for nothing");
            }
        }
    }

    fn fake(versions: &[usize], reach: &[&[usize]], harms: &[&[(usize, usize)]]) -> Fake {
        let problem = Problem {
            versions: versions.to_vec(),
            reach: reach.iter().map(|r| r.to_vec()).collect(),
            file: vec![0; reach.len()],
        };
        Fake { problem, harms: harms.iter().map(|h| h.to_vec()).collect() }
    }

    #[test]
    fn a_gentler_version_is_tried_before_a_fix_is_left_out() {
        // The second version of 1 does no harm, no version of 2 does.
        let settled = fake(&[1, 3, 2, 1], &[&[0, 1, 2, 3]], &[&[(1, 1)], &[(2, 2)]]).settle();
        assert_eq!(settled.choice, [Some(0), Some(1), None, Some(0)]);
        let blamed: Vec<_> = settled.blamed.iter().map(|b| (b.fix, b.version)).collect();
        assert_eq!(blamed.iter().filter(|b| b.0 == 1).count(), 1, "{blamed:?}");
        assert_eq!(blamed.iter().filter(|b| b.0 == 2).count(), 2, "{blamed:?}");
    }

    #[test]
    fn tests_that_have_no_fix_in_common_are_searched_in_the_same_runs() {
        let reach: Vec<Vec<usize>> = (0..8).map(|t| (t * 8..t * 8 + 8).collect()).collect();
        let harms: Vec<Harm> = (0..8).map(|t| vec![(t * 8 + t, 1)]).collect();
        let fake = Fake { problem: Problem { versions: vec![1; 64], reach, file: vec![0; 8] }, harms };
        let settled = fake.settle();
        assert_eq!(settled.choice.iter().filter(|c| c.is_none()).count(), 8);
        assert_eq!(settled.candidates, 1 + 3 + 1);
    }

    /// A test that no fix is seen to reach fails when another one leaves something behind.
    #[test]
    fn a_fix_that_reaches_a_test_unseen_is_found_in_company() {
        let problem = Problem { versions: vec![1; 6], reach: vec![vec![0, 1, 2], vec![3, 4, 5], vec![0]], file: vec![0, 0, 1] };
        let run = |choice: &Choice, tests: &BTreeSet<usize>| {
            let left_behind = choice[4].is_some() && tests.contains(&1);
            Ok::<_, Infallible>(tests.iter().copied().filter(|&t| t == 2 && left_behind).collect())
        };
        let settled = problem.settle(vec![Some(0); 6], problem.tests(), run).unwrap();
        // 0 is accused first, because it is seen to reach the test; then the one that does.
        assert_eq!(settled.choice, [None, Some(0), Some(0), Some(0), None, Some(0)]);
        assert!(settled.unexplained.is_empty());
    }

    #[test]
    fn a_test_that_goes_wrong_without_any_fix_costs_no_other_tests_fix() {
        let problem = Problem { versions: vec![1; 2], reach: vec![vec![0], vec![1], vec![]], file: vec![0, 0, 0] };
        let run = |_: &Choice, tests: &BTreeSet<usize>| {
            Ok::<_, Infallible>(tests.iter().copied().filter(|&t| t > 0).collect::<BTreeSet<_>>())
        };
        let settled = problem.settle(vec![Some(0); 2], problem.tests(), run).unwrap();
        assert_eq!((&settled.choice[..], &settled.unexplained[..]), (&[Some(0); 2][..], &[1, 2][..]));
        assert_eq!(settled.candidates, 1, "nothing is hunted for");
    }

    /// Chance: a test that no change makes well, but which is well now and then, must not cost the fixes of others.
    #[test]
    fn a_test_that_comes_and_goes_is_not_hunted_for() {
        let problem = Problem { versions: vec![4; 20], reach: (0..20).map(|t| vec![t]).collect(), file: vec![0; 20] };
        for period in 2..6 {
            let mut runs = 0_usize;
            let run = |_: &Choice, tests: &BTreeSet<usize>| {
                runs += usize::from(tests.contains(&7));
                let wrong = tests.contains(&7) && !runs.is_multiple_of(period);
                Ok::<_, Infallible>(wrong.then_some(7).into_iter().collect::<BTreeSet<_>>())
            };
            let settled = problem.settle(vec![Some(0); 20], problem.tests(), run).unwrap();
            assert_eq!(settled.unexplained, [7], "well in one run of {period}");
            let others = settled.choice.iter().enumerate().filter(|(fix, _)| *fix != 7);
            assert!(others.into_iter().all(|(_, version)| *version == Some(0)), "{settled:?}");
            assert!(settled.candidates <= 6, "{settled:?}");
        }
    }

    /// The fixes of a test that goes wrong by chance are gone, and it goes wrong still: once is no reason to suspect all others.
    #[test]
    fn a_test_that_no_fix_reaches_has_to_go_wrong_twice() {
        let problem = Problem {
            versions: vec![1; 8],
            reach: (0..8).map(|t| if t == 3 { vec![] } else { vec![t] }).collect(),
            file: vec![0; 8],
        };
        let mut runs = 0;
        let run = |_: &Choice, tests: &BTreeSet<usize>| {
            runs += usize::from(tests.contains(&3));
            Ok::<_, Infallible>(tests.iter().copied().filter(|&t| t == 3 && runs == 1).collect::<BTreeSet<_>>())
        };
        let settled = problem.settle(vec![Some(0); 8], problem.tests(), run).unwrap();
        assert_eq!((settled.choice, settled.unexplained), (vec![Some(0); 8], vec![3]));
    }

    #[test]
    fn errors_of_a_run_end_the_search() {
        let problem = Problem { versions: vec![1], reach: vec![vec![0]], file: vec![0] };
        let ended = problem.settle(vec![Some(0)], problem.tests(), |_, _| Err::<BTreeSet<usize>, _>("disk full"));
        assert_eq!(ended.unwrap_err(), "disk full");
    }
}
