//! What is going on right now: bars on a terminal, plain lines elsewhere, events for machines.

use super::escape;
use super::human;
use super::json::{OutcomeWord, action_word};
use super::style::{DIM, GREEN, RED, YELLOW, paint};
use datamesh_provider::{Diagnostic, Event, EventSink, OpAction, Outcome, Sources};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A person watches a terminal.
    Bars,
    /// A log keeps what is printed.
    Lines,
    /// A program reads standard output.
    Json,
    /// Nobody wants to know.
    Quiet,
}

type Out = Box<dyn Write + Send>;

/// Shows events as they come.
pub struct Progress {
    mode: Mode,
    sources: Sources,
    out: Mutex<Out>,
    bars: Mutex<Bars>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("mode", &self.mode).finish_non_exhaustive()
    }
}

struct Bars {
    multi: MultiProgress,
    phase: Option<ProgressBar>,
    systems: BTreeMap<String, ProgressBar>,
    group: Option<ProgressBar>,
}

impl Progress {
    /// `out` takes lines and JSON; bars go to standard error.
    pub fn new(mode: Mode, sources: Sources, out: Out) -> Self {
        let target = match mode {
            Mode::Bars => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        let bars = Bars {
            multi: MultiProgress::with_draw_target(target),
            phase: None,
            systems: BTreeMap::new(),
            group: None,
        };
        Self { mode, sources, out: Mutex::new(out), bars: Mutex::new(bars) }
    }

    /// Takes every bar away: before anything else is printed.
    pub fn finish(&self) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        for bar in bars.phase.take().into_iter().chain(bars.group.take()) {
            bar.finish_and_clear();
        }
        for bar in std::mem::take(&mut bars.systems).into_values() {
            bar.finish_and_clear();
        }
        let _ = bars.multi.clear();
    }

    /// Progress is never worth failing for: a closed pipe is ignored.
    fn write(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }
}

