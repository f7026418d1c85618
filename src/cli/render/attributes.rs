//! What changes in one resource, as lines: paths, lists by the names of their entries, schemas by their fields.

use super::escape;
use super::value::{entry, parsed, show, type_name};
use datamesh_provider::{AttributeChange, Class, Planned};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What happens to the thing on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Add,
    Change,
    Remove,
    /// An explanation.
    Remark,
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) depth: usize,
    pub(crate) mark: Mark,
    pub(crate) class: Class,
    /// Escaped already.
    pub(crate) text: String,
}

/// The lines of one attribute that differs.
pub(crate) fn lines(change: &AttributeChange) -> Vec<Line> {
    let mut out = Lines { class: change.class, lines: Vec::new() };
    let label = escape::line(&label(&change.path)).into_owned();
    match (&change.before, &change.after) {
        (None, Planned::Value(after)) => out.one_sided(0, Mark::Add, &label, after),
        (Some(before), Planned::Value(after)) => out.both(0, &label, before, after),
        (Some(before), Planned::Unset) => out.one_sided(0, Mark::Remove, &label, before),
        (None, Planned::Unset) => out.push(0, Mark::Remove, label),
        (before, Planned::KnownAfterApply) => {
            let mark = if before.is_some() { Mark::Change } else { Mark::Add };
            out.push(0, mark, format!("{label} = (known after apply)"));
        }
        (before, Planned::Sensitive) => {
            let mark = if before.is_some() { Mark::Change } else { Mark::Add };
            out.push(0, mark, format!("{label} = (sensitive)"));
        }
    }
    if let Some(reason) = &change.reason {
        out.push(0, Mark::Remark, escape::line(reason).into_owned());
    }
    out.lines
}

/// A path as a person would say it: `config.retention.ms`, `field total_amount`.
fn label(path: &[String]) -> String {
    let list = path.iter().position(|part| matches!(part.as_str(), "fields" | "ports" | "sources"));
    match list {
        Some(at) if at + 1 < path.len() => format!("{} {}", singular(&path[at]), path[at + 1..].join(".")),
        _ => path.join("."),
    }
}

struct Lines {
    class: Class,
    lines: Vec<Line>,
}

/// A list whose entries are known by a name, and what one entry is called.
fn named(value: &Value) -> Option<Vec<(&str, &Map<String, Value>)>> {
    let items = value.as_array().filter(|items| !items.is_empty())?;
    let named: Vec<_> = items
        .iter()
        .filter_map(|item| {
            let map = item.as_object()?;
            Some((map.get("name")?.as_str()?, map))
        })
        .collect();
    let distinct: BTreeSet<&str> = named.iter().map(|(name, _)| *name).collect();
    (distinct.len() == items.len()).then_some(named)
}

/// `fields` → `field`.
fn singular(label: &str) -> &str {
    let last = label.rsplit('.').next().unwrap_or(label);
    match last {
        "partition_by" => "partition",
        "sort_by" => "sort",
        _ => last.strip_suffix('s').unwrap_or(last),
    }
}

/// A schema as its fields, where it is an Avro record.
fn record(text: &str) -> Option<(String, Value)> {
    let schema = parsed(text)?;
    let map = schema.as_object()?;
    if map.get("type")?.as_str()? != "record" {
        return None;
    }
    let part = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = match part("namespace") {
        namespace if namespace.is_empty() => part("name"),
        namespace => format!("{namespace}.{}", part("name")),
    };
    Some((name, map.get("fields")?.clone()))
}

/// Whether this is the entry of a list that the path names already: `field total_amount`.
fn is_entry(label: &str, map: &Map<String, Value>) -> bool {
    let (Some((_, path)), Some(name)) = (label.split_once(' '), map.get("name").and_then(Value::as_str))
    else {
        return false;
    };
    let name = escape::line(name);
    path == name || path.ends_with(&format!(".{name}"))
}

impl Lines {
    fn push(&mut self, depth: usize, mark: Mark, text: String) {
        self.lines.push(Line { depth, mark, class: self.class, text });
    }

