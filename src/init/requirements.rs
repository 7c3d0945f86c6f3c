//! What a project says it needs, as far as that decides what `init` offers.

use std::path::PathBuf;

use regex::Regex;

use super::Project;

/// The files that dependencies are written in, by their names.
const FILES: [&str; 7] = ["pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "noxfile.py", "Pipfile", "environment.yml"];

/// A folder's files of requirements: `requirements.txt`, `dev-requirements.in`, `requirements/test.txt`. Sorted.
pub(super) fn requirement_files(project: &Project) -> Vec<PathBuf> {
    let root = &project.suite.root;
    let mut out = Vec::new();
    for (folder, all) in [(root.clone(), false), (root.join("requirements"), true)] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name
                .rsplit_once('.')
                .is_some_and(|(stem, end)| ["txt", "in"].contains(&end) && (all || stem.contains("requirements")))
            {
                out.push(entry.path());
            }
        }
    }
    out.sort();
    out
}

/// The lines in which a project says what it needs.
fn lines(project: &Project) -> Vec<String> {
    let files = FILES.iter().map(|name| project.suite.root.join(name)).chain(requirement_files(project));
    let texts = files.filter_map(|file| project.text(&file));
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|l| !l.trim_start().starts_with('#'))
        .collect()
}

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// Whether a project asks for a pytest that is older than a version: a pin or an upper bound says so.
pub(super) fn pytest_older_than(project: &Project, version: (u32, u32)) -> bool {
    let Some(named) =
        pattern(r#"(?:^|["'\s])pytest(?:\s*=\s*["']|\s*)((?:\s*,?\s*(?:===?|~=|<=?|>=?|!=|\^|~)?\s*[0-9][0-9.*]*)+)"#)
    else {
        return false;
    };
    let Some(bound) = pattern(r"(===?|~=|<=|<|\^|~)\s*([0-9]+)(?:\.([0-9]+))?") else { return false };
    lines(project).iter().flat_map(|line| named.captures_iter(line).map(|c| c[1].to_owned()).collect::<Vec<_>>()).any(|bounds| {
        bound.captures_iter(&bounds).any(|c| {
            let number = |i| c.get(i).and_then(|m| m.as_str().parse::<u32>().ok());
            let (Some(major), minor) = (number(2), number(3)) else { return false };
            // The first version that is too new.
            let end = match (&c[1], minor) {
                ("<", minor) => (major, minor.unwrap_or(0)),
                ("<=" | "==" | "===" | "~", Some(minor)) => (major, minor + 1),
                _ => (major + 1, 0),
            };
            end <= version
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::config::Settings;
    use crate::discover::Suites;

    fn says(file: &str, text: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let suite = Suites::default().of_folder(dir.path(), dir.path());
        let project = Project::new(suite, dir.path().to_owned(), Arc::new(Settings::default()), Vec::new());
        pytest_older_than(&project, (7, 0))
    }

    #[test]
    fn a_pin_or_a_bound_tells_that_pytest_is_old() {
        for text in ["pytest==6.2.5", "pytest<7", "pytest>=5,<7.0", "pytest ~=6.2", "pytest<=6.2", "pytest===6.2.1"] {
            assert!(says("requirements.txt", text), "{text}");
            assert!(says("pyproject.toml", &format!("[project]\ndependencies = [\"{text}\"]\n")), "{text}");
        }
        assert!(says("pyproject.toml", "[tool.poetry.dependencies]\npytest = \"^6.2\"\n"));
        for text in
            ["pytest", "pytest>=6", "pytest<8", "pytest==7.0", "pytest>=6.2,!=7.0", "pytest-cov<4", "pytest~=7.1", "pytest<=7.0"]
        {
            assert!(!says("requirements.txt", text), "{text}");
        }
        assert!(!says("pyproject.toml", "[tool.poetry.dependencies]\npytest = \"^7.2\"\npytest-cov = \"^4\"\n"));
    }
}
