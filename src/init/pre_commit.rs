//! Adds testdiet to the hooks of pre-commit, in the layout the project's file has.
//!
//! There is no YAML parser here: a file that is not laid out as pre-commit's own documentation does it is left alone.

use super::{Part, Project, Proposal, in_newlines_of};

pub(super) static PART: Part = Part {
    name: "pre-commit",
    title: "Check changed tests before each commit",
    why: "pre-commit runs `testdiet check` on the Python files of a commit. testdiet has to be installed where git is used.",
    propose,
};

const NAME: &str = ".pre-commit-config.yaml";

/// How a list of repositories is laid out.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    /// Spaces before the dash of a repository.
    indent: usize,
    /// From a dash to what it stands for.
    step: usize,
    /// From `hooks:` to the dashes below it.
    hooks: usize,
}

/// pre-commit's own (`pre-commit sample-config`).
const SAMPLE: Layout = Layout { indent: 0, step: 4, hooks: 0 };

fn propose(project: &Project) -> Proposal {
    let other = project.top.join(".pre-commit-config.yml");
    if other.exists() {
        return Err(format!("pre-commit reads {NAME}, and there is a .pre-commit-config.yml"));
    }
    let file = project.read(&project.top.join(NAME))?;
    if file.text().contains("testdiet") {
        return Ok(Vec::new());
    }
    let text = if file.text().trim().is_empty() {
        format!("{}repos:\n{}", file.text(), entry(&SAMPLE))
    } else {
        let (at, layout) = place(file.text()).map_err(|why| format!("{NAME}: {why}; add a local hook by hand"))?;
        let (before, after) = file.text().split_at(at);
        let newline = if before.ends_with('\n') { "" } else { "\n" };
        format!("{before}{}{after}", in_newlines_of(&file, &format!("{newline}{}", entry(&layout))))
    };
    Ok(vec![file.with_text(text)])
}

fn entry(layout: &Layout) -> String {
    let dash = |indent: usize| format!("{}-{}", " ".repeat(indent), " ".repeat(layout.step - 1));
    let keys = layout.indent + layout.step;
    let hook = keys + layout.hooks;
    let (repo, id) = (dash(layout.indent), dash(hook));
    let (key, field) = (" ".repeat(keys), " ".repeat(hook + layout.step));
    format!(
        "{repo}repo: local\n{key}hooks:\n{id}id: testdiet\n{field}name: testdiet\n{field}entry: testdiet check --force-exclude\n\
         {field}language: system\n{field}types_or: [python, pyi]\n{field}require_serial: true\n"
    )
}

/// Where the list of repositories ends, and how it is laid out.
fn place(text: &str) -> Result<(usize, Layout), &'static str> {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if text.contains('\t') {
        return Err("it has tabs");
    }
    let mut lines: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        lines.push((at, line.trim_end()));
        at += line.len();
    }
    if lines.iter().filter(|(_, l)| says(l)).skip(1).any(|(_, l)| ["---", "..."].contains(l)) {
        return Err("it holds several documents");
    }
    let is_list = |line: &str| {
        line.strip_prefix("repos:").is_some_and(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with('#'))
    };
    let heads: Vec<usize> = (0..lines.len()).filter(|&i| is_list(lines[i].1)).collect();
    let [head] = heads[..] else { return Err("it has no plain list `repos:`") };
    let below = &lines[head + 1..];
    let ends = below.iter().position(|(_, l)| says(l) && indent(l) == 0 && !l.starts_with("- ")).unwrap_or(below.len());
    let block = &below[..ends];
    let Some((_, first)) = block.iter().find(|(_, l)| says(l)) else { return Err("its list `repos:` is empty") };
    let outer = indent(first);
    let step = |line: &str| {
        let rest = line.trim_start_matches(' ').strip_prefix('-')?;
        let gap = indent(rest);
        (gap > 0).then_some(1 + gap)
    };
    let Some(width) = step(first) else { return Err("its list `repos:` is written in an unusual way") };
    let items = block.iter().filter(|(_, l)| says(l) && indent(l) <= outer);
    if !items.clone().all(|(_, l)| indent(l) == outer && l[outer..].starts_with('-') && l.contains("repo:")) {
        return Err("its list `repos:` is written in an unusual way");
    }
    let hooks = block.iter().position(|(_, l)| l.trim() == "hooks:").and_then(|i| {
        let (_, item) = block[i + 1..].iter().find(|(_, l)| says(l))?;
        indent(item).checked_sub(indent(block[i].1))
    });
    // After the last line that belongs to the last repository: indented, whatever it says (it may be text over several lines).
    let last = block.iter().rposition(|(_, l)| says(l) || (!l.is_empty() && indent(l) > outer)).unwrap_or(0);
    let next = lines.get(head + 1 + last + 1).map_or(text.len(), |(at, _)| *at);
    Ok((next, Layout { indent: outer, step: width, hooks: hooks.unwrap_or(2) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_of_the_list_is_kept() {
        for (text, end, layout) in [
            ("repos:\n-   repo: a\n    rev: v1\n    hooks:\n    -   id: x\n", "", SAMPLE),
            (
                "repos:\n  - repo: a\n    hooks:\n      - id: x\n\n# end\nci:\n  skip: [x]\n",
                "\n# end\nci:\n  skip: [x]\n",
                Layout { indent: 2, step: 2, hooks: 2 },
            ),
            (
                "ci: {}\nrepos: # all\n# one\n- repo: a\n  hooks:\n  - id: x\n    args: |\n      # not a comment",
                "",
                Layout { indent: 0, step: 2, hooks: 0 },
            ),
        ] {
            let (at, found) = place(text).unwrap();
            assert_eq!((&text[at..], found), (end, layout), "{text}");
        }
    }

    #[test]
    fn what_is_laid_out_differently_is_left_alone() {
        for (text, why) in [
            ("repos: [{repo: local, hooks: []}]\n", "no plain list"),
            ("repos: []\n", "no plain list"),
            ("repos:\n", "is empty"),
            ("repos:\n\t- repo: a\n", "tabs"),
            ("repos:\n- &a\n  repo: a\n", "unusual"),
            ("repos:\n- repo: a\n---\nrepos:\n- repo: b\n", "several documents"),
            ("repos:\n  *anchor\n", "unusual"),
        ] {
            assert!(place(text).unwrap_err().contains(why), "{text}");
        }
    }
}
