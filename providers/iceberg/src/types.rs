//! Column types: the attribute form (without ids) and the table specification's JSON form (with ids).

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::fmt;

/// A primitive type of the table specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Decimal {
        precision: u32,
        scale: u32,
    },
    Date,
    Time,
    Timestamp,
    Timestamptz,
    TimestampNs,
    TimestamptzNs,
    String,
    Uuid,
    Fixed(u64),
    Binary,
    /// A type of a later format version, kept as the catalog wrote it.
    Other(String),
}

impl Primitive {
    pub(crate) fn parse(text: &str) -> Self {
        Self::named(text).unwrap_or_else(|| {
            let lean: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let lean = lean.to_ascii_lowercase();
            let parsed = Self::named(&lean).or_else(|| parameters(&lean));
            parsed.unwrap_or_else(|| Self::Other(text.trim().to_owned()))
        })
    }

    fn named(text: &str) -> Option<Self> {
        Some(match text {
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::Timestamptz,
            "timestamp_ns" => Self::TimestampNs,
            "timestamptz_ns" => Self::TimestamptzNs,
            "string" => Self::String,
            "uuid" => Self::Uuid,
            "binary" => Self::Binary,
            _ => return None,
        })
    }

    pub(crate) fn is_timestamp(&self) -> bool {
        matches!(self, Self::Timestamp | Self::Timestamptz | Self::TimestampNs | Self::TimestamptzNs)
    }

    /// Whether the table specification lets a column of this type become one of the other in place.
    pub(crate) fn widens_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int, Self::Long) | (Self::Float, Self::Double) => true,
            (Self::Decimal { precision: p, scale: s }, Self::Decimal { precision: q, scale: t }) => {
                s == t && p < q
            }
            _ => false,
        }
    }
}

/// `decimal(p,s)` and `fixed[n]`.
fn parameters(lean: &str) -> Option<Primitive> {
    if let Some(inner) = lean.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = inner.split_once(',')?;
        return Some(Primitive::Decimal { precision: precision.parse().ok()?, scale: scale.parse().ok()? });
    }
    let inner = lean.strip_prefix("fixed[")?.strip_suffix(']')?;
    inner.parse().ok().map(Primitive::Fixed)
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::TimestampNs => "timestamp_ns",
            Self::TimestamptzNs => "timestamptz_ns",
            Self::String => "string",
            Self::Uuid => "uuid",
            Self::Binary => "binary",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Fixed(length) => return write!(f, "fixed[{length}]"),
            Self::Other(text) => text,
        })
    }
}

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Primitive(Primitive),
    Struct(Vec<Field>),
    List { element: Box<Type>, element_required: bool },
    Map { key: Box<Type>, value: Box<Type>, value_required: bool },
}

/// A column, or a field of a struct.
// In the order of their names, as they are written: nothing has to be put in order then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// `None`: the comment is not managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) doc: Option<String>,
    /// Live, and last applied: the number by which the catalog knows the column, whatever its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<i64>,
    pub(crate) name: String,
    /// Declared: earlier names, oldest first. An empty list says that it never had another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renamed_from: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(rename = "type")]
    pub(crate) ty: Type,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(primitive) => primitive.fmt(f),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {}", field.name, field.ty)?;
                }
                f.write_str(">")
            }
            Self::List { element, .. } => write!(f, "list<{element}>"),
            Self::Map { key, value, .. } => write!(f, "map<{key}, {value}>"),
        }
    }
}

impl Type {
    pub(crate) fn to_attributes(&self) -> Value {
        match self {
            Self::Primitive(primitive) => Value::String(primitive.to_string()),
            Self::Struct(fields) => json!({"type": "struct", "fields": fields}),
            Self::List { element, element_required } => {
                json!({"type": "list", "element": element, "element_required": element_required})
            }
            Self::Map { key, value, value_required } => {
                json!({"type": "map", "key": key, "value": value, "value_required": value_required})
            }
        }
    }

    fn from_attributes(mut map: Map<String, Value>) -> Result<Self, String> {
        let kind = map.remove("type").unwrap_or_default();
        let ty = match kind.as_str() {
            Some("struct") => {
                let fields = map.remove("fields").ok_or("a struct has no `fields`")?;
                Self::Struct(serde_json::from_value(fields).map_err(|error| error.to_string())?)
            }
            Some("list") => Self::List {
                element: take_type(&mut map, "element")?,
                element_required: take_bool(&mut map, "element_required")?,
            },
            Some("map") => Self::Map {
                key: take_type(&mut map, "key")?,
                value: take_type(&mut map, "value")?,
                value_required: take_bool(&mut map, "value_required")?,
            },
            _ => return Err(format!("{kind} is no nested type; there are struct, list and map")),
        };
        match map.keys().next() {
            Some(key) => Err(format!("a type has the unknown key `{key}`")),
            None => Ok(ty),
        }
    }

