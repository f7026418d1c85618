//! The shape of documents, compiled from the JSON Schema of the model types.
//!
//! Serde stops at its first error and knows no places. So a document is first compared with its shape, which
//! reports everything at once, in words of YAML; serde then decodes what is known to fit. One set of types
//! gives the schema for editors, this check, and the decoded values.

use serde_json::{Map as JsonMap, Value as Json};
use std::collections::HashMap;

pub(crate) type ShapeId = usize;

/// What may stand at one place.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) form: Form,
    /// Whether an empty value is as good as a missing key.
    pub(crate) nullable: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Form {
    Any,
    Text,
    Boolean,
    Integer {
        min: i128,
        max: i128,
    },
    Number,
    /// A text, number or boolean.
    Scalar,
    Choice(Vec<String>),
    List(ShapeId),
    /// A map with free keys.
    Table(ShapeId),
    Object(Object),
    /// Alternatives that differ in the kind of node.
    Either(Vec<ShapeId>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Object {
    pub(crate) keys: HashMap<String, ShapeId>,
    /// Known keys in the order of the format's definition.
    pub(crate) names: Vec<String>,
    pub(crate) required: Vec<String>,
}

/// All shapes that one root refers to.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    shapes: Vec<Shape>,
    pub(crate) root: ShapeId,
}

impl Shapes {
    pub(crate) fn get(&self, id: ShapeId) -> &Shape {
        const ANY: &Shape = &Shape { form: Form::Any, nullable: true };
        self.shapes.get(id).unwrap_or(ANY)
    }

    /// Compiles a schema as schemars writes them: `$defs`, `$ref`, `type`, `enum`, `const`, `anyOf`, `oneOf`,
    /// `properties`, `required`, `additionalProperties`, `items`, `minimum`, `maximum`.
    pub(crate) fn compile(schema: &Json) -> Self {
        let empty = JsonMap::new();
        let definitions = schema.get("$defs").and_then(Json::as_object).unwrap_or(&empty);
        let mut compiler = Compiler { definitions, known: HashMap::new(), shapes: Vec::new() };
        let root = compiler.shape(schema);
        Self { shapes: compiler.shapes, root }
    }
}

struct Compiler<'s> {
    definitions: &'s JsonMap<String, Json>,
    known: HashMap<&'s str, ShapeId>,
    shapes: Vec<Shape>,
}

impl<'s> Compiler<'s> {
    fn shape(&mut self, schema: &'s Json) -> ShapeId {
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            return self.reference(reference);
        }
        let shape = self.build(schema);
        self.add(shape)
    }

    /// A definition is entered before it is compiled, so that it may refer to itself.
    fn reference(&mut self, reference: &'s str) -> ShapeId {
        let name = reference.strip_prefix("#/$defs/").unwrap_or(reference);
        if let Some(id) = self.known.get(name) {
            return *id;
        }
        let id = self.add(Shape { form: Form::Any, nullable: true });
        self.known.insert(name, id);
        if let Some(definition) = self.definitions.get(name) {
            self.shapes[id] = self.build(definition);
        }
        id
    }

    fn add(&mut self, shape: Shape) -> ShapeId {
        self.shapes.push(shape);
        self.shapes.len() - 1
    }

    fn build(&mut self, schema: &'s Json) -> Shape {
        for key in ["anyOf", "oneOf"] {
            if let Some(options) = schema.get(key).and_then(Json::as_array) {
                return self.alternatives(options);
            }
        }
        if let Some(text) = schema.get("const").and_then(Json::as_str) {
            return Shape { form: Form::Choice(vec![text.to_owned()]), nullable: false };
        }
        if let Some(values) = schema.get("enum").and_then(Json::as_array) {
            let words = values.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            return Shape { form: Form::Choice(words), nullable: values.iter().any(Json::is_null) };
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Json::String(one)) => vec![one],
            Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).collect(),
            _ => return Shape { form: Form::Any, nullable: true },
        };
        let nullable = types.contains(&"null");
        let named: Vec<&str> = types.into_iter().filter(|ty| *ty != "null").collect();
        let form = match named.as_slice() {
            ["string"] => Form::Text,
            ["boolean"] => Form::Boolean,
            ["number"] => Form::Number,
            ["integer"] => integer(schema),
            ["array"] => Form::List(self.child(schema, "items")),
            ["object"] => self.object(schema),
            many if many.contains(&"string") => Form::Scalar,
            _ => Form::Any,
        };
        Shape { form, nullable }
    }

    fn child(&mut self, schema: &'s Json, key: &str) -> ShapeId {
        match schema.get(key) {
            Some(child) => self.shape(child),
            None => self.add(Shape { form: Form::Any, nullable: true }),
        }
    }

    fn alternatives(&mut self, options: &'s [Json]) -> Shape {
        let is_null = |option: &&Json| option.get("type").and_then(Json::as_str) == Some("null");
        let nullable = options.iter().any(|option| is_null(&option));
        let rest: Vec<&Json> = options.iter().filter(|option| !is_null(option)).collect();
        let words: Vec<String> =
            rest.iter().filter_map(|o| o.get("const")?.as_str()).map(str::to_owned).collect();
        if !rest.is_empty() && words.len() == rest.len() {
            return Shape { form: Form::Choice(words), nullable };
        }
        // Even a single alternative stays one: a reference must not be looked into while it is being compiled.
        let form = Form::Either(rest.into_iter().map(|option| self.shape(option)).collect());
        Shape { form, nullable }
    }

    fn object(&mut self, schema: &'s Json) -> Form {
        let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
            return match schema.get("additionalProperties") {
                Some(values) if values.is_object() => Form::Table(self.shape(values)),
                // An object without keys, or one with free values.
                Some(Json::Bool(false)) => Form::Object(Object::default()),
                _ => Form::Table(self.child(schema, "")),
            };
        };
        let mut object = Object::default();
        for (name, property) in properties {
            let id = self.shape(property);
            object.keys.insert(name.clone(), id);
            object.names.push(name.clone());
        }
        let required = schema.get("required").and_then(Json::as_array);
        object.required =
            required.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect();
        Form::Object(object)
    }
}

fn integer(schema: &Json) -> Form {
    let bound = |key: &str| schema.get(key).and_then(Json::as_number).and_then(serde_json::Number::as_i128);
    let (low, high) = match schema.get("format").and_then(Json::as_str) {
        Some("uint8") => (0, i128::from(u8::MAX)),
        Some("uint16") => (0, i128::from(u16::MAX)),
        Some("uint32") => (0, i128::from(u32::MAX)),
        Some("uint64" | "uint") => (0, i128::from(u64::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    Form::Integer {
        min: bound("minimum").unwrap_or(low).max(low),
        max: bound("maximum").unwrap_or(high).min(high),
    }
}
