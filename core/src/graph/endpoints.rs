//! Absolute addresses in manifests, and what the environment makes of them.
//!
//! Only two keys of a product are ever mapped: `schema.registry` and a table's `location`. Everything is compared
//! parsed: scheme, host, port and whole path segments, the longest entry first. What parses ambiguously is refused.

use crate::graph::codes;
use crate::manifest::model::Map;
use datamesh_provider::{Diagnostic, Diagnostics, Span};
use std::collections::HashMap;
use std::fmt;

/// An absolute address, taken apart: `https://host:port/a/b`, `s3://bucket/a/b`, `file:/a/b`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    scheme: String,
    /// The host, or the bucket. Empty for `file`.
    host: String,
    /// `None` where it is the scheme's own.
    port: Option<u16>,
    segments: Vec<String>,
    /// A `file:` path that does not begin at the root of the file system.
    relative: bool,
}

/// Why a text is no address that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPlace(pub &'static str);

/// Whether the text begins with a scheme.
pub(crate) fn has_scheme(text: &str) -> bool {
    scheme_of(text).is_some()
}

fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    let rest_fits = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    (first && rest_fits).then_some((scheme, rest))
}

impl Place {
    /// Takes an address apart.
    ///
    /// # Errors
    ///
    /// [`BadPlace`] for what is not absolute, and for whatever two readers could take differently: user
    /// information, a query, a fragment, `.` and `..`, empty segments, encoded separators, control characters.
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        let bad = |why| Err(BadPlace(why));
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return bad("it has white space, a control character or a backslash");
        }
        if text.contains(['?', '#']) {
            return bad("it has a query (`?`) or a fragment (`#`)");
        }
        let Some((scheme, rest)) = scheme_of(text) else {
            return bad("it has no scheme, such as `https://` or `s3://`");
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return Self::file(rest);
        }
        let Some(rest) = rest.strip_prefix("//") else { return bad("`//` is missing after the scheme") };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return bad("it has a user name or a password; credentials belong to the environment");
        }
        let (host, port) = host_and_port(authority)?;
        let web = matches!(scheme.as_str(), "http" | "https");
        let host = if web { host.to_ascii_lowercase() } else { host.to_owned() };
        let own = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let port = port.filter(|port| Some(*port) != own);
        Ok(Self { scheme, host, port, segments: segments(path)?, relative: false })
    }

    /// The segments of a path that belongs below some address.
    pub(crate) fn segments_of(path: &str) -> Result<Vec<String>, BadPlace> {
        if path.starts_with('/') {
            return Err(BadPlace("it begins with `/`, but has no scheme"));
        }
        // The same checks as for a whole address.
        Self::parse(&format!("file:{path}")).map(|place| place.segments)
    }

    fn file(rest: &str) -> Result<Self, BadPlace> {
        let path = match rest.strip_prefix("//") {
            Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
            None => rest,
        };
        if rest.starts_with("//") && !path.starts_with('/') {
            return Err(BadPlace("a `file:` address has no host"));
        }
        let relative = !path.starts_with('/');
        let path = path.strip_prefix('/').unwrap_or(path);
        Ok(Self {
            scheme: "file".into(),
            host: String::new(),
            port: None,
            segments: segments(path)?,
            relative,
        })
    }

    /// A relative `file:` path put below the root of the mesh.
    #[must_use]
    pub fn absolute(mut self, root: &str) -> Self {
        if self.relative {
            let below = std::mem::take(&mut self.segments);
            self.segments =
                root.split('/').filter(|s| !s.is_empty()).map(str::to_owned).chain(below).collect();
            self.relative = false;
        }
        self
    }

    /// What is left of this address below the other: nothing for an equal one, `None` outside of it.
    pub fn below(&self, other: &Self) -> Option<&[String]> {
        let same = self.scheme == other.scheme
            && self.host == other.host
            && self.port == other.port
            && self.relative == other.relative;
        if !same {
            return None;
        }
        self.segments.strip_prefix(other.segments.as_slice())
    }

    /// This address with more segments.
    #[must_use]
    pub fn join(&self, more: &[String]) -> Self {
        let mut joined = self.clone();
        joined.segments.extend_from_slice(more);
        joined
    }

    /// Splits the last segments off: for `…/subjects/<subject>`.
    pub(crate) fn split_last(mut self, count: usize) -> Option<(Self, Vec<String>)> {
        let at = self.segments.len().checked_sub(count)?;
        let last = self.segments.split_off(at);
        Some((self, last))
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), BadPlace> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let v6 = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !(v6 || host.chars().all(clean)) {
        return Err(BadPlace("its host is empty or has characters it may not have"));
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_)) => Err(BadPlace("its port is not a number up to 65535")),
        Some(Ok(port)) => Ok((host, Some(port))),
        None => Ok((host, None)),
    }
}