    /// The table specification's JSON form. Ids are given in the specification's order of visits: the fields of a
    /// struct first, then what is inside each of them.
    pub(crate) fn to_spec(&self, next: &mut dyn FnMut() -> i64) -> Value {
        match self {
            Self::Primitive(primitive) => Value::String(primitive.to_string()),
            Self::Struct(fields) => json!({"type": "struct", "fields": fields_to_spec(fields, next)}),
            Self::List { element, element_required } => {
                let id = next();
                json!({"type": "list", "element-id": id, "element-required": element_required,
                       "element": element.to_spec(next)})
            }
            Self::Map { key, value, value_required } => {
                let (key_id, value_id) = (next(), next());
                json!({"type": "map", "key-id": key_id, "key": key.to_spec(next), "value-id": value_id,
                       "value-required": value_required, "value": value.to_spec(next)})
            }
        }
    }

    /// Reads the table specification's JSON form; of the ids, those of fields are kept.
    pub(crate) fn from_spec(value: &Value) -> Result<Self, String> {
        if let Value::String(text) = value {
            return Ok(Self::Primitive(Primitive::parse(text)));
        }
        let inner = |key: &str| {
            let inner = value.get(key).ok_or_else(|| format!("a nested type has no `{key}`"))?;
            Self::from_spec(inner).map(Box::new)
        };
        let flag = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
        match value.get("type").and_then(Value::as_str) {
            Some("struct") => {
                fields_from_spec(value.get("fields").ok_or("a struct has no `fields`")?).map(Self::Struct)
            }
            Some("list") => {
                Ok(Self::List { element: inner("element")?, element_required: flag("element-required") })
            }
            Some("map") => Ok(Self::Map {
                key: inner("key")?,
                value: inner("value")?,
                value_required: flag("value-required"),
            }),
            other => Err(format!("there is no nested type {other:?}")),
        }
    }
}

fn take_type(map: &mut Map<String, Value>, key: &str) -> Result<Box<Type>, String> {
    let value = map.remove(key).ok_or_else(|| format!("a nested type has no `{key}`"))?;
    Type::deserialize(value).map(Box::new).map_err(|error| error.to_string())
}

fn take_bool(map: &mut Map<String, Value>, key: &str) -> Result<bool, String> {
    match map.remove(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(other) => Err(format!("`{key}` is true or false, not {other}")),
    }
}

/// Columns in the table specification's JSON form, with fresh ids.
pub(crate) fn fields_to_spec(fields: &[Field], next: &mut dyn FnMut() -> i64) -> Vec<Value> {
    let ids: Vec<i64> = fields.iter().map(|_| next()).collect();
    fields
        .iter()
        .zip(ids)
        .map(|(field, id)| {
            let mut map = Map::new();
            map.insert("id".into(), json!(id));
            map.insert("name".into(), json!(field.name));
            map.insert("required".into(), json!(field.required));
            map.insert("type".into(), field.ty.to_spec(next));
            if let Some(doc) = &field.doc {
                map.insert("doc".into(), json!(doc));
            }
            Value::Object(map)
        })
        .collect()
}

/// Columns of the table specification's JSON form.
pub(crate) fn fields_from_spec(value: &Value) -> Result<Vec<Field>, String> {
    let items = value.as_array().ok_or("`fields` is not a list")?;
    items
        .iter()
        .map(|item| {
            let name = item.get("name").and_then(Value::as_str).ok_or("a column has no name")?;
            let ty = item.get("type").ok_or_else(|| format!("the column `{name}` has no type"))?;
            Ok(Field {
                name: name.to_owned(),
                ty: Type::from_spec(ty)?,
                required: item.get("required").and_then(Value::as_bool).unwrap_or_default(),
                doc: item.get("doc").and_then(Value::as_str).map(str::to_owned),
                renamed_from: None,
                id: item.get("id").and_then(Value::as_i64),
            })
        })
        .collect()
}

/// A column found by its dotted path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) field: &'a Field,
    /// Whether the column and every struct around it is required.
    pub(crate) required: bool,
}

