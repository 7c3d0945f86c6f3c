//! The options that commands share, as clap reads them. What they mean together with the configuration is decided in
//! [`crate::config`].

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};

use crate::report::{FORMATS, Format};

/// Options that every command takes, before its name or after.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct GlobalOptions {
    /// A configuration file to use instead of those that are found, or a `KEY = VALUE` over them
    #[arg(long, value_name = "PATH|KEY=VALUE", global = true, help_heading = "Global options")]
    pub config: Vec<String>,
    /// Ignore all configuration files
    #[arg(long, global = true, help_heading = "Global options")]
    pub isolated: bool,
    /// Print findings and errors, but no totals
    #[arg(short, long, global = true, conflicts_with_all = ["silent", "verbose"], help_heading = "Global options")]
    pub quiet: bool,
    /// Print nothing but errors; the exit code tells
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub silent: bool,
    /// Say more about what is done
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto, global = true, help_heading = "Global options")]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it the choice of all streams of this process.
    pub(crate) fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Which rules run and which of them may fix.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Rule selection")]
pub(crate) struct RuleOptions {
    /// Rules to run, in place of the configured ones; `ALL` for every rule
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub select: Option<Vec<String>>,
    /// Rules not to run
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub ignore: Option<Vec<String>>,
    /// Rules to run besides the configured ones
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub extend_select: Option<Vec<String>>,
    /// Rules not to run in some files: `tests/slow/*:long-sleep`
    #[arg(long, value_name = "PATTERN:RULE", value_delimiter = ',')]
    pub per_file_ignores: Option<Vec<String>>,
    /// Rules that may fix, in place of the configured ones
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub fixable: Option<Vec<String>>,
    /// Rules that may not fix
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub unfixable: Option<Vec<String>>,
}

/// Which files are looked at.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "File selection")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct FileOptions {
    /// Files and folders; `-` for standard input [default: pytest's `testpaths`, else the current folder]
    #[arg(value_name = "PATHS", value_hint = ValueHint::AnyPath, help_heading = None)]
    pub paths: Vec<PathBuf>,
    /// Patterns of files and folders to leave out, in place of the configured ones
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub exclude: Option<Vec<String>>,
    /// Patterns to leave out besides the configured ones
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub extend_exclude: Option<Vec<String>>,
    /// Leave out excluded files and product code even when they are named on the command line
    #[arg(long, overrides_with = "no_force_exclude")]
    pub force_exclude: bool,
    #[arg(long, overrides_with = "force_exclude", hide = true)]
    pub no_force_exclude: bool,
    /// Leave out what `.gitignore` and the like say (the default; `--no-respect-gitignore` does not)
    #[arg(long, overrides_with = "no_respect_gitignore")]
    pub respect_gitignore: bool,
    #[arg(long, overrides_with = "respect_gitignore", hide = true)]
    pub no_respect_gitignore: bool,
    /// Treat every file named on the command line as a test, whatever its name
    #[arg(long)]
    pub as_test: bool,
    /// The name that standard input goes by
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub stdin_filename: Option<PathBuf>,
    /// List the files that would be looked at, and stop
    #[arg(long, help_heading = "Miscellaneous")]
    pub show_files: bool,
    /// Print the settings that would be used, and stop
    #[arg(long, help_heading = "Miscellaneous", conflicts_with = "show_files")]
    pub show_settings: bool,
    /// Neither use nor keep results of earlier runs (in `.testdiet_cache`)
    #[arg(short, long, help_heading = "Miscellaneous")]
    pub no_cache: bool,
}

impl FileOptions {
    /// Whether standard input is to be read: `-`, or a name for it and no paths.
    ///
    /// # Errors
    /// When it is asked for together with other paths.
    pub(crate) fn stdin(&self) -> Result<bool, super::Failure> {
        let dashes = self.paths.iter().filter(|p| p.as_path() == Path::new("-")).count();
        match (dashes, self.paths.len(), self.stdin_filename.is_some()) {
            (1, 1, _) | (0, 0, true) => Ok(true),
            (0, _, false) => Ok(false),
            (0, _, true) => {
                Err(super::Failure::Usage("--stdin-filename names standard input: give it with `-` or without paths".into()))
            }
            _ => Err(super::Failure::Usage("`-` is standard input and cannot be given together with other paths".into())),
        }
    }

    /// The pair of `--respect-gitignore`, when one of it was given.
    pub(crate) fn respect_gitignore(&self) -> Option<bool> {
        either(self.respect_gitignore, self.no_respect_gitignore)
    }

    /// The pair of `--force-exclude`, when one of it was given.
    pub(crate) fn force_exclude(&self) -> Option<bool> {
        either(self.force_exclude, self.no_force_exclude)
    }
}

fn either(yes: bool, no: bool) -> Option<bool> {
    (yes || no).then_some(yes)
}

/// How results are told.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// How findings are printed [default: full]
    #[arg(long, value_name = "FORMAT", value_parser = FormatParser)]
    pub output_format: Option<&'static Format>,
    /// A file to write to, in place of standard output
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub output_file: Option<PathBuf>,
    /// Count findings by rule in place of printing them
    #[arg(long)]
    pub statistics: bool,
    /// Exit with 0 even when there are findings; file errors still exit with 2
    #[arg(short, long)]
    pub exit_zero: bool,
    /// Exit with 1 when files were changed, even if no findings remain
    #[arg(long)]
    pub exit_non_zero_on_fix: bool,
}

/// Reads a format by its name in [`FORMATS`].
#[derive(Debug, Clone)]
struct FormatParser;

impl TypedValueParser for FormatParser {
    type Value = &'static Format;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let parse = |name: &str| Format::named(name);
        TypedValueParser::parse_ref(&parse, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(FORMATS.iter().map(|f| PossibleValue::new(f.name).help(f.help))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_stands_alone() {
        let stdin = |paths: &[&str], name: Option<&str>| {
            let paths = paths.iter().map(PathBuf::from).collect();
            FileOptions { paths, stdin_filename: name.map(PathBuf::from), ..FileOptions::default() }.stdin().ok()
        };
        assert_eq!(stdin(&[], None), Some(false));
        assert_eq!(stdin(&["a", "b"], None), Some(false));
        assert_eq!(stdin(&["-"], None), Some(true));
        assert_eq!(stdin(&["-"], Some("a.py")), Some(true));
        assert_eq!(stdin(&[], Some("a.py")), Some(true));
        assert_eq!(stdin(&["-", "a"], None), None);
        assert_eq!(stdin(&["a"], Some("a.py")), None);
    }
}
