//! `concise`: one line a finding, as editors and `grep` like it.

use std::io::{self, Write};

use super::{View, shown, style};
use crate::engine::Checked;

/// Writes all findings.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let code = style::CODE;
    for finding in &checked.findings {
        let (place, mark) = (view.position(finding), view.mark(finding));
        let (name, message) = (shown::escaped(finding.code.as_str()), shown::escaped(&finding.message));
        writeln!(out, "{place}: {code}{name}{code:#}{mark} {message}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, plain, view};
    use super::*;
    use crate::edit::Applicability;

    #[test]
    fn one_line_each() {
        samples::snapshot("concise", &plain(|out| write(&samples::several(), &view(), out)));
    }

    #[test]
    fn only_fixes_the_command_would_apply_are_marked() {
        let marks = |applies| {
            let view = View { applies, ..view() };
            plain(|out| write(&samples::several(), &view, out)).matches("[*]").count()
        };
        assert_eq!((marks(Applicability::Safe), marks(Applicability::Unsafe)), (1, 2));
    }
}
