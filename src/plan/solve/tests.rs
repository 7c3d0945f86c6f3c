//! Examples of each tie, and random groups: what is solved holds, is no larger than before, and no number could be less.

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
    assert_eq!(text, "one of two waits has to end first, but both take 2.00 s; set them apart and they can be shrunk together");
    assert_eq!(solve(&seconds(&[0.5, 0.5]), &[order(&[0], &[0])], &Limits::SECONDS), Err(Decline::Equal(Amount::Seconds(0.5))));
}

#[test]
fn an_order_that_the_test_does_not_keep_is_declined() {
    let decline = Decline::Reversed { smaller: Amount::Seconds(2.5), larger: Amount::Seconds(2.0) };
    assert_eq!(solve(&seconds(&[2.5, 2.0]), &[Tie::before(0, 1)], &Limits::SECONDS), Err(decline));
}

#[test]
fn ties_between_numbers_that_cannot_move_do_not_matter() {
    let q = [Quantity::seconds(2.0).fixed(), Quantity::seconds(2.01).fixed(), Quantity::seconds(0.05), Quantity::seconds(5.0)];
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
