//! Where a value came from: files, byte ranges, and the line and column a person sees.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// An index into [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(pub u32);

/// A byte range of one file. Half open, in the bytes of the file's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

/// A file that was read: its path below the mesh root (always with `/`), and its text when it is ours to quote.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: Arc<str>,
    /// `None` where the file must not be quoted, or was not text.
    pub text: Option<Arc<str>>,
}

/// Every file of one load.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// Where the lines of each file begin, once somebody asks.
    lines: Vec<OnceLock<Vec<usize>>>,
}

impl Sources {
    pub fn add(&mut self, file: SourceFile) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(file);
        self.lines.push(OnceLock::new());
        id
    }

    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    pub fn path(&self, id: FileId) -> &str {
        self.get(id).map_or("<unknown>", |file| &file.path)
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0u32..).map(FileId).zip(&self.files)
    }

    /// Line and column, both from 1; columns count characters. `None` when the text is not kept.
    pub fn line_column(&self, span: Span) -> Option<(usize, usize)> {
        let text = self.get(span.file)?.text.as_deref()?;
        let starts = || std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let lines = self.lines.get(usize::try_from(span.file.0).ok()?)?.get_or_init(starts);
        let mut end = usize::try_from(span.start).ok()?.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let line = lines.partition_point(|start| *start <= end);
        let start = *lines.get(line.checked_sub(1)?)?;
        Some((line, text.get(start..end)?.chars().count() + 1))
    }
}

/// A value with the place it was written at. A value that was made by a default has no place.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Option<Span>,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span: Some(span) }
    }

    /// A value nobody wrote: a default.
    pub fn implied(value: T) -> Self {
        Self { value, span: None }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Two values are equal wherever they stand.
impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

/// As with equality, the place does not count.
impl<T: std::hash::Hash> std::hash::Hash for Spanned<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

/// Lets maps with spanned keys be asked with a plain `&str`; place-blind equality and hash make that sound.
impl std::borrow::Borrow<str> for Spanned<String> {
    fn borrow(&self) -> &str {
        &self.value
    }
}

/// Field names by which [`Spanned`] asks a deserializer for the place of a value. A deserializer that knows no
/// places never sees them: it is asked for a struct of this name and must offer these three fields.
pub const SPANNED_STRUCT: &str = "$datamesh::Spanned";
pub const SPANNED_FIELDS: &[&str] = &["$span", "$value"];

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// [`SPANNED_FIELDS`], read without keeping their names: this runs for every value of every manifest.
        #[derive(Deserialize)]
        enum Part {
            #[serde(rename = "$span")]
            Span,
            #[serde(rename = "$value")]
            Value,
        }

        struct Parts<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Parts<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Spanned<T>, A::Error> {
                use serde::de::Error as _;
                let (mut span, mut value) = (None, None);
                while let Some(part) = map.next_key()? {
                    match part {
                        Part::Span => span = Some(map.next_value::<(u32, u32, u32)>()?),
                        Part::Value => value = Some(map.next_value()?),
                    }
                }
                let value = value.ok_or_else(|| A::Error::custom("a value without its content"))?;
                let span = span.map(|(file, start, end)| Span { file: FileId(file), start, end });
                Ok(Spanned { value, span })
            }
        }

        deserializer.deserialize_struct(SPANNED_STRUCT, SPANNED_FIELDS, Parts(std::marker::PhantomData))
    }
}

/// The schema of the value itself: places are invisible in manifests.
impl<T: schemars::JsonSchema> schemars::JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// The places of an object's attributes, by path: `["config", "retention.ms"]`. A path that has no place of its
/// own takes its nearest parent's; the empty path is the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanMap {
    spans: BTreeMap<Vec<String>, Span>,
    /// Places below an attribute that several objects share: the fields of one contract, say.
    shared: BTreeMap<String, Arc<SpanMap>>,
}

impl SpanMap {
    pub fn of_object(span: Option<Span>) -> Self {
        let mut map = Self::default();
        map.insert(&[], span);
        map
    }

    pub fn insert(&mut self, path: &[&str], span: Option<Span>) {
        if let Some(span) = span {
            self.spans.insert(path.iter().map(|s| (*s).to_owned()).collect(), span);
        }
    }

    /// Lends the places of `part` to what is below the attribute `name`.
    pub fn share(&mut self, name: &str, part: Arc<Self>) {
        self.shared.insert(name.to_owned(), part);
    }

    pub fn at(&self, path: &[&str]) -> Option<Span> {
        if let [first, rest @ ..] = path
            && let Some(span) = self.shared.get(*first).and_then(|part| part.at(rest))
        {
            return Some(span);
        }
        let mut path: Vec<String> = path.iter().map(|s| (*s).to_owned()).collect();
        loop {
            if let Some(span) = self.spans.get(&path) {
                return Some(*span);
            }
            path.pop()?;
        }
    }
}

/// A piece of a document as a plain value, with the places of its parts: how a provider gets its settings.
#[derive(Clone, Debug, Default)]
pub struct Located {
    pub value: serde_json::Value,
    pub spans: SpanMap,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add(SourceFile { path: "a.yaml".into(), text: Some("ä: b\r\nc: d\n".into()) });
        let at = |start| sources.line_column(Span { file, start, end: start });
        assert_eq!(at(0), Some((1, 1)));
        assert_eq!(at(2), Some((1, 2)));
        assert_eq!(at(7), Some((2, 1)));
        assert_eq!(at(99), Some((3, 1)));
    }

    #[test]
    fn a_path_without_a_place_takes_its_parents() {
        let span = |start| Some(Span { file: FileId(0), start, end: start });
        let mut map = SpanMap::of_object(span(1));
        map.insert(&["config"], span(2));
        assert_eq!(map.at(&["config", "retention.ms"]), span(2));
        assert_eq!(map.at(&["partitions"]), span(1));
        assert_eq!(SpanMap::default().at(&["x"]), None);
        let mut fields = SpanMap::default();
        fields.insert(&["a", "b"], span(3));
        map.share("schema", Arc::new(fields));
        assert_eq!(map.at(&["schema", "a", "b", "c"]), span(3));
        assert_eq!(map.at(&["schema", "x"]), span(1));
    }
}