    /// A value that appears or goes away.
    fn one_sided(&mut self, depth: usize, mark: Mark, label: &str, value: &Value) {
        if let Some((name, fields)) = value.as_str().and_then(record) {
            self.push(depth, mark, format!("{label} = record {}", escape::line(&name)));
            return self.entries(depth + 1, mark, "fields", &fields);
        }
        if let Some(Value::Object(map)) = value.as_str().and_then(parsed) {
            self.push(depth, mark, format!("{label} (JSON)"));
            return self.members(depth + 1, mark, &map);
        }
        if named(value).is_some() {
            return self.entries(depth, mark, label, value);
        }
        match value {
            Value::Object(map) if is_entry(label, map) => {
                let text = format!("{label}  {}", entry(map));
                self.push(depth, mark, text.trim_end().to_owned());
            }
            Value::Object(map) if !map.is_empty() && !map.contains_key("type") => {
                for (key, value) in map {
                    let label = format!("{label}.{}", escape::line(key));
                    self.one_sided(depth, mark, &label, value);
                }
            }
            Value::Object(map) if map.contains_key("name") => {
                let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
                let label = format!("{} {}", singular(label), escape::line(name));
                self.push(depth, mark, format!("{label}  {}", entry(map)));
            }
            other => self.push(depth, mark, format!("{label} = {}", show(label, other))),
        }
    }

    fn members(&mut self, depth: usize, mark: Mark, map: &Map<String, Value>) {
        for (key, value) in map {
            self.one_sided(depth, mark, &escape::line(key), value);
        }
    }

    fn entries(&mut self, depth: usize, mark: Mark, label: &str, list: &Value) {
        let Some(items) = named(list) else { return };
        let word = singular(label);
        let width = items.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(40);
        for (name, map) in items {
            let name = escape::line(name);
            let rest = entry(map);
            let text = if rest.is_empty() {
                format!("{word} {name}")
            } else {
                format!("{word} {name:width$}  {rest}")
            };
            self.push(depth, mark, text);
        }
    }

    /// A value that becomes another one.
    fn both(&mut self, depth: usize, label: &str, before: &Value, after: &Value) {
        if before == after {
            return;
        }
        if let (Value::String(old), Value::String(new)) = (before, after)
            && self.texts(depth, label, old, new)
        {
            return;
        }
        if let (Some(old), Some(new)) = (named(before), named(after)) {
            return self.lists(depth, label, &old, &new);
        }
        match (before, after) {
            (Value::Object(old), Value::Object(new)) if !old.contains_key("type") => {
                self.maps(depth, label, old, new);
            }
            (Value::Array(old), Value::Array(new)) if flat(old) && flat(new) => {
                self.sets(depth, label, old, new);
            }
            _ => self.push(
                depth,
                Mark::Change,
                format!("{label}: {} -> {}", show(label, before), show(label, after)),
            ),
        }
    }

    /// Two schemas; whether they were.
    fn texts(&mut self, depth: usize, label: &str, old: &str, new: &str) -> bool {
        if let (Some((old_name, old)), Some((new_name, new))) = (record(old), record(new)) {
            let name = match old_name == new_name {
                true => escape::line(&new_name).into_owned(),
                false => format!("{} -> {}", escape::line(&old_name), escape::line(&new_name)),
            };
            self.push(depth, Mark::Change, format!("{label}: record {name}"));
            let before = self.lines.len();
            let empty = Vec::new();
            let (old, new) = (named(&old).unwrap_or(empty.clone()), named(&new).unwrap_or(empty));
            self.lists(depth + 1, "fields", &old, &new);
            if self.lines.len() == before {
                self.push(
                    depth + 1,
                    Mark::Remark,
                    "the fields stay; attributes of the record differ".to_owned(),
                );
            }
            return true;
        }
        match (parsed(old), parsed(new)) {
            (Some(old), Some(new)) => {
                self.push(depth, Mark::Change, format!("{label} (JSON)"));
                match (&old, &new) {
                    (Value::Object(old), Value::Object(new)) => self.maps(depth + 1, "", old, new),
                    _ => self.both(depth + 1, "value", &old, &new),
                }
                true
            }
            _ if old.contains('\n') || new.contains('\n') => {
                self.push(depth, Mark::Change, label.to_owned());
                self.text_lines(depth + 1, old, new);
                true
            }
            _ => false,
        }
    }

    /// Lines of a text that are only in the one or the other.
    fn text_lines(&mut self, depth: usize, old: &str, new: &str) {
        let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        for line in before.iter().filter(|line| !after.contains(line)) {
            self.push(depth, Mark::Remove, escape::clipped(line, 160));
        }
        for line in after.iter().filter(|line| !before.contains(line)) {
            self.push(depth, Mark::Add, escape::clipped(line, 160));
        }
    }

