//! Registers the mark `slow` in pytest's configuration.

use super::{Part, Project, Proposal};
use crate::discover::amend::Addition;

pub(super) static PART: Part = Part {
    name: "marker",
    title: "Register the mark `slow`",
    why: "Without it pytest warns of a mark it does not know, and refuses it with --strict-markers.",
    propose,
};

fn propose(project: &Project) -> Proposal {
    let (file, settings) = project.pytest()?;
    if settings.registers("slow") { Ok(Vec::new()) } else { project.configured(&file, Addition::SLOW) }
}
