//! The colours. Renderers always write them; the stream they are printed to drops them where they are not wanted.

use anstyle::{AnsiColor, Style};
use std::fmt::Display;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
pub(crate) const LOUD: Style = AnsiColor::Red.on_default().bold();

/// Text in a style. The text must be escaped already.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
