//! Adds to pytest's configuration where a project keeps it: in seven files, in an INI dialect or one of three in TOML.
//!
//! What is handed back are insertions, nothing is ever replaced. Each result is read back before it is handed out: pytest
//! must see the one addition and be told everything else as before, or else it is declined with a reason.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::suite::{Suite, Value, ini_section, marker, read_text};
use super::{ini, suite};
use crate::edit::{Edit, apply};
use crate::source::SourceFile;

/// What is added, and to which setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition<'a> {
    /// A line of a setting that holds lines: `markers`, `filterwarnings`. Printable ASCII without quotes and backslashes.
    Line(&'static str, &'a str),
    /// An argument that pytest always gets. Without white space, quotes and backslashes.
    Argument(&'a str),
}

impl Addition<'_> {
    /// What registers the `slow` mark.
    pub const SLOW: Addition<'static> =
        Addition::Line("markers", "slow: takes more time, or more of the machine, than a test should");

    fn key(&self) -> &'static str {
        match self {
            Self::Line(key, _) => key,
            Self::Argument(_) => "addopts",
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Line(_, text) | Self::Argument(text) => text,
        }
    }

    fn items(&self, values: &HashMap<String, Value>) -> Vec<String> {
        let value = values.get(self.key());
        let items = value.map(|value| if matches!(self, Self::Line(..)) { value.lines() } else { value.words() });
        items.unwrap_or_default()
    }
}

/// The settings of pytest that a file holds.
#[derive(Debug, Default)]
pub struct Settings(HashMap<String, Value>);

impl Settings {
    /// Reads what a file says about pytest; nothing where it does not speak of it.
    ///
    /// # Errors
    /// When pytest could not read the file either.
    pub fn of(source: &SourceFile) -> Result<Self, String> {
        Ok(Self(read_text(source.text(), &name(&source.path))?.unwrap_or_default()))
    }

    /// The lines of a setting that holds lines.
    #[must_use]
    pub fn lines(&self, key: &str) -> Vec<String> {
        self.0.get(key).map(Value::lines).unwrap_or_default()
    }

    /// The words of a setting that holds words.
    #[must_use]
    pub fn words(&self, key: &str) -> Vec<String> {
        self.0.get(key).map(Value::words).unwrap_or_default()
    }

    /// Whether a mark is registered.
    #[must_use]
    pub fn registers(&self, mark: &str) -> bool {
        self.lines("markers").iter().any(|line| marker(line) == mark)
    }
}

impl Suite {
    /// The name of the file that a suite's configuration is in, or should be in where there is none.
    #[must_use]
    pub fn home_of_settings(&self) -> std::path::PathBuf {
        self.config_file.clone().unwrap_or_else(|| {
            let pyproject = self.root.join("pyproject.toml");
            if pyproject.is_file() { pyproject } else { self.root.join("pytest.ini") }
        })
    }
}

