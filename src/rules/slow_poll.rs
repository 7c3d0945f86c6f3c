//! # slow-poll
//!
//! A loop that waits for something and looks only now and then.
//!
//! ## Why is this bad?
//! On average such a loop waits half an interval longer than it has to, at every use. Looking more often costs nothing that counts
//! in a test.
//!
//! ## Example
//! ```python
//! while not server.ready:
//!     time.sleep(1)
//! ```
//!
//! Use instead:
//! ```python
//! while not server.ready:
//!     time.sleep(0.05)
//! ```
//!
//! ## Fix
//! A smaller interval, and the same deadline: where the loop counts its rounds, it gets as many more. *Unsafe*: whether something
//! counts how often is looked, only a run can tell. Declined where the interval is a number that others use too, or the loop counts in
//! a way that cannot be followed.

use super::context::{Context, Draft};
use super::long_sleep::{exempt, seconds, unslept};
use super::{Code, Rule};
use crate::discover::Role;
use crate::edit::{Applicability, Edit, Fix};
use crate::finding::Cost;
use crate::plan::number::{rewrite_number, write_seconds};
use crate::python::ast::ExprKind;
use crate::python::cost::Site;
use crate::python::polling::{Pace, poll};
use crate::query::SiteKind;
use crate::rewrite;

pub(super) static RULE: Rule = Rule {
    code: Code::new("slow-poll"),
    title: "Polling loop with a long interval",
    source: include_str!("slow_poll.rs"),
    default: false,
    judge: Some(judge),
};

/// The longest interval that is not worth a word: half of it is what a test loses on average.
const FAST_S: f64 = 0.1;

/// The interval that a fix writes.
const INTERVAL_S: f64 = 0.05;

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    for site in cx.of_kind(SiteKind::Sleep) {
        let m = &site.module;
        let Some((worst, amount)) = cx.worst(site) else { continue };
        if m.role == Role::Product || amount.value <= FAST_S || exempt(cx, site) || unslept(cx, site, amount.value) {
            continue;
        }
        if !cx.in_a_test(m, m.expr(site.expr).stmt) && worst.is_none() {
            continue;
        }
        let Some(kind) = poll(m, m.expr(site.expr).stmt) else { continue };
        let message =
            format!("looks only every {} s: a test that waits here loses half of that each time", seconds(amount.value));
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.cost = Cost { sleep_s: amount.value / 2.0, ..Cost::default() };
        finding.test = worst.map(|(test, _)| test.test.id.clone());
        match fix(site, kind, amount.value) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

fn fix(site: &Site, kind: Pace, interval: f64) -> Result<Fix, String> {
    let m = &site.module;
    rewrite::editable(m)?;
    let amount = site.amount.ok_or("its interval is not seen")?;
    if !matches!(m.expr(amount).kind, ExprKind::Int(_) | ExprKind::Float(_)) {
        return Err("its interval is not written here, and others may use it".to_owned());
    }
    let mut edits = Vec::new();
    let mut new = INTERVAL_S;
    match kind {
        Pace::Until => {}
        Pace::Counted => return Err("it counts its rounds: with more of them the deadline would move".to_owned()),
        Pace::Rounds(iter) => {
            let ExprKind::Call { func, args, .. } = &m.expr(iter).kind else {
                return Err("how many rounds it makes cannot be changed along".to_owned());
            };
            let [rounds] = args.as_slice() else { return Err("how many rounds it makes cannot be changed along".to_owned()) };
            let ExprKind::Int(Some(n)) = m.expr(rounds.value).kind else {
                return Err("how many rounds it makes is not written here".to_owned());
            };
            if m.text(*func) != "range" {
                return Err("how many rounds it makes cannot be changed along".to_owned());
            }
            // A whole number of new rounds for each old one keeps the deadline as it is.
            let times = (interval / INTERVAL_S).floor();
            new = interval / times;
            let more = n as f64 * times;
            let text = rewrite_number(m.text(rounds.value), n as f64, more).ok_or("its rounds cannot be written")?;
            edits.push(Edit::replace(&m.file, m.expr(rounds.value).span, text));
        }
    }
    if ((new * 1000.0).round() / 1000.0 - new).abs() > 1e-9 {
        return Err(format!("{} s cannot be parted evenly", seconds(interval)));
    }
    edits.push(Edit::replace(&m.file, m.expr(amount).span, write_seconds(new)));
    let message = match kind {
        Pace::Rounds(_) => format!("Look every {} s, as many times more often", write_seconds(new)),
        _ => format!("Look every {} s", write_seconds(new)),
    };
    Ok(Fix::new(Applicability::Unsafe, message, edits, rewrite::group("poll", m, m.expr(site.expr).span))
        .because("something may count how often is looked"))
}
