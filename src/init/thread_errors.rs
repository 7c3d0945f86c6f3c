//! Makes an exception that ends a thread fail the test, by pytest's own filter.

use super::{Part, Project, Proposal, requirements};
use crate::discover::amend::Addition;

pub(super) static PART: Part = Part {
    name: "thread-errors",
    title: "Let a test fail when an exception ends one of its threads",
    why: "pytest only warns of it, and the test passes although its worker died.",
    propose,
};

/// The warning, which pytest knows since 6.2.
const WARNING: &str = "PytestUnhandledThreadExceptionWarning";
const SINCE: (u32, u32) = (6, 2);

fn propose(project: &Project) -> Proposal {
    let (file, settings) = project.pytest()?;
    let filters = settings.lines("filterwarnings");
    // The last filter that matches decides.
    let decides = filters.iter().rev().find(|filter| {
        let category = filter.split(':').nth(2).unwrap_or_default().trim();
        let message = filter.split(':').nth(1).unwrap_or_default().trim();
        category.ends_with(WARNING)
            || (message.is_empty() && ["", "Warning", "UserWarning", "pytest.PytestWarning"].contains(&category))
    });
    let action = decides.map(|filter| filter.split(':').next().unwrap_or_default().trim());
    let named = decides.is_some_and(|filter| filter.contains(WARNING));
    match action {
        Some("error") => return Ok(Vec::new()),
        Some(action) if named => return Err(format!("`filterwarnings` says `{action}` for {WARNING}")),
        _ => {}
    }
    if settings.words("addopts").iter().any(|word| word.contains("no:threadexception")) {
        return Err("`addopts` turns pytest's threadexception plugin off".to_owned());
    }
    if requirements::pytest_older_than(project, SINCE) {
        return Err("it takes pytest 6.2 or newer, and the project asks for an older one".to_owned());
    }
    project.configured(&file, Addition::Line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning"))
}