impl EventSink for Progress {
    fn event(&self, event: Event) {
        match self.mode {
            Mode::Quiet => {}
            Mode::Json => {
                if let Some(line) = super::json::event(&event, &self.sources) {
                    self.write(&line);
                }
            }
            Mode::Lines => {
                if let Some(line) = line(&event) {
                    self.write(&format!("{line}\n"));
                }
            }
            Mode::Bars => self.bars.lock().unwrap_or_else(PoisonError::into_inner).show(&event),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("  {msg:28!} [{bar:32}] {pos}/{len}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("  {spinner} {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Bars {
    fn bar(&self, length: usize, message: String) -> ProgressBar {
        let bar =
            self.multi.add(ProgressBar::new(count(length)).with_style(bar_style()).with_message(message));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Phase { name } => {
                if let Some(bar) = self.phase.take() {
                    bar.finish_and_clear();
                }
                let bar = self.multi.add(ProgressBar::new_spinner().with_style(spinner_style()));
                bar.set_message(phase_words(name));
                bar.enable_steady_tick(Duration::from_millis(100));
                self.phase = Some(bar);
            }
            Event::RefreshStart { system, objects } => {
                let name = escape::line(&system.to_string()).into_owned();
                let bar = self.bar(*objects, format!("reading {name}"));
                self.systems.insert(name, bar);
            }
            Event::RefreshProgress { system, done } => {
                if let Some(bar) = self.systems.get(escape::line(&system.to_string()).as_ref()) {
                    bar.set_position(count(*done));
                }
            }
            Event::RefreshComplete { system, .. } | Event::RefreshFailed { system, .. } => {
                if let Some(bar) = self.systems.remove(escape::line(&system.to_string()).as_ref()) {
                    bar.finish_and_clear();
                }
                if let Event::RefreshFailed { .. } = event {
                    self.print(event);
                }
            }
            Event::GroupStart { index, groups, operations } => {
                if let Some(bar) = self.group.take() {
                    bar.finish_and_clear();
                }
                self.group = Some(self.bar(*operations, format!("group {index} of {groups}")));
            }
            Event::OperationComplete { .. } => {
                self.print(event);
                if let Some(bar) = &self.group {
                    bar.inc(1);
                }
            }
            Event::Diagnostic { .. } => self.print(event),
            Event::Waiting { what, .. } => {
                if let Some(bar) = &self.phase {
                    bar.set_message(escape::clipped(what, 100));
                }
            }
            _ => {}
        }
    }

    fn print(&self, event: &Event) {
        if let Some(line) = line(event) {
            let _ = self.multi.println(line);
        }
    }
}

fn phase_words(name: &str) -> String {
    match name {
        "load" => "reading manifests".to_owned(),
        "resolve" => "resolving".to_owned(),
        "refresh" => "reading live systems".to_owned(),
        "plan" => "planning".to_owned(),
        "check" => "asking the systems whether they would take it".to_owned(),
        "apply" => "applying".to_owned(),
        "recover" => "finding out how an interrupted apply ended".to_owned(),
        other => other.to_owned(),
    }
}

/// An event as a line of a log. Starts are not worth one; ends and failures are.
pub(crate) fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Phase { name } => paint(DIM, format!("{} …", phase_words(name))),
        Event::RefreshComplete { system, objects, took } => {
            let objects = human::plural(*objects, "object");
            paint(
                DIM,
                format!("  {}: {objects} read in {}", escape::line(&system.to_string()), seconds(*took)),
            )
        }
        Event::RefreshFailed { error, .. } => {
            let hint =
                error.hint.as_deref().map_or(String::new(), |hint| format!(" ({})", escape::line(hint)));
            format!("  {} {}{hint}", paint(RED, "failed:"), escape::line(&error.to_string()))
        }
        Event::GroupStart { index, groups, operations } => {
            let operations = human::plural(*operations, "operation");
            paint(DIM, format!("group {index} of {groups}: {operations}"))
        }
        Event::OperationComplete { address, action, step, outcome, took } => {
            operation(&address.to_string(), *action, step, outcome, *took)
        }
        Event::Waiting { what, for_how_long } => {
            paint(DIM, format!("  {} ({} so far)", escape::line(what), seconds(*for_how_long)))
        }
        Event::Diagnostic { diagnostic } => told(diagnostic),
        _ => return None,
    })
}

/// What a system had to say while it was asked for something else. It has no place in a manifest.
fn told(diagnostic: &Diagnostic) -> String {
    let head = human::head(diagnostic);
    let help = diagnostic.help.as_deref();
    let help = help.map_or(String::new(), |help| format!("\n  = fix: {}", escape::line(help)));
    let (what, why) = (diagnostic.code.summary, escape::line(&diagnostic.detail));
    format!("{head}: {what}\n  = why: {why}{help}")
}

fn operation(address: &str, action: OpAction, step: &str, outcome: &Outcome, took: Duration) -> String {
    let style = match outcome {
        Outcome::Done(_) | Outcome::Deleted => GREEN,
        Outcome::Indeterminate(_) => YELLOW,
        _ => RED,
    };
    let word = action_word(action).to_string();
    let step = if step == word { String::new() } else { format!(" ({})", escape::line(step)) };
    let ended = paint(style, OutcomeWord::of(outcome));
    let why = outcome.why().map_or(String::new(), |error| format!(": {}", escape::line(&error)));
    format!("  {}: {word}{step} {ended} in {}{why}", escape::line(address), seconds(took))
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::*;
    use datamesh_provider::{Code, ErrorKind, ProviderError, Refusal, SystemName};
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const CODE: Code = Code::new("DM0000", "a sample");

    fn events(text: &str) -> Vec<Event> {
        let system = SystemName::new("kafka", text);
        let error =
            ProviderError::new(ErrorKind::Unreachable, "kafka.default", text).message(text).hint(text);
        let address = "orders/facts@1:kafka_topic.kafka".parse().expect("an address");
        let (action, step, took) = (OpAction::Create, text.to_owned(), Duration::from_millis(300));
        let outcome = Box::new(Outcome::Rejected(Refusal { error: error.clone() }));
        vec![
            Event::Phase { name: "refresh" },
            Event::RefreshStart { system: system.clone(), objects: 3 },
            Event::RefreshProgress { system: system.clone(), done: 1 },
            Event::RefreshComplete { system: system.clone(), objects: 3, took },
            Event::RefreshFailed { system, error },
            Event::GroupStart { index: 1, groups: 2, operations: 1 },
            Event::OperationComplete { address, action, step, outcome, took },
            Event::Waiting { what: text.to_owned(), for_how_long: took },
            Event::Diagnostic { diagnostic: Diagnostic::warning(CODE, text).help(text) },
        ]
    }

    fn written(mode: Mode, text: &str) -> String {
        let out = Shared::default();
        let progress = Progress::new(mode, Sources::default(), Box::new(out.clone()));
        for event in events(text) {
            progress.event(event);
        }
        drop(progress);
        let bytes = out.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn lines_say_what_is_going_on() {
        let text = anstream::adapter::strip_str(&written(Mode::Lines, "x")).to_string();
        snapbox::assert_data_eq!(
            text,
            snapbox::str![[r#"
reading live systems …
  kafka.x: 3 objects read in 0.3 s
  failed: kafka.default at x: x (x)
group 1 of 2: 1 operation
  orders/facts@1:kafka_topic.kafka: create (x) rejected in 0.3 s: kafka.default at x: x
  x (0.3 s so far)
warning[DM0000]: a sample
  = why: x
  = fix: x

"#]]
        );
        assert_eq!(written(Mode::Quiet, "x"), "");
        assert_eq!(written(Mode::Bars, "x"), "", "bars are drawn on standard error only");
    }

    #[test]
    fn hostile_servers_write_nothing_but_text() {
        for text in HOSTILE {
            for mode in [Mode::Lines, Mode::Json] {
                let shown = written(mode, text);
                assert!(is_clean(&shown), "{text:?}: {shown:?}");
                assert_eq!(shown.lines().count(), written(mode, "x").lines().count());
            }
        }
    }
}
