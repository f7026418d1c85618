//! Where output goes, and how it may look there.

use super::exit::Exit;
use super::render::{human, json, progress};
use anstream::{AutoStream, ColorChoice};
use datamesh_provider::{Diagnostic, Diagnostics, Sources};
use std::io::{self, BufRead as _, IsTerminal as _, Write};

/// How wide text may be where nobody says.
const DEFAULT_WIDTH: usize = 100;

/// Standard output and standard error of one run.
///
/// Results go to standard output, everything else to standard error; with `--json` everything machines read is on
/// standard output, one object a line.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    color: ColorChoice,
    pub json: bool,
    pub width: usize,
    /// Whether a person can be asked.
    pub can_ask: bool,
    watched: bool,
}

impl Ui {
    pub fn new(no_color: bool, json: bool) -> Self {
        let watched = io::stderr().is_terminal();
        Self {
            color: if no_color { ColorChoice::Never } else { ColorChoice::Auto },
            json,
            width: width(),
            can_ask: io::stdin().is_terminal() && watched,
            watched,
        }
    }

    /// The same, with findings for people on standard error: where standard output is one document.
    #[must_use]
    pub fn for_people(self) -> Self {
        Self { json: false, ..self }
    }

    /// A result. A closed pipe is nobody's error: whoever reads has seen enough.
    pub fn out(&self, text: &str) {
        let mut out = AutoStream::new(io::stdout().lock(), self.color);
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Anything that is not the result.
    pub fn err(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr().lock(), self.color);
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Findings, as people or programs want them.
    pub fn diagnostics(&self, diagnostics: &Diagnostics, sources: &Sources) {
        if self.json {
            for one in diagnostics {
                self.out(&json::diagnostic(one, sources));
            }
        } else {
            self.err(&human::diagnostics(diagnostics, sources, self.width));
        }
    }

    /// One finding without a place, and how a run ends with it.
    pub fn fail(&self, diagnostic: Diagnostic) -> Exit {
        self.diagnostics(&diagnostic.into(), &Sources::default());
        Exit::Error
    }

    /// What shows progress in this run.
    pub fn progress(&self, sources: Sources, quiet: bool) -> progress::Progress {
        let mode = match (self.json, self.watched) {
            _ if quiet => progress::Mode::Quiet,
            (true, _) => progress::Mode::Json,
            (_, true) => progress::Mode::Bars,
            _ => progress::Mode::Lines,
        };
        let out: Box<dyn Write + Send> = match mode {
            progress::Mode::Json => Box::new(io::stdout()),
            _ => Box::new(AutoStream::new(io::stderr(), self.color)),
        };
        progress::Progress::new(mode, sources, out)
    }

    /// Asks for one word; only exactly that word is a yes.
    pub fn confirm(&self, question: &str, word: &str) -> bool {
        self.err(&format!("{question}\nOnly `{word}` is taken as a yes: "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == word
    }
}

/// The width of the terminal, of `COLUMNS`, or a usual one.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let terminal = || rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| usize::from(size.ws_col));
    columns.or_else(terminal).filter(|width| *width >= 40).unwrap_or(DEFAULT_WIDTH).min(200)
}
