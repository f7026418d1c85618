//! What makes an Avro text unfit to register.
//!
//! Registries differ in what they let pass, and say little about what they refuse. This finds, with its place in
//! the tree, what the Avro specification (1.12, "Schema Declaration") forbids and every client chokes on. It does
//! not judge defaults against their types, nor unknown attributes: those are the registry's to judge.

use crate::equality::{PRIMITIVES, defined_name, full_name};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One thing wrong, and where: `.fields[2].type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) path: String,
    pub(crate) why: String,
}

/// Everything wrong with a text, or nothing. `known` are the full names that its references define.
pub(crate) fn flaws(text: &str, known: &[&str]) -> Vec<Flaw> {
    let tree: Value = match serde_json::from_str(text) {
        Ok(tree) => tree,
        Err(error) => return vec![Flaw { path: String::new(), why: format!("it is not JSON: {error}") }],
    };
    let mut check =
        Check { defined: known.iter().map(|name| (*name).to_owned()).collect(), flaws: Vec::new() };
    check.schema(&tree, "", &Path::Root);
    check.flaws
}

/// A place in the tree, written out only once something is wrong there.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'static str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn key(&self, key: &'static str) -> Path<'_> {
        Path::Key(self, key)
    }

    fn item(&self, index: usize) -> Path<'_> {
        Path::Item(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(outer, key) => write!(f, "{outer}.{key}"),
            Self::Item(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

#[derive(Default)]
struct Check {
    /// Full names defined so far.
    defined: BTreeSet<String>,
    flaws: Vec<Flaw>,
}

impl Check {
    fn wrong(&mut self, path: &Path<'_>, why: impl Into<String>) {
        self.flaws.push(Flaw { path: path.to_string(), why: why.into() });
    }

    fn schema(&mut self, value: &Value, space: &str, path: &Path<'_>) {
        match value {
            Value::String(name) => self.reference(name, space, path),
            Value::Array(branches) => self.union(branches, space, path),
            Value::Object(map) => self.object(map, space, path),
            other => self.wrong(path, format!("a type is a name, a list or a map; this is {other}")),
        }
    }

    fn reference(&mut self, name: &str, space: &str, path: &Path<'_>) {
        let known = PRIMITIVES.contains(&name)
            || self.defined.contains(full_name(name, space).as_ref())
            || self.defined.contains(name);
        if !known {
            self.wrong(path, format!("the type `{name}` is neither built in nor defined before this place"));
        }
    }

    fn union(&mut self, branches: &[Value], space: &str, path: &Path<'_>) {
        let mut seen: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
        for (index, branch) in branches.iter().enumerate() {
            let at = path.item(index);
            if branch.is_array() {
                self.wrong(&at, "a union may not stand directly in a union");
                continue;
            }
            self.schema(branch, space, &at);
            if let Some(first) = branch_kind(branch, space).and_then(|kind| seen.insert(kind, index)) {
                self.wrong(
                    &at,
                    format!("a union may hold each type once; branch {first} has this one already"),
                );
            }
        }
    }

    fn object(&mut self, map: &Map<String, Value>, space: &str, path: &Path<'_>) {
        let Some(kind) = map.get("type") else {
            return self.wrong(path, "the key `type` is missing");
        };
        match kind.as_str() {
            Some("record" | "error") => self.record(map, space, path),
            Some("enum") => self.enumeration(map, space, path),
            Some("fixed") => self.fixed(map, space, path),
            Some("array") => self.part(map, "items", space, path),
            Some("map") => self.part(map, "values", space, path),
            _ => self.schema(kind, space, &path.key("type")),
        }
    }

    fn part(&mut self, map: &Map<String, Value>, key: &'static str, space: &str, path: &Path<'_>) {
        match map.get(key) {
            Some(inner) => self.schema(inner, space, &path.key(key)),
            None => self.wrong(path, format!("the key `{key}` is missing")),
        }
    }

    /// Notes the name of a definition; the name space inside it.
    fn define(&mut self, map: &Map<String, Value>, space: &str, path: &Path<'_>) -> String {
        let Some((name, inner)) = defined_name(map, space) else {
            self.wrong(path, "a record, enum or fixed needs a `name`");
            return space.to_owned();
        };
        if let Some(part) = name.split('.').find(|part| !is_name(part)) {
            self.wrong(&path.key("name"), format!("`{part}` is no name: {NAME_RULE}"));
        } else if PRIMITIVES.contains(&name.as_str()) {
            self.wrong(&path.key("name"), format!("`{name}` is the name of a built-in type"));
        } else if !self.defined.insert(name.clone()) {
            self.wrong(&path.key("name"), format!("`{name}` is defined a second time"));
        }
        inner
    }

    fn record(&mut self, map: &Map<String, Value>, space: &str, path: &Path<'_>) {
        let inner = self.define(map, space, path);
        let Some(Value::Array(fields)) = map.get("fields") else {
            return self.wrong(path, "a record needs a list of `fields`");
        };
        let (mut names, fields_at) = (BTreeSet::new(), path.key("fields"));
        for (index, field) in fields.iter().enumerate() {
            let at = fields_at.item(index);
            let Some(name) = field.get("name").and_then(Value::as_str) else {
                self.wrong(&at, "a field needs a `name`");
                continue;
            };
            if !is_name(name) {
                self.wrong(&at.key("name"), format!("`{name}` is no name: {NAME_RULE}"));
            } else if !names.insert(name) {
                self.wrong(&at.key("name"), format!("the field `{name}` is there already"));
            }
            match field.get("type") {
                Some(ty) => self.schema(ty, &inner, &at.key("type")),
                None => self.wrong(&at, "a field needs a `type`"),
            }
        }
    }

    fn enumeration(&mut self, map: &Map<String, Value>, space: &str, path: &Path<'_>) {
        self.define(map, space, path);
        let Some(Value::Array(symbols)) = map.get("symbols") else {
            return self.wrong(path, "an enum needs a list of `symbols`");
        };
        let (mut seen, symbols_at) = (BTreeSet::new(), path.key("symbols"));
        for (index, symbol) in symbols.iter().enumerate() {
            let at = symbols_at.item(index);
            match symbol.as_str().filter(|symbol| is_name(symbol)) {
                None => self.wrong(&at, format!("{symbol} is no name: {NAME_RULE}")),
                Some(name) if !seen.insert(name) => {
                    self.wrong(&at, format!("the symbol `{name}` is there already"))
                }
                Some(_) => {}
            }
        }
        if let Some(default) = map.get("default").filter(|default| !symbols.contains(default)) {
            self.wrong(&path.key("default"), format!("{default} is none of the symbols"));
        }
    }

    fn fixed(&mut self, map: &Map<String, Value>, space: &str, path: &Path<'_>) {
        self.define(map, space, path);
        if map.get("size").and_then(Value::as_u64).is_none() {
            self.wrong(path, "a fixed needs a `size`, a whole number");
        }
    }
}

const NAME_RULE: &str = "a name is letters, digits and `_`, and does not begin with a digit";

fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What two branches of a union may not have in common.
fn branch_kind<'a>(branch: &'a Value, space: &str) -> Option<Cow<'a, str>> {
    match branch {
        Value::String(name) if PRIMITIVES.contains(&name.as_str()) => Some(Cow::Borrowed(name)),
        Value::String(name) => Some(full_name(name, space)),
        Value::Object(map) => match map.get("type")?.as_str() {
            Some("record" | "error" | "enum" | "fixed") => {
                defined_name(map, space).map(|(name, _)| name.into())
            }
            _ => branch_kind(map.get("type")?, space),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_right_passes() {
        for schema in [
            json!("string"),
            json!(["null", "string", {"type": "long", "logicalType": "timestamp-micros"}]),
            json!({"type": "record", "name": "a.B", "fields": [
                {"name": "x", "type": {"type": "enum", "name": "C", "symbols": ["P", "Q"], "default": "P"}},
                {"name": "y", "type": ["null", "C", "a.B"]},
                {"name": "z", "type": {"type": "map", "values": {"type": "array", "items": "a.C"}}},
                {"name": "f", "type": {"type": "fixed", "name": "F", "size": 0}},
            ]}),
        ] {
            assert_eq!(flaws(&schema.to_string(), &[]), [], "{schema}");
        }
    }

    #[test]
    fn what_references_define_is_known() {
        let schema = json!({"type": "record", "name": "a.B", "fields": [
            {"name": "x", "type": "c.D"}, {"name": "y", "type": "E"}]});
        assert_eq!(flaws(&schema.to_string(), &["c.D", "a.E"]), []);
        assert_eq!(flaws(&schema.to_string(), &["c.D", "c.E"]).len(), 1, "another name space");
        assert_eq!(
            flaws(r#"{"type":"record","name":"c.D","fields":[]}"#, &["c.D"]).len(),
            1,
            "defined twice"
        );
    }

    #[test]
    fn what_is_wrong_is_found_at_its_place() {
        let record = |fields: Value| json!({"type": "record", "name": "R", "fields": fields});
        let cases = [
            (json!(7), "", "a type is"),
            (json!("strin"), "", "neither built in"),
            (json!({"name": "x"}), "", "`type` is missing"),
            (json!({"type": "array"}), "", "`items` is missing"),
            (json!(["int", ["null"]]), "[1]", "directly in a union"),
            (json!(["int", {"type": "int", "logicalType": "date"}]), "[1]", "branch 0"),
            (json!({"type": "record", "name": "1R", "fields": []}), ".name", "no name"),
            (json!({"type": "record", "name": "R"}), "", "`fields`"),
            (json!({"type": "record", "fields": []}), "", "`name`"),
            (
                record(json!([{"name": "a", "type": "int"}, {"name": "a", "type": "int"}])),
                ".fields[1].name",
                "already",
            ),
            (record(json!([{"name": "mid-market", "type": "int"}])), ".fields[0].name", "no name"),
            (record(json!([{"name": "a"}])), ".fields[0]", "`type`"),
            (
                record(json!([{"name": "a", "type": {"type": "record", "name": "R", "fields": []}}])),
                ".fields[0].type.name",
                "second time",
            ),
            (json!({"type": "enum", "name": "E", "symbols": ["A", "A"]}), ".symbols[1]", "already"),
            (
                json!({"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}),
                ".default",
                "none of the symbols",
            ),
            (json!({"type": "fixed", "name": "F"}), "", "`size`"),
        ];
        for (schema, path, why) in cases {
            let found = flaws(&schema.to_string(), &[]);
            assert_eq!(found.len(), 1, "{schema}: {found:?}");
            assert!(found[0].path == path && found[0].why.contains(why), "{schema}: {found:?}");
        }
        assert!(flaws("{", &[])[0].why.contains("not JSON"));
        assert!(
            flaws(&"[".repeat(100_000), &[])[0].why.contains("not JSON"),
            "deep nesting is an error, not a crash"
        );
    }
}
