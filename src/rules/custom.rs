//! Rules a project adds with queries of its own: a finding wherever the quantity of a site is over the rule's limit, or at every
//! site when the rule has none.
//!
//! What such a query marks as `@sleep` counts as a sleep everywhere (budgets, totals, groups of durations); it is told by the
//! project's rule instead of by `long-sleep`.

use super::context::{Context, Draft};
use crate::config::{CustomRule, Dimension};
use crate::finding::{Cost, Finding, Severity};
use std::sync::Arc;

/// Judges the sites of the project's own queries.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
pub fn custom(cx: &Context<'_>, rules: &[CustomRule], out: &mut Vec<Draft>) {
    for site in &cx.sites {
        let Some(rule) = site.custom.and_then(|i| rules.get(i)) else { continue };
        let code = rule.code();
        if !cx.settings.rules.contains(rule) || !cx.settings.enabled(&code, &site.module.file) {
            continue;
        }
        let limit = rule.limit.unwrap_or(f64::NEG_INFINITY);
        // A query without a quantity tells of every site.
        let worst = cx.worst(site);
        let value = match &worst {
            Some((_, amount)) if amount.value <= limit => continue,
            Some((_, amount)) => Some(amount.value),
            None if site.amount.is_some() => continue,
            None => None,
        };
        let m = &site.module;
        let text = value.map_or_else(String::new, |v| format!("{}", (v * 1000.0).round() / 1000.0));
        let mut cost = Cost::default();
        if let Some(v) = value {
            match rule.dimension {
                Dimension::Seconds => cost.sleep_s = v,
                Dimension::Threads => cost.threads = v as u64,
                Dimension::Iterations => cost.iterations = v as u64,
                Dimension::Bytes => cost.bytes = v as u64,
            }
        }
        let test = worst.as_ref().and_then(|(at, _)| at.as_ref()).map(|(t, _)| t.test.id.clone());
        let seconds = rule.dimension == Dimension::Seconds;
        let finding = Finding {
            code,
            message: rule
                .message
                .replace("{value}", &text)
                .replace("{limit}", &rule.limit.map_or_else(String::new, |l| format!("{l}"))),
            severity: Severity::Warning,
            source: Arc::clone(&m.source),
            file: Arc::clone(&m.file),
            span: m.expr(site.expr).span,
            test,
            cost,
            fix: None,
            declined: (!seconds).then(|| "a rule of the project's own has no fix but for seconds".to_owned()),
        };
        let durations = worst.filter(|_| seconds).map(|(_, amount)| Context::keys(&amount)).unwrap_or_default();
        out.push(Draft::new(finding).durations(durations));
    }
}
