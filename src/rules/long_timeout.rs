//! # long-timeout
//!
//! A timeout, interval or time to live that a test waits out.
//!
//! ## Why is this bad?
//! A test of what happens after two seconds takes two seconds, though the code under test does the same after a tenth of one.
//! A timeout that only matters when something fails is fine as long as it is; one that the test waits for is not.
//!
//! ## Example
//! ```python
//! def test_silence_is_told():
//!     monitor = OutputMonitor(timeout=2.0)
//!     monitor.start()
//!     time.sleep(2.5)
//!     assert monitor.silent
//! ```
//!
//! Use instead:
//! ```python
//! def test_silence_is_told():
//!     monitor = OutputMonitor(timeout=0.1)
//!     monitor.start()
//!     time.sleep(0.2)
//!     assert monitor.silent
//! ```
//!
//! ## Fix
//! It shrinks together with the sleeps that wait for it, as in `long-sleep`, and for the same reasons the fix is *unsafe* or declined.
//! A default of the code under test is passed explicitly.

use super::context::{Context, Draft};
use super::long_sleep::seconds;
use super::{Code, Rule};
use crate::finding::Cost;
use crate::plan::durations::{self, FOREVER, Waited};
use crate::query::SiteKind;
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: Code::new("long-timeout"),
    title: "Timeout that a test waits out",
    source: include_str!("long_timeout.rs"),
    default: false,
    judge: Some(judge),
};

/// What the timeouts of connections and requests are called: they end with the answer.
const PEERS: [&str; 6] = ["connect", "read", "write", "request", "acquire", "handshake"];

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let budget = cx.settings.budgets.sleep_per_test;
    for test in cx.tests.iter().filter(|t| !t.fast_time && !t.slow) {
        let model = durations::model(cx.sem, cx.counter, test);
        // What is slept is `long-sleep`'s to tell, whoever defines the function that sleeps.
        let slept = test.uses.iter().filter(|u| u.site.kind == SiteKind::Sleep).filter_map(|u| u.amount.as_ref());
        let slept: Vec<durations::Key> = slept.flat_map(Context::keys).collect();
        for d in model.durations.iter().filter(|d| d.waited == Waited::Out) {
            let value = d.value * d.unit;
            // Of another file's numbers the tests of that file tell, or nobody does.
            if value <= budget || value >= FOREVER || d.key.file != cx.module.file {
                continue;
            }
            let name = d.key.parameter.as_str();
            // Where a default cannot be passed, something else may have been: `Lock(**options)`.
            if slept.contains(&d.key) || !name.is_empty() && d.frozen.is_some() {
                continue;
            }
            // A default that only matters when a peer does not answer: nobody asked for it, and nobody waits for it.
            if PEERS.iter().any(|word| name.contains(word)) {
                continue;
            }
            let what = if name.is_empty() { d.text.clone() } else { format!("the default of `{name}`, {} s,", seconds(value)) };
            let span =
                if d.key.span.start == d.key.span.end { Span::new(d.key.span.start, d.key.span.end + 1) } else { d.key.span };
            let message = format!("a test waits out {what}: {} s at least; a test's budget is {budget} s", seconds(value));
            let mut finding = cx.finding(&RULE.code, cx.module, span, message);
            finding.test = Some(test.test.id.clone());
            finding.cost = Cost { sleep_s: value, ..Cost::default() };
            out.push(Draft::new(finding).durations(vec![d.key.clone()]));
        }
    }
}
