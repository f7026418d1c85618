//! Text from manifests, servers and git, made safe to show on a terminal or in a log.
//!
//! Everything that moves the cursor, changes colours, reorders or hides characters becomes visible. Renderers for
//! other places (graph languages) build on this and add what their place needs.

use std::borrow::Cow;

/// What a character that must not be printed as it is becomes; `None` for all others.
pub(crate) fn replacement(c: char) -> Option<String> {
    match c {
        '\n' => Some("\\n".to_owned()),
        '\r' => Some("\\r".to_owned()),
        '\t' => Some("\\t".to_owned()),
        c if c.is_control() || is_invisible(c) => Some(format!("\\u{{{:x}}}", u32::from(c))),
        _ => None,
    }
}

/// Formatting characters: zero width, bidirectional overrides, line separators, tags, interlinear marks.
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0xAD | 0x61C
            | 0x180E
            | 0x200B..=0x200F
            | 0x2028..=0x202E
            | 0x2060..=0x206F
            | 0xFEFF
            | 0xFFF9..=0xFFFB
            | 0x1D173..=0x1D17A
            | 0xE0000..=0xE0FFF
    )
}

/// One line of text: line breaks become visible, too.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| replacement(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match replacement(c) {
            Some(visible) => out.push_str(&visible),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Text of several lines: each is escaped, and each but the first begins with `indent`, so that none of them can
/// pass for output of our own.
pub fn block(text: &str, indent: &str) -> String {
    let mut lines = text.trim_end().split('\n').map(|text| line(text.trim_end_matches('\r')));
    let mut out = lines.next().unwrap_or_default().into_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(indent);
        }
        out.push_str(&line);
    }
    out
}

/// A text of one line that is at most `most` characters long; what is left out is counted.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    let text = line(text);
    let length = text.chars().count();
    if length <= most {
        return text.into_owned();
    }
    let kept: String = text.chars().take(most).collect();
    format!("{kept}… ({} more characters)", length - most)
}

/// Texts that try to break out of whatever they are printed in. Every renderer is tested with them.
#[cfg(test)]
pub(crate) const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}[31mowned",
    "\u{1b}]8;;http://127.0.0.1/\u{7}link\u{1b}]8;;\u{7}",
    "\u{9b}31m",
    "safe\nerror[DM9999]: forged",
    "a\r\nPlan: 0 to create",
    "over\rwritten",
    "right\u{202e}tfel",
    "\u{2066}isolate\u{2069}",
    "zero\u{200b}width\u{feff}",
    "sep\u{2028}line\u{2029}par",
    "tag\u{e0041}",
    "nul\0bell\u{7}back\u{8}",
    "\"]; evil [label=\"x",
    "</script><b>x</b>",
    "--> evil{{x}} %%",
    "`$(touch x)`",
];

/// Whether a finished output holds nothing but printable text, line breaks and our own colours.
#[cfg(test)]
pub(crate) fn is_clean(output: &str) -> bool {
    let plain = anstream::adapter::strip_str(output).to_string();
    let ours = |rest: &str| {
        let Some(end) = rest.find('m') else { return false };
        rest.starts_with('[') && rest[1..end].chars().all(|c| c.is_ascii_digit() || c == ';')
    };
    let colours_only = output.split('\u{1b}').skip(1).all(ours);
    colours_only && plain.chars().all(|c| c == '\n' || replacement(c).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_survives() {
        for text in HOSTILE {
            assert!(is_clean(&line(text)), "{text:?}");
            assert!(!line(text).contains('\n'), "{text:?}");
            assert!(is_clean(&block(text, "  ")), "{text:?}");
            assert!(is_clean(&clipped(text, 5)), "{text:?}");
        }
    }

    #[test]
    fn harmless_text_stays_as_it_is() {
        for text in ["orders-facts", "Übergröße", "订单", "a b \\ c", "👍"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(line("a\tb\u{1b}"), "a\\tb\\u{1b}");
    }

    #[test]
    fn lines_of_a_block_cannot_pass_for_ours() {
        assert_eq!(block("why\nerror: forged\n", "    "), "why\n    error: forged");
    }

    #[test]
    fn what_is_cut_off_is_counted() {
        assert_eq!(clipped("abcdef", 4), "abcd… (2 more characters)");
        assert_eq!(clipped("abcd", 4), "abcd");
    }
}
