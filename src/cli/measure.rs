//! `testdiet measure`: run the user's pytest, tell what the tests cost, keep it.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum, ValueHint};
use serde::Serialize;

use super::console::{Console, Verbosity};
use super::options::GlobalOptions;
use super::{Failure, Status};
use crate::config::{Configuration, Overrides};
use crate::discover::Suites;
use crate::evidence;
use crate::measure::history::Past;
use crate::measure::judge::{self, Excess, Slower};
use crate::measure::{EndedHow, Gathered, Header, History, Record, Totals, record};
use crate::pytest::{Constraint, End, Event, Interpreter, Interrupts, Plugin, Recording, Run, Timeouts};
use crate::report::{amount, measured, shown};

/// Arguments of `testdiet measure`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct MeasureArgs {
    /// Files, folders and node ids, handed to pytest [default: what pytest collects by itself]
    #[arg(value_name = "PATHS", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<OsString>,
    /// Options for pytest
    #[arg(last = true, value_name = "PYTEST ARGS")]
    pub pytest: Vec<OsString>,
    /// The interpreter, or its virtual environment [default: that of an active one, of .venv or venv, or python3]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub python: Option<PathBuf>,
    /// Trace allocation too; slows the tests down
    #[arg(long)]
    pub alloc: bool,
    /// Give the tests the limits of another machine: threads, descriptors, memory
    #[arg(long, value_enum, value_name = "MACHINE")]
    pub constrain: Option<Machine>,
    /// Exit with 1 when a test, a file or the suite is over its budget
    #[arg(long)]
    pub fail_over_budget: bool,
    /// Give up when no test has started or ended for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub timeout: u64,
    /// How many tests, files and places to print
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = MeasureFormat::Text)]
    pub output_format: MeasureFormat,
    /// A file to write to, in place of standard output
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub output_file: Option<PathBuf>,
    /// Run nothing; tell how the last run ended, and which test ran when it was killed
    #[arg(long, conflicts_with_all = ["paths", "pytest", "trend", "alloc", "constrain", "fail_over_budget"])]
    pub last: bool,
    /// Run nothing; print the runs that were kept
    #[arg(long, conflicts_with_all = ["paths", "pytest", "alloc", "constrain", "fail_over_budget"])]
    pub trend: bool,
}

/// Machines whose limits can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Machine {
    /// 100 threads, 1,024 descriptors, 8 GB
    Wsl2,
}

impl Machine {
    const fn limits(self) -> Constraint {
        match self {
            Self::Wsl2 => Constraint::WSL2,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Wsl2 => "wsl2",
        }
    }
}

/// Formats of `testdiet measure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MeasureFormat {
    /// Tables
    Text,
    /// The whole record, as the README documents it
    Json,
}

/// A run for programs.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    record: &'a Record,
    files: Vec<File<'a>>,
    over_budget: &'a [Excess],
    slower: &'a [Slower],
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    #[serde(flatten)]
    totals: Totals,
}

/// A run of the history for programs.
#[derive(Serialize)]
struct Point<'a> {
    #[serde(flatten)]
    header: &'a Header,
    took_s: f64,
    workers: u64,
    ended: &'a record::Ended,
    totals: &'a Totals,
}

impl<'a> Point<'a> {
    fn of(record: &'a Record) -> Self {
        let Record { header, took_s, workers, ended, totals, .. } = record;
        Self { header, took_s: *took_s, workers: *workers, ended, totals }
    }
}

/// Where things are.
struct Place {
    cwd: PathBuf,
    /// pytest's root, by what its configuration says.
    root: PathBuf,
    configuration: Configuration,
    history: History,
}

/// Runs it.
pub(crate) fn run(args: &MeasureArgs, global: &GlobalOptions, console: &mut Console) -> Result<Status, Failure> {
    let cwd = std::env::current_dir().map_err(Failure::Cwd)?;
    let overrides = Overrides { config: global.config.clone(), isolated: global.isolated, ..Overrides::default() };
    let configuration = Configuration::new(overrides, &cwd)?;
    let root = Suites::default().of_folder(&cwd, &cwd).root.clone();
    let place = Place { history: History::of(&root), cwd, root, configuration };
    if let Some(path) = &args.output_file {
        console.redirect(path)?;
    }
    if args.last {
        last(args, &place, console)
    } else if args.trend {
        trend(args, &place, console)
    } else {
        measure(args, &place, console)
    }
}

