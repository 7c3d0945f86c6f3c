//! Where commands print: results to standard output or `-o FILE`, everything beside them to standard error.
//! A reader who has closed the pipe is not an error: what is left goes nowhere, and the exit code is what it would be.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anstream::adapter::StripBytes;
use anstream::{AutoStream, ColorChoice};

use super::Failure;
use crate::report::{shown, style};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// `-s`: errors only.
    Silent,
    /// `-q`: results and errors.
    Quiet,
    /// Totals too.
    Default,
    /// `-v`: and how it went.
    Verbose,
}

/// One of the two places, with whether colours are for it.
struct Stream {
    to: Box<dyn Write + Send>,
    name: String,
    color: bool,
    terminal: bool,
    /// The reader is gone.
    closed: bool,
}

/// Both places.
pub(crate) struct Console {
    out: Stream,
    err: Stream,
    verbosity: Verbosity,
}

impl Console {
    /// The streams of this process, coloured as anstream's global choice says.
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let color = |choice| choice != ColorChoice::Never;
        Self {
            out: Stream {
                color: color(AutoStream::choice(&out)),
                terminal: out.is_terminal(),
                to: Box::new(BufWriter::new(out)),
                name: "standard output".to_owned(),
                closed: false,
            },
            err: Stream {
                color: color(AutoStream::choice(&err)),
                terminal: err.is_terminal(),
                to: Box::new(BufWriter::new(err)),
                name: "standard error".to_owned(),
                closed: false,
            },
            verbosity,
        }
    }

    /// Sends results to a file from now on. It is opened at once, so that a path that cannot be written stops a run
    /// before it has changed anything.
    pub(crate) fn redirect(&mut self, path: &Path) -> Result<(), Failure> {
        let name = shown::escaped(&path.to_string_lossy()).into_owned();
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        let file = parent.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(path));
        let file = file.map_err(|e| Failure::Write(name.clone(), e))?;
        self.out = Stream { to: Box::new(BufWriter::new(file)), name, color: false, terminal: false, closed: false };
        Ok(())
    }

    /// Whether somebody watches the results.
    pub(crate) const fn terminal(&self) -> bool {
        self.out.terminal
    }

    /// Prints results for people, if any are wanted.
    pub(crate) fn results(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        if self.verbosity == Verbosity::Silent { Ok(()) } else { self.out.print(write) }
    }

    /// Writes results for programs, if any are wanted: nothing is taken for a colour in them.
    pub(crate) fn data(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        if self.verbosity == Verbosity::Silent { Ok(()) } else { self.bytes(write) }
    }

    /// Writes bytes that are the purpose of the run, whatever the verbosity: a patch, a fixed source.
    pub(crate) fn bytes(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        self.out.write(|to| write(to))
    }

    /// Prints the purpose of the run for somebody who watches, whatever the verbosity.
    pub(crate) fn shown(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        self.out.print(write)
    }

    /// Prints to standard error what is told at a verbosity.
    pub(crate) fn aside(&mut self, at: Verbosity, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        if self.verbosity < at { Ok(()) } else { self.err.print(write) }
    }

    /// Whether somebody watches how far a run is.
    pub(crate) fn live(&self) -> bool {
        self.err.terminal && self.verbosity >= Verbosity::Default
    }

    /// Tells how far a run is: on a terminal in one line that the next replaces and an empty one removes, elsewhere in a
    /// line of its own. Nobody is told who wants no totals.
    pub(crate) fn progress(&mut self, line: &str) {
        // The width of a terminal nobody has widened.
        const COLUMNS: usize = 79;
        let live = self.live();
        if self.verbosity < Verbosity::Default || (!live && line.is_empty()) {
            return;
        }
        let cut: String = line.chars().take(if live { COLUMNS } else { usize::MAX }).collect();
        // Past the filter that takes escape sequences out: these move the cursor, and only on a terminal.
        _ = self.err.write(|err| if live { write!(err, "\r\x1b[K{cut}") } else { writeln!(err, "{cut}") });
    }

    /// Prints an error, whatever the verbosity. An error of that has nowhere to go.
    pub(crate) fn error(&mut self, message: &str) {
        let style = style::ERROR;
        // Each line escaped on its own: messages of the configuration have several.
        let lines: Vec<_> = message.lines().map(|line| shown::Line::new(line).whole()).collect();
        _ = self.err.print(|err| writeln!(err, "{style}error{style:#}: {}", lines.join("\n")));
    }
}

impl Stream {
    /// Prints text, its colours taken out where they are not wanted.
    fn print(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        if self.color {
            return self.write(|to| write(to));
        }
        self.write(|to| write(&mut Plain { to, state: StripBytes::new() }))
    }

    /// Writes and flushes, so that both places keep their order.
    fn write(&mut self, write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        match write(&mut *self.to).and_then(|()| self.to.flush()) {
            Ok(()) => Ok(()),
            Err(error) => {
                // What is still buffered would fail once more when it is dropped.
                self.to = Box::new(io::sink());
                self.closed = true;
                if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(Failure::Write(self.name.clone(), error)) }
            }
        }
    }
}

/// Takes colours out on the way.
struct Plain<'a> {
    to: &'a mut (dyn Write + Send),
    state: StripBytes,
}

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for plain in self.state.strip_next(bytes) {
            self.to.write_all(plain)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written to a place.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A console that keeps what it is given: standard output, standard error.
    pub(crate) fn kept(verbosity: Verbosity, terminal: bool) -> (Console, Written, Written) {
        let (out, err) = (Written::default(), Written::default());
        let stream = |to: &Written| Stream {
            to: Box::new(to.clone()),
            name: "standard output".to_owned(),
            color: false,
            terminal,
            closed: false,
        };
        (Console { out: stream(&out), err: stream(&err), verbosity }, out, err)
    }

    struct Refuses(io::ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let print = |kind| {
            let (mut console, ..) = kept(Verbosity::Default, false);
            console.out.to = Box::new(Refuses(kind));
            console.results(|out| writeln!(out, "a")).and_then(|()| console.results(|out| writeln!(out, "b")))
        };
        assert!(print(io::ErrorKind::BrokenPipe).is_ok());
        let full = print(io::ErrorKind::StorageFull).unwrap_err().to_string();
        assert!(full.starts_with("cannot write standard output: "), "{full}");
    }

    #[test]
    fn verbosity_keeps_back_what_was_not_asked_for() {
        let told = |verbosity| {
            let (mut console, out, err) = kept(verbosity, false);
            console.results(|out| write!(out, "results ")).unwrap();
            console.aside(Verbosity::Default, |out| write!(out, "totals ")).unwrap();
            console.aside(Verbosity::Verbose, |out| write!(out, "details ")).unwrap();
            console.error("bad\x1b[1m");
            out.text() + &err.text()
        };
        assert_eq!(told(Verbosity::Silent), "error: bad\\x1b[1m\n");
        assert_eq!(told(Verbosity::Quiet), "results error: bad\\x1b[1m\n");
        assert_eq!(told(Verbosity::Default), "results totals error: bad\\x1b[1m\n");
        assert_eq!(told(Verbosity::Verbose), "results totals details error: bad\\x1b[1m\n");
    }
}
