//! HTML under construction. Markup is text of this program; what comes from outside is always escaped.

/// Markup. The two ways to add to it keep what is written here apart from what is read.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of this program: only text that was known when it was built.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anything: safe between tags and within a quoted attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    /// Markup that was put together elsewhere in the same way.
    pub(super) fn add(&mut self, html: &Html) -> &mut Self {
        self.0.push_str(&html.0);
        self
    }

    /// `<tag class="…">text</tag>`.
    pub(super) fn tag(&mut self, tag: &'static str, class: &'static str, text: &str) -> &mut Self {
        self.open(tag, class).text(text).raw("</").raw(tag).raw(">")
    }

    pub(super) fn open(&mut self, tag: &'static str, class: &'static str) -> &mut Self {
        self.raw("<").raw(tag);
        if !class.is_empty() {
            self.raw(" class=\"").raw(class).raw("\"");
        }
        self.raw(">")
    }

    /// A link to a page of this site. `path` is one that this program made.
    pub(super) fn link(&mut self, path: &str, text: &str) -> &mut Self {
        self.raw("<a href=\"").text(path).raw("\">").text(text).raw("</a>")
    }

    pub(super) fn done(self) -> String {
        self.0
    }
}

/// The one escaper of the site. Beside what HTML needs, control characters and those that turn the reading
/// direction are replaced: nothing a manifest says can look like something else.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            '\n' | '\t' => out.push(c),
            '\r' => {}
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}');
            }
            '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let mut html = Html::default();
        html.text(text);
        html.done()
    }

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(escaped("<a href='x'>&\"`"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&#96;");
        assert_eq!(
            escaped("a\u{0}b\u{1b}[31m\u{202e}c\u{7f}\u{85}"),
            "a\u{fffd}b\u{fffd}[31m\u{fffd}c\u{fffd}\u{fffd}"
        );
        assert_eq!(escaped("zwei\r\nZeilen\tü 數 🦀"), "zwei\nZeilen\tü 數 🦀");
    }

    proptest! {
        #[test]
        fn no_text_has_markup_in_it(text in any::<String>()) {
            let out = escaped(&text);
            prop_assert!(!out.contains(['<', '>', '"', '\'', '`']));
            prop_assert!(out.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')));
        }
    }
}
