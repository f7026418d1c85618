//! Values that can be written in more than one way.
//!
//! Serde has no word for "a text or a map" that keeps places, and `untagged` enums lose both places and errors.
//! These types ask the deserializer for [`ByKind`] instead: which variant it is follows from the kind of the node.

use crate::manifest::model::{Field, Opt};
use datamesh_provider::{Located, Span, SpanMap, Spanned};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The name by which the deserializer recognises [`ByKind`].
pub(crate) const BY_KIND: &str = "$datamesh::ByKind";

/// A node by its kind. Only the manifest deserializer can offer it.
#[derive(serde::Deserialize)]
#[serde(rename = "$datamesh::ByKind")]
enum ByKind<S, Q, M> {
    Scalar(S),
    Sequence(Q),
    Mapping(M),
}

/// Stands where a kind of node is not allowed. The shape check reports such nodes before anything is decoded.
struct Refused(PhantomData<()>);

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("a value of this kind is not allowed here"))
    }
}

impl Refused {
    fn never<T, E: Error>(self) -> Result<T, E> {
        Err(E::custom("a value of this kind is not allowed here"))
    }
}

/// A string, number or boolean, kept as the text that was written: `0.90` stays `0.90`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scalar(pub String);

impl Scalar {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The manifest deserializer gives the text of any scalar when it is asked for a string.
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// One value or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ByKind::<T, Vec<T>, T>::deserialize(deserializer)? {
            ByKind::Scalar(one) | ByKind::Mapping(one) => Ok(Self(vec![one])),
            ByKind::Sequence(many) => Ok(Self(many)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// Any YAML, kept for somebody else to read: a provider's settings, a default.
#[derive(Clone, Debug)]
pub struct Node(pub Located);

/// Two nodes are equal wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, span } = Spanned::<Piece>::deserialize(deserializer)?;
        let mut spans = SpanMap::of_object(span);
        let value = value.flatten(&mut Vec::new(), &mut spans);
        Ok(Self(Located { value, spans }))
    }
}

impl JsonSchema for Node {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

/// Any node, its places still beside its parts.
enum Piece {
    Leaf(Json),
    List(Vec<Spanned<Piece>>),
    Map(Vec<(String, Spanned<Piece>)>),
}

impl Piece {
    /// The plain value; the places of its parts go to `spans` under `path`.
    fn flatten(self, path: &mut Vec<String>, spans: &mut SpanMap) -> Json {
        match self {
            Self::Leaf(value) => value,
            Self::List(items) => {
                let items = items.into_iter().enumerate();
                Json::Array(items.map(|(i, item)| Self::part(i.to_string(), item, path, spans)).collect())
            }
            Self::Map(entries) => {
                let entries = entries.into_iter();
                Json::Object(
                    entries.map(|(key, item)| (key.clone(), Self::part(key, item, path, spans))).collect(),
                )
            }
        }
    }

    fn part(name: String, item: Spanned<Self>, path: &mut Vec<String>, spans: &mut SpanMap) -> Json {
        path.push(name);
        note_span(path, item.span, spans);
        let value = item.value.flatten(path, spans);
        path.pop();
        value
    }
}

fn note_span(path: &[String], span: Option<Span>, spans: &mut SpanMap) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    spans.insert(&path, span);
}

impl<'de> Deserialize<'de> for Piece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PieceVisitor)
    }
}

struct PieceVisitor;

