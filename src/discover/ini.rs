//! The dialect of INI that pytest reads (iniconfig): values run on over indented lines, comments take whole lines, nothing
//! is interpolated.

use std::collections::HashMap;

/// Sections by name, each with its keys.
pub(super) type Ini = HashMap<String, HashMap<String, String>>;

/// Reads a file.
///
/// # Errors
/// With the line (from 1) that pytest would refuse too.
pub(super) fn parse(text: &str) -> Result<Ini, usize> {
    let mut ini = Ini::new();
    let mut section: Option<String> = None;
    let mut last: Option<String> = None;
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let bad = number + 1;
        let line = if line.trim_start().starts_with(['#', ';']) { "" } else { line.trim_end() };
        if line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            let header = line.split(['#', ';']).next().unwrap_or_default().trim_end();
            let name = header.strip_prefix('[').and_then(|h| h.strip_suffix(']')).ok_or(bad)?;
            if ini.insert(name.to_owned(), HashMap::new()).is_some() {
                return Err(bad);
            }
            section = Some(name.to_owned());
            last = None;
            continue;
        }
        let keys = section.as_ref().and_then(|s| ini.get_mut(s)).ok_or(bad)?;
        if line.starts_with(char::is_whitespace) {
            let value = last.as_ref().and_then(|key| keys.get_mut(key)).ok_or(bad)?;
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(line.trim());
        } else {
            let split = line.split_once('=').filter(|(key, _)| !key.contains(':')).or_else(|| line.split_once(':'));
            let (key, value) = split.ok_or(bad)?;
            if keys.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
                return Err(bad);
            }
            last = Some(key.trim().to_owned());
        }
    }
    Ok(ini)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_run_on_and_comments_take_whole_lines() {
        let text = "# top\n[pytest]\npython_files = test_*.py  # kept\n  check_*.py\n; no\nmarkers =\n    slow: takes long\n\n    net\n[other] # x\na: b=c\n";
        let ini = parse(text).unwrap();
        assert_eq!(ini["pytest"]["python_files"], "test_*.py  # kept\ncheck_*.py");
        assert_eq!(ini["pytest"]["markers"], "slow: takes long\nnet");
        assert_eq!(ini["other"]["a"], "b=c");
    }

    #[test]
    fn what_pytest_refuses_is_refused_by_line() {
        for (text, line) in [("a = 1\n", 1), ("[x]\n\nword\n", 3), ("[x]\n  more\n", 2), ("[x\n", 1), ("[x]\na=1\na=2\n", 3)] {
            assert_eq!(parse(text).unwrap_err(), line, "{text:?}");
        }
    }
}
