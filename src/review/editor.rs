//! The person's own editor: `$VISUAL`, else `$EDITOR`, else `vi`, split as a shell would.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::Command;

/// Opens a file, at a row (from 1) where the editor is one that can be told. Returns when the editor ends.
///
/// # Errors
/// Why it could not, for the person.
pub fn open(path: &Path, row: Option<u32>) -> Result<(), String> {
    let chosen = ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()));
    let chosen = chosen.unwrap_or_else(|| "vi".to_owned());
    let words = command(&chosen, path, row)?;
    let status = Command::new(&words[0]).args(&words[1..]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("The editor `{chosen}` ended with {status}.")),
        Err(error) => Err(format!("The editor `{chosen}` does not start ({error}): set VISUAL or EDITOR to one that does.")),
    }
}

/// Lets a text be edited in a file of its own; `None` when it comes back as it was.
///
/// # Errors
/// Why it could not, for the person.
pub fn edit(text: &str) -> Result<Option<String>, String> {
    let failed = |e: std::io::Error| format!("A temporary file cannot be used: {e}");
    let mut file = tempfile::Builder::new().prefix("testdiet-").suffix(".py").tempfile().map_err(failed)?;
    writeln!(file, "{text}").and_then(|()| file.flush()).map_err(failed)?;
    open(file.path(), None)?;
    // By its name: many editors put a new file in its place.
    let mut after = String::new();
    file.rewind().map_err(failed)?;
    std::fs::File::open(file.path()).and_then(|mut f| f.read_to_string(&mut after)).map_err(failed)?;
    let after = after.replace("\r\n", "\n");
    let after = after.strip_suffix('\n').unwrap_or(&after);
    Ok(Some(after.to_owned()).filter(|after| after != text))
}

/// The words that start an editor.
fn command(chosen: &str, path: &Path, row: Option<u32>) -> Result<Vec<OsString>, String> {
    let words = shlex::split(chosen).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| format!("`{chosen}` is no command: a quote in it is not closed."))?;
    let name = Path::new(&words[0]).file_stem().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    let mut out: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let with_row = |row: u32| {
        let mut place = path.as_os_str().to_os_string();
        place.push(format!(":{row}"));
        place
    };
    match (name.as_str(), row) {
        (
            "vi" | "vim" | "nvim" | "view" | "gvim" | "mvim" | "vimx" | "nano" | "pico" | "emacs" | "emacsclient" | "micro"
            | "joe" | "jed" | "mg" | "ne" | "kak" | "kakoune" | "mcedit" | "gedit" | "vis",
            Some(row),
        ) => {
            out.push(format!("+{row}").into());
            out.push(path.into());
        }
        ("code" | "code-insiders" | "codium" | "vscodium" | "cursor" | "windsurf", Some(row)) => {
            out.push("--goto".into());
            out.push(with_row(row));
        }
        ("hx" | "helix" | "subl" | "sublime_text" | "zed" | "zeditor", Some(row)) => out.push(with_row(row)),
        _ => out.push(path.into()),
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_are_told_the_row_as_each_wants_it() {
        let words = |chosen: &str| {
            let words = command(chosen, Path::new("a b.py"), Some(12));
            words.map(|words| words.iter().map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>())
        };
        assert_eq!(words("vim -n").unwrap(), ["vim", "-n", "+12", "a b.py"]);
        assert_eq!(words("code --wait").unwrap(), ["code", "--wait", "--goto", "a b.py:12"]);
        assert_eq!(words("'/opt/my editor/hx' -v").unwrap(), ["/opt/my editor/hx", "-v", "a b.py:12"]);
        assert_eq!(words("/usr/local/bin/own").unwrap(), ["/usr/local/bin/own", "a b.py"]);
        assert!(words("vim 'x").unwrap_err().contains("quote"));
        assert_eq!(command("vim", Path::new("a.py"), None).unwrap(), ["vim", "a.py"]);
    }
}
