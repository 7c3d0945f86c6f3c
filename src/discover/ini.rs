//! The dialect of INI that pytest reads (iniconfig): values run on over indented lines, comments take whole lines, nothing
//! is interpolated. What is read knows where it stands, so that something can be added to it.

/// A section, in the order of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// What stands between the brackets.
    pub name: String,
    /// Offset of the end of its last line that says something, without the newline.
    pub end: usize,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Key {
    /// What stands before `=` or `:`.
    pub name: String,
    /// Its lines, without white space around them, joined by newlines.
    pub value: String,
    /// Offset of the end of its last line, without the newline.
    pub end: usize,
    /// The white space before the last of the lines that the value runs on over, where it does.
    pub indent: Option<String>,
}

impl Section {
    /// A key by its name.
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

/// Reads a file, without a byte order mark.
///
/// # Errors
/// With the line (from 1) that pytest would refuse too.
pub(super) fn parse(text: &str) -> Result<Vec<Section>, usize> {
    let mut sections: Vec<Section> = Vec::new();
    let mut start = 0;
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        let bad = number + 1;
        let from = start;
        start += whole.len();
        let line = if whole.trim_start().starts_with(['#', ';']) { "" } else { whole.trim_end() };
        if line.is_empty() {
            continue;
        }
        let end = from + line.len();
        if line.starts_with('[') {
            let header = line.split(['#', ';']).next().unwrap_or_default().trim_end();
            let name = header.strip_prefix('[').and_then(|h| h.strip_suffix(']')).ok_or(bad)?;
            if sections.iter().any(|s| s.name == name) {
                return Err(bad);
            }
            sections.push(Section { name: name.to_owned(), end, keys: Vec::new() });
            continue;
        }
        let section = sections.last_mut().ok_or(bad)?;
        section.end = end;
        if line.starts_with(char::is_whitespace) {
            let key = section.keys.last_mut().ok_or(bad)?;
            let rest = line.trim_start();
            if !key.value.is_empty() {
                key.value.push('\n');
            }
            key.value.push_str(rest);
            key.end = end;
            key.indent = Some(line[..line.len() - rest.len()].to_owned());
        } else {
            let split = line.split_once('=').filter(|(key, _)| !key.contains(':')).or_else(|| line.split_once(':'));
            let (name, value) = split.map(|(k, v)| (k.trim(), v.trim())).ok_or(bad)?;
            if section.key(name).is_some() {
                return Err(bad);
            }
            section.keys.push(Key { name: name.to_owned(), value: value.to_owned(), end, indent: None });
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_run_on_and_comments_take_whole_lines() {
        let text = "# top\n[pytest]\npython_files = test_*.py  # kept\n  check_*.py\n; no\nmarkers =\n    slow: takes long\n\n    net\n[other] # x\na: b=c\n";
        let ini = parse(text).unwrap();
        let value = |section: usize, key: &str| ini[section].key(key).unwrap().value.as_str();
        assert_eq!((ini[0].name.as_str(), ini[1].name.as_str()), ("pytest", "other"));
        assert_eq!(value(0, "python_files"), "test_*.py  # kept\ncheck_*.py");
        assert_eq!(value(0, "markers"), "slow: takes long\nnet");
        assert_eq!(value(1, "a"), "b=c");
    }

    #[test]
    fn what_is_read_knows_where_it_stands() {
        let text = "[pytest]\r\naddopts = -q  \r\nmarkers =\r\n\tslow: s\r\n\t# none\r\n\r\n[x]\r\n";
        let ini = parse(text).unwrap();
        let upto = |end: usize| text[..end].rsplit('\n').next().unwrap();
        assert_eq!(upto(ini[0].key("addopts").unwrap().end), "addopts = -q");
        let markers = ini[0].key("markers").unwrap();
        assert_eq!((upto(markers.end), markers.indent.as_deref()), ("\tslow: s", Some("\t")));
        assert_eq!((ini[0].end, upto(ini[1].end)), (markers.end, "[x]"));
    }

    #[test]
    fn what_pytest_refuses_is_refused_by_line() {
        for (text, line) in [("a = 1\n", 1), ("[x]\n\nword\n", 3), ("[x]\n  more\n", 2), ("[x\n", 1), ("[x]\na=1\na=2\n", 3)] {
            assert_eq!(parse(text).unwrap_err(), line, "{text:?}");
        }
    }
}
