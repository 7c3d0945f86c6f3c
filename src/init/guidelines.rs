//! Writes the budgets down for people, and has the project's contributors pointed to them.

use std::path::{Path, PathBuf};

use super::block::MARKDOWN;
use super::{Part, Project, Proposal, in_newlines_of};
use crate::config::Budgets;
use crate::report::amount::{bytes, number, seconds};

pub(super) static PART: Part = Part {
    name: "guidelines",
    title: "Write the budgets down in TEST_GUIDELINES.md",
    why: "Who writes or reviews a test finds the limits with examples, and a checklist.",
    propose,
};

const NAME: &str = "TEST_GUIDELINES.md";

/// Where projects tell contributors what to do, the first that is there.
const INSTRUCTIONS: [&str; 12] = [
    "CONTRIBUTING.md",
    ".github/CONTRIBUTING.md",
    "docs/CONTRIBUTING.md",
    "CONTRIBUTING.rst",
    ".github/CONTRIBUTING.rst",
    "docs/CONTRIBUTING.rst",
    "CONTRIBUTING.txt",
    "CONTRIBUTING",
    "DEVELOPMENT.md",
    "HACKING.md",
    "AGENTS.md",
    "CLAUDE.md",
];

fn propose(project: &Project) -> Proposal {
    let path = project.suite.root.join(NAME);
    let file = project.read(&path)?;
    if !file.text().trim().is_empty() && MARKDOWN.without(file.text())? == file.text() {
        return Err(format!("there is a {} that testdiet did not write", project.shown(&path)));
    }
    let text = MARKDOWN.put(&file, &guidelines(&project.settings.budgets, project.settings.profile.name()), 0)?;
    let mut out = Vec::new();
    if text != file.text() {
        out.push(file.with_text(text));
    }
    let folders = [&project.suite.root, &project.top];
    let instructions = folders.iter().flat_map(|folder| INSTRUCTIONS.iter().map(|name| folder.join(name))).find(|p| p.is_file());
    if let Some(instructions) = instructions {
        let file = project.read(&instructions)?;
        if !file.text().contains(NAME) {
            let text = format!("{}{}", file.text(), in_newlines_of(&file, &pointer(&instructions, &path, file.text())));
            out.push(file.with_text(text));
        }
    }
    Ok(out)
}

/// The section for a file of instructions, in its markup, with what separates it from the text before.
fn pointer(from: &Path, to: &Path, text: &str) -> String {
    let link = relative(from.parent().unwrap_or(from), to);
    let gap = match text.trim_end_matches(['\n', '\r']) {
        "" => "",
        kept if kept.len() == text.len() => "\n\n",
        _ => "\n",
    };
    let what = "what a test may sleep, start and allocate, and the checklist for reviews.";
    match from.extension().and_then(|e| e.to_str()) {
        Some("md") => format!("{gap}## Budgets of the tests\n\n[{NAME}]({link}) says {what}\n"),
        Some("rst") => format!("{gap}Budgets of the tests\n--------------------\n\n`{NAME} <{link}>`_ says {what}\n"),
        _ => format!("{gap}Budgets of the tests: {link} says {what}\n"),
    }
}

/// The way from a folder to a file, with `/` between the parts.
fn relative(folder: &Path, file: &Path) -> String {
    let shared = folder.ancestors().find(|above| file.starts_with(above)).unwrap_or(folder);
    let up = folder.strip_prefix(shared).map_or(0, |rest| rest.components().count());
    let down = file.strip_prefix(shared).unwrap_or(file);
    let path: PathBuf = std::iter::repeat_n("..", up).collect::<PathBuf>().join(down);
    path.to_string_lossy().replace('\\', "/")
}

fn guidelines(b: &Budgets, profile: &str) -> String {
    let (per_test, per_file, per_suite) = (seconds(b.sleep_per_test), seconds(b.sleep_per_file), seconds(b.sleep_per_suite));
    let (threads, target) = (number(b.threads_per_test), number(b.threads_target));
    let (size, rounds) = (bytes(b.allocation), number(b.iterations_per_loop));
    let (run, file_run) = (seconds(b.test_runtime), seconds(b.file_runtime));
    format!(
        r#"# Test guidelines

These budgets are those of `[tool.testdiet]` (profile `{profile}`). `testdiet check` holds the tests against them;
`testdiet init` updates this text when they change.

| what | budget |
|---|---|
| sleep | {per_test} a test, {per_file} a file, {per_suite} in all |
| threads and processes | {threads} a test, {target} where that is enough |
| joins and waits | always with a timeout, and with an assertion that it was not reached |
| one allocation | {size} |
| iterations | {rounds} a loop |
| runtime | {run} a test, {file_run} a file |
| what needs more | carries `@pytest.mark.slow` |

A plain `pytest` skips slow tests. They run with `pytest -m ""`, `pytest -m slow`, `pytest --runslow`, and by their node id.

## How to write a test

**Wait for something, not for some time.** A sleep before an assertion is too short on a busy machine and too long on all others:

```python
assert done.wait(timeout=5.0)       # a threading.Event that the code under test sets
```

**If a test has to wait for a timeout, make the timeout short**, and keep the wait longer than it:

```python
monitor = OutputMonitor(timeout=0.2)
time.sleep(0.3)                     # longer than the timeout it waits for
assert monitor.timed_out
```

**A thread must not be able to hang a test, or to fail unseen.** `join(timeout=…)` returns silently when time is up, and an
exception in a thread does not reach the test:

```python
errors = []

def worker():
    try:
        ...
    except Exception as error:
        errors.append(error)

threads = [threading.Thread(target=worker) for _ in range({target})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(timeout=5.0)
    assert not thread.is_alive()
assert not errors
```

**Stop what a test starts**: in a `with` statement, or in a fixture after its `yield`.

**Count what tests do together.** One sleep of 2.5 s is harmless; thirty tests with it are more than a minute. A loop in threads
costs threads × iterations × sleep.

## Checklist for reviews

- [ ] No sleep where an event, a queue or a condition could be waited for.
- [ ] A sleep that waits for a timeout is longer than it by a margin, and both are short.
- [ ] Every `join`, `wait`, `get` and `result` has a timeout, and somebody looks at what came of it.
- [ ] Errors in threads reach the test.
- [ ] Threads, processes, files, sockets and executors end with the test, also when it fails.
- [ ] Counts and sizes are as small as shows the point; assertions that hold the same numbers changed with them.
- [ ] What stays over budget carries `@pytest.mark.slow`, and CI runs it.
- [ ] `testdiet check` finds nothing.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_from_the_instructions_to_the_guidelines() {
        assert_eq!(relative(Path::new("/r"), Path::new("/r/G.md")), "G.md");
        assert_eq!(relative(Path::new("/r/.github"), Path::new("/r/G.md")), "../G.md");
        assert_eq!(relative(Path::new("/r/docs"), Path::new("/r/a/b/G.md")), "../a/b/G.md");
        let to = Path::new("/r/TEST_GUIDELINES.md");
        assert!(pointer(Path::new("/r/CONTRIBUTING.md"), to, "# A").starts_with("\n\n## "));
        assert!(
            pointer(Path::new("/r/docs/CONTRIBUTING.rst"), to, "A\n").contains("`TEST_GUIDELINES.md <../TEST_GUIDELINES.md>`_")
        );
        assert!(pointer(Path::new("/r/CONTRIBUTING"), to, "").starts_with("Budgets"));
    }
}