    fn lists(
        &mut self,
        depth: usize,
        label: &str,
        old: &[(&str, &Map<String, Value>)],
        new: &[(&str, &Map<String, Value>)],
    ) {
        let word = singular(label).to_owned();
        let find = |list: &[(&str, &Map<String, Value>)], name: &str| {
            list.iter().find(|(other, _)| *other == name).map(|(_, map)| (*map).clone())
        };
        let start = self.lines.len();
        for (name, before) in old.iter().filter(|(name, _)| find(new, name).is_none()) {
            self.push(depth, Mark::Remove, format!("{word} {}  {}", escape::line(name), entry(before)));
        }
        for (name, after) in new {
            let shown = escape::line(name);
            match find(old, name) {
                None => self.push(depth, Mark::Add, format!("{word} {shown}  {}", entry(after))),
                Some(before) if before != **after => self.entry_change(depth, &word, &shown, &before, after),
                Some(_) => {}
            }
        }
        let order = |list: &[(&str, &Map<String, Value>)]| {
            list.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
        };
        if self.lines.len() == start && order(old) != order(new) {
            let order =
                order(new).iter().map(|name| escape::line(name).into_owned()).collect::<Vec<_>>().join(", ");
            self.push(depth, Mark::Change, format!("order of {label}: {order}"));
        }
    }

    /// One entry that differs: on one line where one thing does, else a line each.
    fn entry_change(
        &mut self,
        depth: usize,
        word: &str,
        name: &str,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) {
        let keys: BTreeSet<&String> =
            old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).collect();
        self.push(depth, Mark::Change, format!("{word} {name}"));
        for key in keys {
            let shown = escape::line(key);
            let of = |value: &Value| if key == "type" { type_name(value) } else { show(key, value) };
            match (old.get(key), new.get(key)) {
                (None, Some(after)) => self.push(depth + 1, Mark::Add, format!("{shown} = {}", of(after))),
                (Some(before), None) => {
                    self.push(depth + 1, Mark::Remove, format!("{shown} = {}", of(before)))
                }
                (Some(before), Some(after)) if key == "type" => {
                    self.push(depth + 1, Mark::Change, format!("{shown}: {} -> {}", of(before), of(after)));
                }
                (Some(before), Some(after)) => self.both(depth + 1, &shown, before, after),
                (None, None) => {}
            }
        }
    }

    fn maps(&mut self, depth: usize, label: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let shown = escape::line(key);
            let path = if label.is_empty() { shown.into_owned() } else { format!("{label}.{shown}") };
            match (old.get(key), new.get(key)) {
                (None, Some(after)) => self.one_sided(depth, Mark::Add, &path, after),
                (Some(before), None) => self.one_sided(depth, Mark::Remove, &path, before),
                (Some(before), Some(after)) => self.both(depth, &path, before, after),
                (None, None) => {}
            }
        }
    }

    /// Plain lists: what is new and what is gone.
    fn sets(&mut self, depth: usize, label: &str, old: &[Value], new: &[Value]) {
        let gone: Vec<&Value> = old.iter().filter(|item| !new.contains(item)).collect();
        let added: Vec<&Value> = new.iter().filter(|item| !old.contains(item)).collect();
        if gone.len() + added.len() == 0 || old.len() + new.len() <= 4 {
            let list = |items: &[Value]| show("", &Value::Array(items.to_vec()));
            return self.push(depth, Mark::Change, format!("{label}: {} -> {}", list(old), list(new)));
        }
        for item in gone {
            self.push(depth, Mark::Remove, format!("{label}: {}", show("", item)));
        }
        for item in added {
            self.push(depth, Mark::Add, format!("{label}: {}", show("", item)));
        }
    }
}