/// The insertions that add something to a file of pytest's configuration, by that file's name in its own dialect.
///
/// # Errors
/// With the reason why it cannot be added.
pub fn add(source: &SourceFile, addition: Addition<'_>) -> Result<Vec<Edit>, String> {
    let (text, name) = (source.text(), name(&source.path));
    let toml = suite::is_toml(&name);
    let inserted = if toml { in_toml(text, &name, addition)? } else { in_ini(text, ini_section(&name), addition)? };
    let file = std::sync::Arc::new(source.path.clone());
    let newline = source.newline().as_str();
    let edits: Vec<Edit> = inserted
        .into_iter()
        .map(|(at, content)| Edit::insert(&file, u32::try_from(at).unwrap_or(u32::MAX), content.replace('\n', newline)))
        .collect();
    verify(text, &apply(text, &edits), &name, addition)?;
    Ok(edits)
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// An offset, and what is inserted there; its lines end in `\n`.
type Insertion = (usize, String);

/// Makes sure that pytest reads what was read before and the addition, and that nobody else reads anything new.
fn verify(before: &str, after: &str, name: &str, addition: Addition<'_>) -> Result<(), String> {
    let unusual = || format!("`{}` is written in an unusual way; add `{}` by hand", addition.key(), addition.text());
    let mut old = read_text(before, name)?.unwrap_or_default();
    let mut new = read_text(after, name).map_err(|_| unusual())?.unwrap_or_default();
    let mut expected = addition.items(&old);
    expected.push(addition.text().to_owned());
    if addition.items(&new) != expected {
        return Err(unusual());
    }
    old.remove(addition.key());
    new.remove(addition.key());
    let same_outside = if suite::is_toml(name) {
        outside_toml(before) == outside_toml(after)
    } else {
        outside_ini(before, name) == outside_ini(after, name)
    };
    if old == new && same_outside { Ok(()) } else { Err(unusual()) }
}

fn outside_toml(text: &str) -> Option<toml::Table> {
    let mut table: toml::Table = text.parse().ok()?;
    table.remove("pytest");
    let Some(tool) = table.get_mut("tool").and_then(toml::Value::as_table_mut) else { return Some(table) };
    tool.remove("pytest");
    if tool.is_empty() {
        table.remove("tool");
    }
    Some(table)
}

/// Names of sections, of their keys, and values.
fn outside_ini(text: &str, name: &str) -> Option<Vec<[String; 3]>> {
    let sections = ini::parse(text).ok()?.into_iter().filter(|s| s.name != ini_section(name));
    let keys = |s: ini::Section| s.keys.into_iter().map(move |k| [s.name.clone(), k.name, k.value]).collect::<Vec<_>>();
    Some(sections.flat_map(keys).collect())
}

// ---- INI ------------------------------------------------------------------------------------------------------------

fn in_ini(text: &str, section: &str, addition: Addition<'_>) -> Result<Vec<Insertion>, String> {
    let sections = ini::parse(text).map_err(|line| format!("line {line} is not valid in an INI file"))?;
    let (key, item) = (addition.key(), addition.text());
    // The way the file indents what runs on over lines.
    let indents = || sections.iter().flat_map(|s| &s.keys).find_map(|k| k.indent.clone());
    let indent = || indents().unwrap_or_else(|| "    ".to_owned());
    let fresh = match addition {
        Addition::Line(..) => format!("{key} =\n{}{item}", indent()),
        Addition::Argument(_) => format!("{key} = {item}"),
    };
    let Some(section) = sections.iter().find(|s| s.name == section) else {
        return Ok(vec![appended(text, &format!("[{section}]\n{fresh}\n"))]);
    };
    let Some(known) = section.key(key) else { return Ok(vec![(section.end, format!("\n{fresh}"))]) };
    Ok(vec![match addition {
        Addition::Argument(_) if known.indent.is_none() => {
            if known.value.contains([';', '#']) {
                return Err(format!("`{key}` may hold a comment; add `{item}` by hand"));
            }
            (known.end, format!(" {item}"))
        }
        _ => (known.end, format!("\n{}{item}", known.indent.clone().unwrap_or_else(indent))),
    }])
}

/// Something at the end of a file, set off by an empty line.
fn appended(text: &str, what: &str) -> Insertion {
    let gap = match text {
        "" => "",
        t if t.ends_with("\n\n") || t.ends_with("\n\r\n") => "",
        t if t.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    (text.len(), format!("{gap}{what}"))
}

// ---- TOML -----------------------------------------------------------------------------------------------------------

fn in_toml(text: &str, name: &str, addition: Addition<'_>) -> Result<Vec<Insertion>, String> {
    let document =
        DeTable::parse(text).map_err(|e| format!("it is not valid TOML: {}", e.message().trim().replace('\n', ", ")))?;
    let get = |table: &'_ Spanned<DeValue<'_>>, key: &str| table.get_ref().as_table().is_some_and(|t| t.contains_key(key));
    let (path, native): (&[&str], bool) = if name == "pyproject.toml" {
        let pytest = document.get_ref().get("tool").and_then(|tool| tool.get_ref().as_table()?.get("pytest"));
        let keys = pytest.and_then(|p| p.get_ref().as_table()).map_or(0, DeTable::len);
        let ini = pytest.is_some_and(|p| get(p, "ini_options"));
        match (keys, ini) {
            (2.., true) => return Err("it has [tool.pytest] and [tool.pytest.ini_options], which pytest refuses".to_owned()),
            (1.., false) => (&["tool", "pytest"], true),
            _ => (&["tool", "pytest", "ini_options"], false),
        }
    } else {
        (&["pytest"], true)
    };
    let (key, item) = (addition.key(), addition.text());
    let fresh = match addition {
        Addition::Line(..) => format!("{key} = [\n    \"{item}\",\n]"),
        Addition::Argument(_) if native => format!("{key} = [\"{item}\"]"),
        Addition::Argument(_) => format!("{key} = \"{item}\""),
    };
    let mut at = None;
    for (depth, part) in path.iter().enumerate() {
        let table =
            if depth == 0 { Some(document.get_ref()) } else { at.and_then(|v: &Spanned<DeValue<'_>>| v.get_ref().as_table()) };
        at = table.and_then(|t| t.get(*part));
        if at.is_none() {
            return Ok(vec![appended(text, &format!("[{}]\n{fresh}\n", path.join(".")))]);
        }
    }
    let Some((at, table)) = at.and_then(|v| Some((v, v.get_ref().as_table()?))) else {
        return Err(format!("`{}` is not a table", path.join(".")));
    };
    if let Some(value) = table.get(key) {
        return match value.get_ref() {
            DeValue::Array(items) => {
                let items: Vec<Range<usize>> = items.iter().map(Spanned::span).collect();
                Ok(in_array(text, &value.span(), &items, item))
            }
            DeValue::String(_) if !native => in_string(text, &value.span(), addition),
            _ => Err(format!("`{key}` is not a list")),
        };
    }
    if !text[at.span()].starts_with('[') {
        return Err(format!("`{}` has no table of its own in the file; add `{key}` by hand", path.join(".")));
    }
    // After the last entry of the table itself: those of its sub-tables have headers of their own.
    let entries = table.iter().map(|(_, value)| value).filter(|v| !(v.get_ref().is_table() && text[v.span()].starts_with('[')));
    let end = entries.map(last_end).max().unwrap_or(at.span().end);
    Ok(vec![(line_end(text, end), format!("\n{fresh}"))])
}

/// Where the last of what a value consists of ends; a table of dotted keys is spread over lines.
fn last_end(value: &Spanned<DeValue<'_>>) -> usize {
    let inner = value.get_ref().as_table().and_then(|t| t.iter().map(|(_, v)| last_end(v)).max());
    inner.unwrap_or(0).max(value.span().end)
}

/// The offset of the newline that ends the line of an offset; the text's end where none does.
fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    end - usize::from(text[at..end].ends_with('\r'))
}

/// One more item of an array, laid out as the others are.
fn in_array(text: &str, array: &Range<usize>, items: &[Range<usize>], item: &str) -> Vec<Insertion> {
    let Some(last) = items.last() else { return vec![(array.start + 1, format!("\"{item}\""))] };
    let quote = if text[last.clone()].starts_with('\'') { '\'' } else { '"' };
    let item = format!("{quote}{item}{quote}");
    let line_start = text[..last.start].rfind('\n').map_or(0, |i| i + 1);
    let before = &text[line_start..last.start];
    let end = line_end(text, last.end);
    // A line of its own if the last one has one: nothing but a comma and a comment may follow it there.
    let rest = text[last.end..end].trim_start();
    let comma = rest.starts_with(',');
    let after = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    if before.trim().is_empty() && (after.is_empty() || after.starts_with('#')) && end < array.end {
        let mut out = Vec::new();
        if !comma {
            out.push((last.end, ",".to_owned()));
        }
        out.push((end, format!("\n{before}{item}{}", if comma { "," } else { "" })));
        return out;
    }
    vec![(last.end, format!(", {item}"))]
}

/// Adds to a setting that is written as one string.
fn in_string(text: &str, value: &Range<usize>, addition: Addition<'_>) -> Result<Vec<Insertion>, String> {
    let raw = &text[value.clone()];
    let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let inner = &raw[quotes..raw.len() - quotes];
    let content = inner.trim_end();
    let at = value.start + quotes + content.len();
    let item = addition.text();
    let last_line = content.rsplit('\n').next().unwrap_or_default();
    let indent = &last_line[..last_line.len() - last_line.trim_start().len()];
    let inserted = match addition {
        _ if content.is_empty() => item.to_owned(),
        Addition::Argument(_) => format!(" {item}"),
        Addition::Line(..) if quotes == 3 => format!("\n{indent}{item}"),
        Addition::Line(..) if raw.starts_with('"') => format!("\\n{item}"),
        Addition::Line(key, _) => return Err(format!("`{key}` is a string of one line; make it a list")),
    };
    Ok(vec![(at, inserted)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(name: &str, text: &str, addition: Addition<'_>) -> Result<String, String> {
        let source = SourceFile::from_bytes(Path::new("/r").join(name), text.as_bytes().to_vec()).unwrap();
        add(&source, addition).map(|edits| apply(text, &edits))
    }

    const MARK: Addition<'static> = Addition::Line("markers", "slow: s");
    const TEN: Addition<'static> = Addition::Argument("--durations=10");

    #[test]
    fn a_line_joins_the_others_in_every_dialect() {
        for (name, before, after) in [
            ("pytest.ini", "", "[pytest]\nmarkers =\n    slow: s\n"),
            (
                "pytest.ini",
                "[pytest]\n# c\naddopts = -q\n\n[x]\na = 1\n",
                "[pytest]\n# c\naddopts = -q\nmarkers =\n    slow: s\n\n[x]\na = 1\n",
            ),
            (
                "tox.ini",
                "[pytest]\nmarkers =\n\tnet: n\n\t# more\n\nx = 1\n",
                "[pytest]\nmarkers =\n\tnet: n\n\tslow: s\n\t# more\n\nx = 1\n",
            ),
            ("pytest.ini", "[pytest]\nmarkers = net: n", "[pytest]\nmarkers = net: n\n    slow: s"),
            (
                "setup.cfg",
                "[a]\n  \n[tool:pytest]\r\nmarkers =\r\n  net\r\n",
                "[a]\n  \n[tool:pytest]\r\nmarkers =\r\n  net\n  slow: s\r\n",
            ),
            ("pytest.toml", "", "[pytest]\nmarkers = [\n    \"slow: s\",\n]\n"),
            ("pytest.toml", "[pytest] # p\nx = 1 # y\n[z]\n", "[pytest] # p\nx = 1 # y\nmarkers = [\n    \"slow: s\",\n]\n[z]\n"),
            ("pyproject.toml", "[a]\nb = 1", "[a]\nb = 1\n\n[tool.pytest.ini_options]\nmarkers = [\n    \"slow: s\",\n]\n"),
            ("pyproject.toml", "[tool.pytest]\nmarkers = ['net: n']\n", "[tool.pytest]\nmarkers = ['net: n', 'slow: s']\n"),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\nmarkers = [\n  \"a: b\",  # c\n  \"d\"  # e\n  # f\n]\n[tool.pytest.ini_options.x]\n",
                "[tool.pytest.ini_options]\nmarkers = [\n  \"a: b\",  # c\n  \"d\",  # e\n  \"slow: s\"\n  # f\n]\n[tool.pytest.ini_options.x]\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\r\nmarkers = [\r\n\t\"a\",\r\n]\r\n",
                "[tool.pytest.ini_options]\r\nmarkers = [\r\n\t\"a\",\r\n\t\"slow: s\",\r\n]\r\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\nmarkers = []\n",
                "[tool.pytest.ini_options]\nmarkers = [\"slow: s\"]\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\nmarkers = [\"a\",]\n",
                "[tool.pytest.ini_options]\nmarkers = [\"a\", \"slow: s\",]\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\nmarkers = '''\n  a: b\n  '''\n",
                "[tool.pytest.ini_options]\nmarkers = '''\n  a: b\n  slow: s\n  '''\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\nmarkers = \"a\"\n",
                "[tool.pytest.ini_options]\nmarkers = \"a\\nslow: s\"\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest]\n[tool.z]\n",
                "[tool.pytest]\n[tool.z]\n\n[tool.pytest.ini_options]\nmarkers = [\n    \"slow: s\",\n]\n",
            ),
        ] {
            assert_eq!(added(name, before, MARK).as_deref(), Ok(after), "{name}: {before:?}");
        }
    }

    #[test]
    fn an_argument_joins_the_others_in_every_dialect() {
        for (name, before, after) in [
            ("pytest.ini", "[pytest]\naddopts = -q  \n", "[pytest]\naddopts = -q --durations=10  \n"),
            (
                "pytest.ini",
                "[pytest]\naddopts =\n  -q\n  -x\nx = 1\n",
                "[pytest]\naddopts =\n  -q\n  -x\n  --durations=10\nx = 1\n",
            ),
            ("pytest.ini", "[pytest]\naddopts =\n", "[pytest]\naddopts = --durations=10\n"),
            ("pytest.toml", "[pytest]\naddopts = [\"-q\"]\n", "[pytest]\naddopts = [\"-q\", \"--durations=10\"]\n"),
            ("pyproject.toml", "[tool.pytest]\nx = 'y'\n", "[tool.pytest]\nx = 'y'\naddopts = [\"--durations=10\"]\n"),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\naddopts = '-q'\n",
                "[tool.pytest.ini_options]\naddopts = '-q --durations=10'\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\naddopts = \"\"\"\n  -q \\\n  -x\n\"\"\"\n",
                "[tool.pytest.ini_options]\naddopts = \"\"\"\n  -q \\\n  -x --durations=10\n\"\"\"\n",
            ),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\nx = '1'\n",
                "[tool.pytest.ini_options]\nx = '1'\naddopts = \"--durations=10\"\n",
            ),
        ] {
            assert_eq!(added(name, before, TEN).as_deref(), Ok(after), "{name}: {before:?}");
        }
    }

    #[test]
    fn what_cannot_be_added_for_certain_is_declined() {
        for (name, text, why) in [
            ("pytest.ini", "[pytest]\nword\n", "line 2 is not valid"),
            ("pyproject.toml", "[tool.pytest]\nx = 1\n[tool.pytest.ini_options]\n", "which pytest refuses"),
            ("pyproject.toml", "[tool.pytest]\nini_options = { x = 1 }\n", "has no table of its own"),
            ("pyproject.toml", "[tool]\npytest.ini_options.x = '1'\n", "has no table of its own"),
            ("pyproject.toml", "[tool.pytest.ini_options]\nmarkers = 'a'\n", "make it a list"),
            ("pyproject.toml", "[tool.pytest.ini_options]\nmarkers = 1\n", "not a list"),
            ("pyproject.toml", "[tool.pytest.ini_options]\nmarkers = \"\"\"\\\n  a \\\n  \"\"\"\n", "unusual"),
            ("pytest.toml", "[pytest]\nmarkers = 'a'\n", "not a list"),
            ("pytest.toml", "pytest = 1\n", "not a table"),
            ("pyproject.toml", "[tool\n", "not valid TOML"),
        ] {
            let said = added(name, text, MARK).unwrap_err();
            assert!(said.contains(why), "{name}: {text:?}: {said}");
        }
        let comment = added("pytest.ini", "[pytest]\naddopts = -q  # quiet\n", TEN).unwrap_err();
        assert!(comment.contains("may hold a comment"), "{comment}");
    }
}
