//! Has pytest name the slowest tests of each run.

use super::{Part, Project, Proposal};
use crate::discover::amend::Addition;

pub(super) static PART: Part = Part {
    name: "durations",
    title: "Name the ten slowest tests after each run",
    why: "A test that gets slower is seen in the run that made it so.",
    propose,
};

fn propose(project: &Project) -> Proposal {
    let (file, settings) = project.pytest()?;
    let there = settings.words("addopts").iter().any(|word| word == "--durations" || word.starts_with("--durations="));
    if there { Ok(Vec::new()) } else { project.configured(&file, Addition::Argument("--durations=10")) }
}