/// Finds a column by name; `a.b` is the field `b` of the struct `a` unless a column has that very name.
pub(crate) fn find<'a>(fields: &'a [Field], path: &str) -> Option<Found<'a>> {
    if let Some(field) = fields.iter().find(|field| field.name == path) {
        return Some(Found { field, required: field.required });
    }
    let (outer, rest) = path.split_once('.')?;
    let outer = fields.iter().find(|field| field.name == outer)?;
    let Type::Struct(inner) = &outer.ty else { return None };
    find(inner, rest).map(|found| Found { required: found.required && outer.required, ..found })
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Primitive(primitive) => serializer.collect_str(primitive),
            nested => nested.to_attributes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Spelled)
    }
}

/// Nearly every column is of a primitive type: of these no tree is made.
struct Spelled;

impl<'de> Visitor<'de> for Spelled {
    type Value = Type;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a type, or a map")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Type, E> {
        Ok(Type::Primitive(Primitive::parse(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Type, A::Error> {
        let nested = Map::deserialize(MapAccessDeserializer::new(map))?;
        Type::from_attributes(nested).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primitive_types_have_one_spelling() {
        for (text, canonical) in [
            ("decimal(38, 9)", "decimal(38,9)"),
            ("Decimal( 9,2 )", "decimal(9,2)"),
            ("LONG", "long"),
            ("fixed[16]", "fixed[16]"),
            ("geometry(srid:0)", "geometry(srid:0)"),
        ] {
            assert_eq!(Primitive::parse(text).to_string(), canonical);
        }
    }

    #[test]
    fn only_the_specified_promotions_widen() {
        let widens = |a: &str, b: &str| Primitive::parse(a).widens_to(&Primitive::parse(b));
        assert!(
            widens("int", "long") && widens("float", "double") && widens("decimal(9,2)", "decimal(10,2)")
        );
        assert!(
            !widens("long", "int") && !widens("decimal(9,2)", "decimal(10,3)") && !widens("int", "string")
        );
    }

    #[test]
    fn nested_types_survive_both_forms() {
        let text = json!({"type": "map", "key": "string", "value_required": true, "value":
            {"type": "list", "element_required": false, "element":
                {"type": "struct", "fields": [{"name": "a", "type": "int", "required": true, "doc": "x"}]}}});
        let ty: Type = serde_json::from_value(text.clone()).expect("decodes");
        assert_eq!(ty.to_attributes(), text);
        let mut id = 0;
        let spec = ty.to_spec(&mut || {
            id += 1;
            id
        });
        assert_eq!(id, 4);
        assert_eq!(spec["value"]["element"]["fields"][0]["id"], json!(4));
        let read = Type::from_spec(&spec).expect("a type");
        let numbered = read.to_attributes();
        assert_eq!(numbered["value"]["element"]["fields"][0]["id"], json!(4));
        assert_eq!(read.to_string(), ty.to_string());
    }

    #[test]
    fn a_struct_numbers_its_own_fields_first() {
        let fields: Vec<Field> = serde_json::from_value(json!([
            {"name": "a", "type": {"type": "struct", "fields": [{"name": "x", "type": "int"}]}},
            {"name": "b", "type": "int"},
        ]))
        .expect("decodes");
        let mut id = 0;
        let spec = fields_to_spec(&fields, &mut || {
            id += 1;
            id
        });
        assert_eq!((&spec[0]["id"], &spec[1]["id"]), (&json!(1), &json!(2)));
        assert_eq!(spec[0]["type"]["fields"][0]["id"], json!(3));
    }

    #[test]
    fn unknown_keys_of_a_type_are_refused() {
        for bad in [
            json!({"type": "list", "element": "int", "element_id": 3}),
            json!({"type": "tuple"}),
            json!({"type": "list"}),
            json!(3),
            json!({"type": "list", "element": "int", "element_required": "yes"}),
        ] {
            assert!(serde_json::from_value::<Type>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn columns_are_found_through_structs() {
        let fields: Vec<Field> = serde_json::from_value(json!([
            {"name": "a", "required": false, "type":
                {"type": "struct", "fields": [{"name": "x", "type": "int", "required": true}]}},
            {"name": "a.y", "type": "long", "required": true},
        ]))
        .expect("decodes");
        assert_eq!(find(&fields, "a.x").map(|found| found.required), Some(false));
        assert_eq!(find(&fields, "a.y").map(|found| found.required), Some(true));
        assert!(find(&fields, "a.z").is_none() && find(&fields, "b").is_none());
    }
}
