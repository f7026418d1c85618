//! An Avro schema as a graph of types, every name resolved: what the judge walks.

use crate::equality::{PRIMITIVES, defined_name, full_name};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A type of one [`Model`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(usize);

/// A schema, and the schemas it refers to.
#[derive(Debug, Default)]
pub(super) struct Model {
    nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) ty: Type,
    /// What a value means beyond its encoding.
    pub(super) meaning: Option<Meaning>,
}

#[derive(Debug)]
pub(super) enum Type {
    Primitive(Primitive),
    Array(Id),
    Map(Id),
    Union(Vec<Id>),
    Fixed { name: Name, size: u64 },
    Enum { name: Name, symbols: Vec<String>, default: Option<String> },
    Record { name: Name, fields: Fields },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

/// Full names, with their name spaces.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) full: String,
    pub(super) aliases: Vec<String>,
}

/// The fields of a record, in their order.
#[derive(Debug, Default)]
pub(super) struct Fields {
    list: Vec<Field>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) has_default: bool,
    pub(super) ty: Id,
}

/// The logical types of the specification (1.12, "Logical Types"), where they annotate a type they may annotate.
/// On any other type, and where the specification knows no such name, readers ignore the annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Decimal { precision: u64, scale: u64 },
    Other(String),
}

impl Fields {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.list.iter()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Field> {
        self.list.get(*self.by_name.get(name)?)
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        let list: Vec<Field> = fields.into_iter().collect();
        let by_name = list.iter().enumerate().map(|(index, field)| (field.name.clone(), index)).collect();
        Self { list, by_name }
    }
}

impl Name {
    pub(super) fn simple(&self) -> &str {
        self.full.rsplit('.').next().unwrap_or(&self.full)
    }
}

impl Primitive {
    fn from_name(name: &str) -> Option<Self> {
        const ALL: [Primitive; 8] = [
            Primitive::Null,
            Primitive::Boolean,
            Primitive::Int,
            Primitive::Long,
            Primitive::Float,
            Primitive::Double,
            Primitive::Bytes,
            Primitive::String,
        ];
        ALL.into_iter().find(|primitive| primitive.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }

    /// Whether a reader of `self` takes what was written as `written` (specification 1.12, "Schema Resolution").
    pub(super) fn takes(self, written: Self) -> bool {
        use Primitive::{Bytes, Double, Float, Int, Long, String};
        self == written
            || matches!(
                (self, written),
                (Long, Int)
                    | (Float, Int | Long)
                    | (Double, Int | Long | Float)
                    | (Bytes, String)
                    | (String, Bytes)
            )
    }
}

impl Model {
    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// Reads a schema whose references are given as texts, each after those it refers to itself.
    pub(super) fn read(text: &str, references: &[&str]) -> Result<(Self, Id), String> {
        let mut reader = Reader::default();
        for reference in references {
            reader.root(reference)?;
        }
        let root = reader.root(text)?;
        let nodes = reader.nodes.into_iter().map(|node| node.ok_or("a type refers to itself only"));
        Ok((Self { nodes: nodes.collect::<Result<_, _>>()? }, root))
    }
}

#[derive(Default)]
struct Reader {
    /// `None` while a named type is being read: its fields may refer to it.
    nodes: Vec<Option<Node>>,
    named: HashMap<String, Id>,
}

impl Reader {
    fn root(&mut self, text: &str) -> Result<Id, String> {
        let tree: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        self.schema(&tree, "")
    }

    fn reserve(&mut self) -> Id {
        self.nodes.push(None);
        Id(self.nodes.len() - 1)
    }

    fn fill(&mut self, id: Id, ty: Type, meaning: Option<Meaning>) {
        if let Some(slot) = self.nodes.get_mut(id.0) {
            *slot = Some(Node { ty, meaning });
        }
    }

    fn add(&mut self, ty: Type, meaning: Option<Meaning>) -> Id {
        let id = self.reserve();
        self.fill(id, ty, meaning);
        id
    }

    fn schema(&mut self, value: &Value, space: &str) -> Result<Id, String> {
        match value {
            Value::String(name) => self.reference(name, space),
            Value::Array(branches) => {
                let branches =
                    branches.iter().map(|branch| self.schema(branch, space)).collect::<Result<_, _>>()?;
                Ok(self.add(Type::Union(branches), None))
            }
            Value::Object(map) => self.object(map, space),
            other => Err(format!("{other} is no type")),
        }
    }