fn measure(args: &MeasureArgs, place: &Place, console: &mut Console) -> Result<Status, Failure> {
    for path in &args.paths {
        let text = path.to_string_lossy();
        let file = Path::new(text.split_once("::").map_or(text.as_ref(), |(file, _)| file));
        if !place.cwd.join(file).exists() {
            return Err(Failure::Usage(format!("{}: there is no such file or folder", file.display())));
        }
    }
    let interrupts = Interrupts::catch().map_err(Failure::Signals)?;
    let interpreter = Interpreter::find(args.python.as_deref(), &place.cwd, place.configuration.project_root())?;
    let plugin = Plugin::unpack().map_err(Failure::Plugin)?;
    let arguments: Vec<OsString> = args.pytest.iter().chain(&args.paths).cloned().collect();
    let header = Header {
        version: record::VERSION,
        run: 0,
        started: now(),
        interpreter: interpreter.path.clone(),
        python: interpreter.python.clone(),
        pytest: interpreter.pytest.clone(),
        arguments: arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect(),
        alloc: args.alloc,
        constrain: args.constrain.map(|m| m.name().to_owned()),
    };
    let before = place.history.records();
    let started = SystemTime::now();
    let slot = place.history.begin(&place.root, header)?;
    let mut run = Run::new(&interpreter, &plugin, &place.cwd, &slot.folder);
    run.args = arguments;
    run.recording = Recording { gauges: true, alloc: args.alloc, constraint: args.constrain.map(Machine::limits) };
    run.timeouts = Timeouts { silence: Some(Duration::from_secs(args.timeout)), ..Timeouts::default() };

    let mut gathered = Gathered::default();
    let mut progress = Progress::new(console);
    let end = run.watch(&interrupts, &mut |event: Option<Event>| {
        match event {
            Some(event) => gathered.hear(event),
            None => progress.show(&gathered),
        }
        ControlFlow::Continue(())
    });
    progress.clear();
    let end = end?;
    let began = gathered.began();
    let record = gathered.record(slot.header.clone(), Some(end.how), end.took);
    let budgets = |folder: &Path| place.configuration.for_folder(folder).map(|s| s.budgets.clone());
    let suite = budgets(&place.root)?;
    let of_file = |file: &str| budgets(record.root.join(file).parent().unwrap_or(&record.root)).unwrap_or_else(|_| suite.clone());
    let over = judge::excesses(&record, &suite, &of_file);
    let slower = judge::slower(&record, &before);
    // What was measured is shown even where it cannot be kept.
    let kept = place.history.finish(&slot, &record).and_then(|()| evidence::keep(&place.root, &record, started));
    print(args, &record, &over, &slower, console)?;
    kept?;
    conclude(args, &record, began, &over, &tail(&end, record.ended.how), &end.output, console)
}

fn print(args: &MeasureArgs, record: &Record, over: &[Excess], slower: &[Slower], console: &mut Console) -> Result<(), Failure> {
    match args.output_format {
        MeasureFormat::Text => {
            console.results(|out| measured::write(record, args.top, over, slower, out))?;
            console.aside(Verbosity::Default, |err| {
                if !record.tests.is_empty() {
                    writeln!(err)?;
                }
                measured::totals(record, err)
            })
        }
        MeasureFormat::Json => {
            let files = record.files().into_iter().map(|(file, totals)| File { file, totals }).collect();
            json(&Printed { record, files, over_budget: over, slower }, console)
        }
    }
}

fn json(value: &impl Serialize, console: &mut Console) -> Result<(), Failure> {
    console.data(|out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        writeln!(out)
    })
}

