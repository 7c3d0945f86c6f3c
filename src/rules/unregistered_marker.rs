//! # unregistered-marker
//!
//! The mark `slow` is used, and pytest's configuration does not register it.
//!
//! ## Why is this bad?
//! pytest warns of a mark that it does not know, because it may be a misspelling of one that it does; with `--strict-markers` it
//! refuses to run at all. `-m slow` finds it all the same, so the warning is all that tells.
//!
//! ## Example
//! ```python
//! @pytest.mark.slow          # PytestUnknownMarkWarning: Unknown pytest.mark.slow
//! def test_everything():
//!     ...
//! ```
//!
//! ## Fix
//! Registers the mark in the configuration that the project has, whichever of pytest's seven files and dialects that is. *Safe*: no test
//! changes. Where there is no configuration, `testdiet init` makes one. A mark that a `conftest.py` registers is not reported, nor
//! where a `conftest.py` names plugins that may register it.

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::discover::amend::{self, Addition, Settings};
use crate::edit::{Applicability, Edit, Fix};
use crate::query::SiteKind;

pub(super) static RULE: Rule = Rule {
    code: Code::new("unregistered-marker"),
    title: "Mark that pytest does not know",
    source: include_str!("unregistered_marker.rs"),
    default: false,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let mut sites = cx.of_kind(SiteKind::Mark);
    // Told once a file: there is one thing to do about all of them.
    let Some(site) = sites.next() else { return };
    let Some(edits) = registration(cx).transpose() else { return };
    let more = match sites.count() {
        0 => String::new(),
        n => format!(" ({} times in this file)", n + 1),
    };
    let m = &site.module;
    let message = format!("the mark `slow` is used and not registered{more}");
    let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
    match edits {
        Ok(edits) => {
            let message = "Register `slow` in pytest's configuration";
            finding.fix = Some(Fix::new(Applicability::Safe, message, edits, "marker:slow"));
        }
        Err(why) => finding.declined = Some(why),
    }
    out.push(Draft::new(finding));
}

/// The edits that register `slow`; none where it is, or where a `conftest.py` may do it.
///
/// # Errors
/// With the reason why it cannot be registered.
pub(super) fn registration(cx: &Context<'_>) -> Result<Option<Vec<Edit>>, String> {
    let conftests = cx.sem.conftests(cx.module);
    if conftests.iter().any(|conftest| may_register(conftest.source.text())) {
        return Ok(None);
    }
    let Some(file) = &cx.sem.suite.config_file else {
        return Err("pytest has no configuration here; `testdiet init` makes one".to_owned());
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let source = cx.sem.project.source(file).map_err(|error| format!("{name}: {error}"))?;
    let settings = Settings::of(&source).map_err(|why| format!("{name}: {why}"))?;
    if settings.registers("slow") {
        return Ok(None);
    }
    amend::add(&source, Addition::SLOW).map(Some).map_err(|why| format!("{name}: {why}"))
}

/// Whether a `conftest.py` registers `slow`, or could in a way that its text does not show.
fn may_register(text: &str) -> bool {
    if text.contains("pytest_plugins") {
        return true;
    }
    text.split("addinivalue_line").skip(1).any(|call| {
        let Some(arguments) = call.trim_start().strip_prefix('(') else { return true };
        let mut arguments = arguments.split(',').map(|a| a.trim().trim_start_matches(['"', '\'', 'f', 'r']));
        let (key, line) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
        // A name in place of the text, or one put together, may be anything.
        let literal = call.split(',').nth(1).is_some_and(|a| a.trim_start().starts_with(['"', '\'']));
        key.starts_with("markers") && (!literal || line.trim_start().starts_with("slow"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conftest_that_registers_the_mark_is_seen() {
        for yes in [
            "config.addinivalue_line('markers', 'slow: s')",
            "config.addinivalue_line(\n    \"markers\",\n    \"slow\",\n)",
            "for m in MARKS:\n    config.addinivalue_line('markers', m)",
            "config.addinivalue_line('markers', f'{name}: s')",
            "pytest_plugins = ['ours']",
        ] {
            assert!(may_register(yes), "{yes}");
        }
        for no in ["config.addinivalue_line('markers', 'net: n')", "config.addinivalue_line('filterwarnings', x)", "slow = 1"] {
            assert!(!may_register(no), "{no}");
        }
    }
}