/// Path segments; one trailing slash says nothing.
fn segments(path: &str) -> Result<Vec<String>, BadPlace> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(segment).collect()
}

fn segment(text: &str) -> Result<String, BadPlace> {
    if text.is_empty() {
        return Err(BadPlace("it has an empty part (`//`) in its path"));
    }
    if text == "." || text == ".." {
        return Err(BadPlace("it has a `.` or `..` in its path"));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let code = rest.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let Some(byte) = byte else { return Err(BadPlace("it has a `%` that begins no encoded character")) };
        if byte < 0x20 || matches!(byte, b'/' | b'\\' | b'.' | b'%' | b'?' | b'#' | 0x7f) {
            return Err(BadPlace("it has an encoded slash, dot, percent sign, query or control character"));
        }
        out.push_str(&rest[..at]);
        out.push_str(&format!("%{byte:02X}"));
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The text of a segment without its encoding; only ASCII and whole UTF-8 sequences come out.
pub(crate) fn decode_segment(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.segments.join("/");
        if self.scheme == "file" {
            return write!(f, "file:{}{path}", if self.relative { "" } else { "/" });
        }
        write!(f, "{}://{}", self.scheme, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if path.is_empty() { Ok(()) } else { write!(f, "/{path}") }
    }
}

/// The `endpoints` of an environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    /// From, to, and the place of the entry; longest first.
    entries: Vec<(Place, Place, Option<Span>)>,
}

impl Endpoints {
    pub(crate) fn parse(entries: &Map<String>, root: &str, found: &mut Diagnostics) -> Self {
        let mut all: Vec<(Place, Place, Option<Span>)> = Vec::with_capacity(entries.len());
        let mut seen: HashMap<Place, Option<Span>> = HashMap::new();
        for (from, to) in entries {
            let parsed = |text: &str, span: Option<Span>, found: &mut Diagnostics| {
                Place::parse(text).map_err(|why| found.push(bad_place(text, &why, span))).ok()
            };
            let source = parsed(&from.value, from.span, found);
            let target = parsed(&to.value, to.span, found);
            let (Some(source), Some(target)) = (source, target) else { continue };
            let (source, target) = (source.absolute(root), target.absolute(root));
            if let Some(first) = seen.insert(source.clone(), from.span) {
                let detail = format!("`{source}` is mapped twice.");
                found.push(
                    Diagnostic::error(codes::BAD_SETTING, detail)
                        .on(from, "again")
                        .at(first, "first")
                        .help("Remove one of the entries."),
                );
                continue;
            }
            all.push((source, target, from.span));
        }
        all.sort_by_key(|(from, ..)| std::cmp::Reverse(from.segments.len()));
        Self { entries: all }
    }

    /// Where an address leads in this environment, and the entry that says so.
    pub fn map(&self, place: &Place) -> Option<(Place, Option<Span>)> {
        self.entries.iter().find_map(|(from, to, span)| Some((to.join(place.below(from)?), *span)))
    }
}

pub(crate) fn bad_place(text: &str, why: &BadPlace, span: Option<Span>) -> Diagnostic {
    Diagnostic::error(codes::BAD_ADDRESS, format!("`{text}` cannot be used as an address: {why}."))
        .at(span, "this address")
        .help("Write it plainly, such as `https://host/path`, `s3://bucket/path` or `file:path`.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use datamesh_provider::Spanned;

    fn endpoints(pairs: &[(&str, &str)]) -> (Endpoints, Diagnostics) {
        let text = |t: &str| Spanned::implied(t.to_owned());
        let entries = pairs.iter().map(|(from, to)| (text(from), text(to))).collect();
        let mut found = Diagnostics::default();
        (Endpoints::parse(&entries, "/mesh", &mut found), found)
    }

    #[test]
    fn whole_segments_match_longest_first() {
        let (map, found) = endpoints(&[
            ("https://registry.internal", "http://127.0.0.1:18081/apis/ccompat/v7"),
            ("s3://data-lake", "file:.datamesh/warehouse"),
            ("s3://data-lake/special", "s3://other"),
        ]);
        assert!(found.is_empty());
        let mapped =
            |text: &str| map.map(&Place::parse(text).expect(text)).map(|(place, _)| place.to_string());
        assert_eq!(
            mapped("HTTPS://Registry.Internal:443/a/").as_deref(),
            Some("http://127.0.0.1:18081/apis/ccompat/v7/a")
        );
        assert_eq!(
            mapped("s3://data-lake/orders/facts/").as_deref(),
            Some("file:/mesh/.datamesh/warehouse/orders/facts")
        );
        assert_eq!(mapped("s3://data-lake/special/x").as_deref(), Some("s3://other/x"));
        assert_eq!(
            mapped("s3://data-lake/specials").as_deref(),
            Some("file:/mesh/.datamesh/warehouse/specials")
        );
        for text in [
            "s3://data-lake2/x",
            "https://registry.internal:8443/a",
            "http://registry.internal/a",
            "https://registry.internal.evil.com/a",
        ] {
            assert_eq!(mapped(text), None, "{text}");
        }
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        for text in [
            "https://user:pw@host/a",
            "https://host/a?b",
            "https://host/a#b",
            "https://host/a/../b",
            "https://host/./b",
            "https://host/a%2Fb",
            "https://host/a%2e%2e/b",
            "https://host/a%00",
            "https://host//a",
            "https://host/a\\b",
            "https://host/a b",
            "https:host",
            "https://",
            "host/path",
            "/abs/path",
            "https://host:99999/",
            "s3:///x",
            "file://host/x",
            "https://host/%zz",
            "https://ho st/",
            "https://host/a\n",
            "",
            "https://host@evil/",
        ] {
            assert!(Place::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn local_paths_have_one_spelling() {
        for text in ["file:/a/b", "file:///a/b/", "file://localhost/a/b"] {
            assert_eq!(Place::parse(text).expect(text).to_string(), "file:/a/b");
        }
        assert_eq!(
            Place::parse("file:a/b").expect("relative").absolute("/mesh/").to_string(),
            "file:/mesh/a/b"
        );
    }

    #[test]
    fn one_address_is_mapped_once() {
        let (_, found) =
            endpoints(&[("https://a", "https://b"), ("https://A:443/", "https://c"), ("x", "https://d")]);
        assert_eq!(found.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["DM0222", "DM0224"]);
    }

    proptest::proptest! {
        #[test]
        fn what_parses_prints_as_itself(text in "(https?|s3|file):(//)?[ -~é]{0,24}") {
            if let Ok(place) = Place::parse(&text) {
                proptest::prop_assert_eq!(Place::parse(&place.to_string()), Ok(place.clone()));
                proptest::prop_assert!(place.segments.iter().all(|s| !s.is_empty() && s != "." && s != ".."));
            }
        }

        #[test]
        fn nothing_below_an_address_leaves_it(path in "[a-c%2ef./]{0,12}") {
            let base = Place::parse("s3://bucket/base").expect("an address");
            if let Ok(below) = Place::segments_of(&path) {
                let joined = base.join(&below);
                proptest::prop_assert_eq!(joined.below(&base), Some(below.as_slice()));
            }
        }
    }
}