/// The end of pytest's output that is worth showing. After a hang it is the stacks, without pytest's own part of them.
fn tail(end: &End, how: EndedHow) -> String {
    if how != EndedHow::Hung {
        return end.tail(30);
    }
    let harness = ["/_pytest/", "/pluggy/", "/pytest/__main__.py", "<frozen runpy>", "/xdist/", "/execnet/", "/testdiet-plugin-"];
    let stacks = end.tail(400);
    let lines = stacks.lines().filter(|line| !harness.iter().any(|part| line.contains(part)));
    let lines: Vec<&str> = lines.collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// Tells how it ended, and what that means.
fn conclude(
    args: &MeasureArgs,
    record: &Record,
    began: bool,
    over: &[Excess],
    tail: &str,
    output: &Path,
    console: &mut Console,
) -> Result<Status, Failure> {
    let whole = format!("all of its output is in {}", output.display());
    let quoted = |tail: &str| tail.lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n");
    let ended = &record.ended;
    if ended.how != EndedHow::Finished {
        let mut message = format!("{}; {}", measured::ending(ended), kept(record));
        if matches!(ended.how, EndedHow::Crashed | EndedHow::Hung) {
            message = format!("{message}\nthe end of pytest's output ({whole}):\n{}", quoted(tail));
        }
        console.error(&message);
        return Ok(Status::Failed);
    }
    let exit = ended.exit.unwrap_or(0);
    match exit {
        0 | 1 if began => {}
        5 => {
            console.error(&format!("pytest found no tests to run\n{}", quoted(tail)));
            return Ok(Status::Failed);
        }
        _ => {
            let what = match exit {
                2 => "pytest stopped before it was done",
                3 => "pytest has an internal error",
                4 => "pytest does not understand its command line or its configuration",
                _ => "pytest could not run",
            };
            console.error(&format!("{what} (exit code {exit}); {}; {whole}:\n{}", kept(record), quoted(tail)));
            return Ok(Status::Failed);
        }
    }
    let failed = exit == 1 || record.totals.bad() > 0;
    if failed {
        console.aside(Verbosity::Quiet, |err| {
            measured::failures(record, args.top, err)?;
            writeln!(err, "pytest failed; {whole}.")
        })?;
    }
    let limited = record.tests.iter().filter(|t| !t.limits.is_empty()).count();
    if limited > 0 {
        let (machine, tests) =
            (record.header.constrain.as_deref().unwrap_or("another machine"), amount::counted(limited, "test"));
        console.error(&format!("{tests} ran into the limits of {machine}:\n{}", limits(record, args.top)));
    }
    let over = args.fail_over_budget && !over.is_empty();
    if over && args.output_format == MeasureFormat::Text {
        console.aside(Verbosity::Quiet, |err| writeln!(err, "Over budget, and --fail-over-budget was given."))?;
    }
    Ok(Status::found(failed || limited > 0 || over))
}

/// The tests that ran into limits, one line each.
fn limits(record: &Record, top: usize) -> String {
    let tests = record.tests.iter().filter(|t| !t.limits.is_empty()).take(top);
    let line = |t: &crate::pytest::Test| {
        let threads = t.threads;
        format!("  {}: {} ({} threads started, {} alive)", t.test, t.limits.join(", "), threads.started, threads.alive)
    };
    tests.map(line).collect::<Vec<_>>().join("\n")
}

fn kept(record: &Record) -> String {
    match record.tests.len() {
        0 => "no test had ended".to_owned(),
        n => format!("what {} did is kept", amount::counted(n, "test")),
    }
}

fn last(args: &MeasureArgs, place: &Place, console: &mut Console) -> Result<Status, Failure> {
    let (record, running) = match place.history.last()? {
        None => return Err(Failure::Usage(format!("nothing was measured in {} yet", place.root.display()))),
        Some(Past::Running(record)) => (record, true),
        Some(Past::Over(record)) => (record, false),
    };
    let finished = record.ended.how == EndedHow::Finished;
    if args.output_format == MeasureFormat::Json {
        print(args, &record, &[], &[], console)?;
    } else {
        let when = measured::ago(now().saturating_sub(record.header.started));
        let ended = &record.ended;
        console.results(|out| {
            let what = if running { "is still running".to_owned() } else { measured::ending(ended) };
            let sign = if running { " " } else { ": " };
            writeln!(out, "Run {}, {when}{sign}{what}; {}.", record.header.run, kept(&record))?;
            measured::culprits(&ended.running, out)
        })?;
    }
    Ok(Status::found(!finished && !running))
}

fn trend(args: &MeasureArgs, place: &Place, console: &mut Console) -> Result<Status, Failure> {
    let records = place.history.records();
    if records.is_empty() {
        return Err(Failure::Usage(format!("nothing was measured in {} yet", place.root.display())));
    }
    match args.output_format {
        MeasureFormat::Text => console.results(|out| measured::trend(&records, now(), out))?,
        MeasureFormat::Json => {
            let points: Vec<Point<'_>> = records.iter().map(Point::of).collect();
            json(&points, console)?;
        }
    }
    Ok(Status::Clean)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Tells how far the run is: a line that changes on a terminal, a line now and then elsewhere.
struct Progress<'a> {
    console: &'a mut Console,
    start: Instant,
    told: Option<Instant>,
}

impl<'a> Progress<'a> {
    /// How often the line on a terminal changes.
    const TERMINAL: Duration = Duration::from_millis(100);
    /// How often a line is added to a log.
    const LOG: Duration = Duration::from_secs(30);

    fn new(console: &'a mut Console) -> Self {
        Self { console, start: Instant::now(), told: None }
    }

    fn show(&mut self, gathered: &Gathered) {
        let live = self.console.live();
        let pause = if live { Self::TERMINAL } else { Self::LOG };
        let due = match self.told {
            Some(told) => told.elapsed() >= pause,
            None => live || self.start.elapsed() >= pause,
        };
        if !due {
            return;
        }
        self.told = Some(Instant::now());
        let (ended, collected) = (amount::number(gathered.ended()), amount::number(gathered.collected));
        let (took, slept) = (self.start.elapsed().as_secs(), gathered.slept());
        let line = match (gathered.running(), gathered.collecting()) {
            (Some(test), _) => format!("{ended}/{collected} tests, {took} s, {slept:.1} s asleep: {test}"),
            (None, Some(file)) => format!("collecting {file}"),
            (None, None) if gathered.collected == 0 => "starting pytest".to_owned(),
            (None, None) => format!("{ended}/{collected} tests, {took} s, {slept:.1} s asleep"),
        };
        self.console.progress(&shown::escaped(&line));
    }

    fn clear(&mut self) {
        self.console.progress("");
    }
}