impl<'de> Visitor<'de> for PieceVisitor {
    type Value = Piece;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Piece, E> {
        Ok(Piece::Leaf(Json::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Piece, E> {
        Ok(Piece::Leaf(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Piece, E> {
        Ok(Piece::Leaf(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Piece, E> {
        Ok(Piece::Leaf(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Piece, E> {
        Ok(Piece::Leaf(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Piece, E> {
        Ok(Piece::Leaf(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Piece, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Piece::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Piece, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Piece::Map(entries))
    }
}

/// The type of an array's items, a map's keys or values: a type name, or a map with `type` and its details.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementType {
    pub ty: Spanned<String>,
    /// Whether items may not be null. Default: false.
    pub required: Opt<bool>,
    pub values: Opt<Box<Values>>,
    pub items: Opt<Box<ElementType>>,
    pub keys: Opt<Box<ElementType>>,
    pub fields: Vec<Spanned<Field>>,
}

/// The long form of an [`ElementType`].
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "ElementDetails")]
struct ElementDetails {
    /// A type, as of a field.
    #[serde(rename = "type")]
    ty: Spanned<String>,
    /// Whether an item may not be null. Default: false.
    required: Opt<bool>,
    /// The symbols of an `enum`, or the value type of a `map`.
    values: Opt<Box<Values>>,
    /// Of an `array`.
    items: Opt<Box<ElementType>>,
    /// Of a `map`; default: string.
    keys: Opt<Box<ElementType>>,
    /// Of a `struct`.
    #[serde(default)]
    fields: Vec<Spanned<Field>>,
}

impl From<ElementDetails> for ElementType {
    fn from(long: ElementDetails) -> Self {
        let ElementDetails { ty, required, values, items, keys, fields } = long;
        Self { ty, required, values, items, keys, fields }
    }
}

impl From<Spanned<String>> for ElementType {
    fn from(ty: Spanned<String>) -> Self {
        Self { ty, required: None, values: None, items: None, keys: None, fields: Vec::new() }
    }
}

impl<'de> Deserialize<'de> for ElementType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ByKind::<Spanned<String>, Refused, ElementDetails>::deserialize(deserializer)? {
            ByKind::Scalar(ty) => Ok(ty.into()),
            ByKind::Mapping(long) => Ok(long.into()),
            ByKind::Sequence(refused) => refused.never(),
        }
    }
}

impl JsonSchema for ElementType {
    fn schema_name() -> Cow<'static, str> {
        "ElementType".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let details = generator.subschema_for::<ElementDetails>();
        json_schema!({
            "description": "A type name, or a map with `type` and its details.",
            "anyOf": [{ "type": "string" }, details],
        })
    }
}

/// `values` of a field: the symbols of an enum (a list), or the value type of a map.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Symbols(Vec<Spanned<Scalar>>),
    Type(ElementType),
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Form = ByKind<Spanned<String>, Vec<Spanned<Scalar>>, ElementDetails>;
        Ok(match Form::deserialize(deserializer)? {
            ByKind::Scalar(ty) => Self::Type(ty.into()),
            ByKind::Sequence(symbols) => Self::Symbols(symbols),
            ByKind::Mapping(long) => Self::Type(long.into()),
        })
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        "Values".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (symbol, details) =
            (generator.subschema_for::<Scalar>(), generator.subschema_for::<ElementDetails>());
        json_schema!({
            "description": "The symbols of an `enum` (a list), or the value type of a `map`.",
            "anyOf": [{ "type": "array", "items": symbol }, { "type": "string" }, details],
        })
    }
}

/// One entry of `partition_by` or `sort_by`: a text such as `day(created_at)`, or `{transform, name}`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionBy {
    pub transform: Spanned<String>,
    pub name: Opt<String>,
}

/// The long form of a [`PartitionBy`].
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PartitionDetails {
    /// A field, or a transform such as `day(created_at)`.
    transform: Spanned<String>,
    /// The name of the partition field.
    name: Opt<String>,
}

impl<'de> Deserialize<'de> for PartitionBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ByKind::<Spanned<String>, Refused, PartitionDetails>::deserialize(deserializer)? {
            ByKind::Scalar(transform) => Ok(Self { transform, name: None }),
            ByKind::Mapping(PartitionDetails { transform, name }) => Ok(Self { transform, name }),
            ByKind::Sequence(refused) => refused.never(),
        }
    }
}

impl JsonSchema for PartitionBy {
    fn schema_name() -> Cow<'static, str> {
        "PartitionBy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let details = generator.subschema_for::<PartitionDetails>();
        json_schema!({
            "description": "A field or a transform such as `day(created_at)`, or a map with `transform` and `name`.",
            "anyOf": [{ "type": "string" }, details],
        })
    }
}