fn flat(items: &[Value]) -> bool {
    items.iter().all(|item| !item.is_object() && !item.is_array())
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::*;
    use serde_json::json;
    use snapbox::{assert_data_eq, str};

    fn shown(change: &AttributeChange) -> String {
        let mut out = String::new();
        for line in lines(change) {
            let mark = match line.mark {
                Mark::Add => '+',
                Mark::Change => '~',
                Mark::Remove => '-',
                Mark::Remark => ' ',
            };
            out.push_str(&format!("{:indent$}{mark} {}\n", "", line.text, indent = line.depth * 4));
        }
        out
    }

    fn change(path: &[&str], before: Option<Value>, after: Value) -> String {
        shown(&AttributeChange::new(path, before, Planned::Value(after)))
    }

    fn avro(fields: Value) -> Value {
        json!(json!({"type":"record","name":"OrdersFacts","namespace":"orders","fields":fields}).to_string())
    }

    #[test]
    fn an_avro_schema_differs_by_fields() {
        let before = avro(json!([
            {"name":"id","type":"string"},
            {"name":"total","type":["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}],"default":null},
            {"name":"old","type":"int"}]));
        let after = avro(json!([
            {"name":"id","type":"string","doc":"Who"},
            {"name":"total","type":["null",{"type":"bytes","logicalType":"decimal","precision":38,"scale":9}],"default":null},
            {"name":"status","type":["null",{"type":"enum","name":"S","symbols":["a","b"]}],"default":null}]));
        assert_data_eq!(
            change(&["schema"], Some(before), after.clone()),
            str![[r#"
~ schema: record orders.OrdersFacts
    - field old  int
    ~ field id
        + doc = "Who"
    ~ field total
        ~ type: decimal(10,2)? -> decimal(38,9)?
    + field status  enum[a, b]?

"#]]
        );
        assert_data_eq!(
            change(&["schema"], None, after),
            str![[r#"
+ schema = record orders.OrdersFacts
    + field id      string, "Who"
    + field total   decimal(38,9)?
    + field status  enum[a, b]?

"#]]
        );
    }

    #[test]
    fn columns_and_plain_values() {
        let column = json!({"name":"total","type":"decimal(38,9)","required":false});
        assert_data_eq!(
            change(&["fields", "total"], None, column.clone()),
            str![[r#"
+ field total  decimal(38,9)

"#]]
        );
        assert_data_eq!(
            change(&["fields"], None, json!([column])),
            str![[r#"
+ field total  decimal(38,9)

"#]]
        );
        assert_data_eq!(
            change(&["partitions"], Some(json!(3)), json!(6)),
            str![[r#"
~ partitions: 3 -> 6

"#]]
        );
        assert_data_eq!(
            change(&["properties"], None, json!({"owner":"a","x":"1"})),
            str![[r#"
+ properties.owner = "a"
+ properties.x = "1"

"#]]
        );
        assert_data_eq!(
            change(&["aliases"], Some(json!(["a"])), json!(["a", "b"])),
            str![[r#"
~ aliases: ["a"] -> ["a", "b"]

"#]]
        );
    }

    #[test]
    fn what_is_unknown_or_secret_is_not_shown() {
        let known = AttributeChange::new(&["id"], None, Planned::KnownAfterApply);
        let secret = AttributeChange::new(&["password"], Some(json!("hunter2")), Planned::Sensitive);
        let gone = AttributeChange::new(&["config", "a.b"], Some(json!("1")), Planned::Unset);
        let text = shown(&known) + &shown(&secret) + &shown(&gone);
        assert_data_eq!(
            text,
            str![[r#"
+ id = (known after apply)
~ password = (sensitive)
- config.a.b = "1"

"#]]
        );
    }

    #[test]
    fn other_texts_differ_by_lines_and_members() {
        let proto = |n: &str| json!(format!("syntax = \"proto3\";\nmessage A {{\n  int32 {n} = 1;\n}}\n"));
        assert_data_eq!(
            change(&["schema"], Some(proto("a")), proto("b")),
            str![[r#"
~ schema
    -   int32 a = 1;
    +   int32 b = 1;

"#]]
        );
        let schema =
            |max: u32| json!(json!({"type":"object","properties":{"a":{"maximum":max}}}).to_string());
        assert_data_eq!(
            change(&["schema"], Some(schema(1)), schema(2)),
            str![[r#"
~ schema (JSON)
    ~ properties.a.maximum: 1 -> 2

"#]]
        );
    }

    #[test]
    fn hostile_names_and_values_stay_on_their_line() {
        for text in HOSTILE {
            let list = json!([{"name": text, "type": text, "doc": text}]);
            let sides = [
                json!(text),
                json!({(*text): text}),
                list.clone(),
                avro(list.clone()),
                json!([{"name": text, "type": "other"}]),
                avro(json!([{"name": text, "type": "int"}])),
                json!([text, "b", "c", "d", "e"]),
            ];
            for before in &sides {
                for after in &sides {
                    let mut change = AttributeChange::new(
                        &["x", text],
                        Some(before.clone()),
                        Planned::Value(after.clone()),
                    );
                    change.reason = Some((*text).to_owned());
                    for line in lines(&change) {
                        assert!(is_clean(&line.text) && !line.text.contains('\n'), "{line:?}");
                    }
                }
            }
        }
    }
}