    fn reference(&mut self, name: &str, space: &str) -> Result<Id, String> {
        if let Some(primitive) = Primitive::from_name(name) {
            return Ok(self.add(Type::Primitive(primitive), None));
        }
        let known = self.named.get(full_name(name, space).as_ref()).or_else(|| self.named.get(name));
        known.copied().ok_or_else(|| format!("the type `{name}` is not defined"))
    }

    fn object(&mut self, map: &Map<String, Value>, space: &str) -> Result<Id, String> {
        let kind = map.get("type").ok_or("a type without the key `type`")?;
        match kind.as_str() {
            Some("record" | "error") => self.record(map, space),
            Some("enum") => self.enumeration(map, space),
            Some("fixed") => self.fixed(map, space),
            Some("array") => {
                let items = self.part(map, "items", space)?;
                Ok(self.add(Type::Array(items), None))
            }
            Some("map") => {
                let values = self.part(map, "values", space)?;
                Ok(self.add(Type::Map(values), None))
            }
            Some(name) if PRIMITIVES.contains(&name) => {
                let primitive = Primitive::from_name(name).ok_or("no primitive")?;
                Ok(self.add(Type::Primitive(primitive), meaning(map, name)))
            }
            _ => self.schema(kind, space),
        }
    }

    fn part(&mut self, map: &Map<String, Value>, key: &str, space: &str) -> Result<Id, String> {
        let inner = map.get(key).ok_or_else(|| format!("a type without the key `{key}`"))?;
        self.schema(inner, space)
    }

    /// The place of a named type, its name, and the name space inside it.
    fn define(&mut self, map: &Map<String, Value>, outer: &str) -> Result<(Id, Name, String), String> {
        let (full, space) = defined_name(map, outer).ok_or("a record, enum or fixed without a name")?;
        let id = self.reserve();
        self.named.insert(full.clone(), id);
        let aliases =
            strings(map.get("aliases")).map(|alias| full_name(alias, &space).into_owned()).collect();
        Ok((id, Name { full, aliases }, space))
    }

    fn record(&mut self, map: &Map<String, Value>, outer: &str) -> Result<Id, String> {
        let (id, name, space) = self.define(map, outer)?;
        let listed = map.get("fields").and_then(Value::as_array).ok_or("a record without fields")?;
        let fields = listed.iter().map(|field| self.field(field, &space)).collect::<Result<_, _>>()?;
        self.fill(id, Type::Record { name, fields }, None);
        Ok(id)
    }

    fn field(&mut self, field: &Value, space: &str) -> Result<Field, String> {
        let name = field.get("name").and_then(Value::as_str).ok_or("a field without a name")?;
        let ty = field.get("type").ok_or_else(|| format!("the field `{name}` has no type"))?;
        Ok(Field {
            name: name.to_owned(),
            aliases: strings(field.get("aliases")).map(str::to_owned).collect(),
            has_default: field.get("default").is_some(),
            ty: self.schema(ty, space)?,
        })
    }

    fn enumeration(&mut self, map: &Map<String, Value>, outer: &str) -> Result<Id, String> {
        let (id, name, _) = self.define(map, outer)?;
        let symbols = strings(map.get("symbols")).map(str::to_owned).collect();
        let default = map.get("default").and_then(Value::as_str).map(str::to_owned);
        self.fill(id, Type::Enum { name, symbols, default }, None);
        Ok(id)
    }

    fn fixed(&mut self, map: &Map<String, Value>, outer: &str) -> Result<Id, String> {
        let (id, name, _) = self.define(map, outer)?;
        let size = map.get("size").and_then(Value::as_u64).ok_or("a fixed without a size")?;
        self.fill(id, Type::Fixed { name, size }, meaning(map, "fixed"));
        Ok(id)
    }
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn meaning(map: &Map<String, Value>, of: &str) -> Option<Meaning> {
    let logical = map.get("logicalType")?.as_str()?;
    let number = |key: &str| map.get(key).map_or(Some(0), Value::as_u64);
    match (logical, of) {
        ("decimal", "bytes" | "fixed") => {
            let (precision, scale) = (number("precision")?, number("scale")?);
            (precision > 0 && scale <= precision).then_some(Meaning::Decimal { precision, scale })
        }
        ("date" | "time-millis", "int")
        | (
            "time-micros"
            | "timestamp-millis"
            | "timestamp-micros"
            | "timestamp-nanos"
            | "local-timestamp-millis"
            | "local-timestamp-micros"
            | "local-timestamp-nanos",
            "long",
        )
        | ("uuid", "string" | "fixed")
        | ("duration", "fixed") => Some(Meaning::Other(logical.to_owned())),
        _ => None,
    }
}
