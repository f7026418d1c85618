//! The three-way comparison over plain JSON attributes: maps go by key, everything else is one value.

use datamesh_provider::{AttributeChange, Attributes, Planned};
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// For a side that says nothing.
static EMPTY: LazyLock<Attributes> = LazyLock::new(Map::new);

/// `top` over `base`; maps are merged by key.
pub(crate) fn merge(base: &mut Attributes, top: &Attributes) {
    for (key, value) in top {
        match (base.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The part of `live` that `like` speaks of.
pub(crate) fn restrict(live: &Attributes, like: &Attributes) -> Attributes {
    let mut out = Map::new();
    for (key, wanted) in like {
        match (live.get(key), wanted) {
            (Some(Value::Object(live)), Value::Object(wanted)) => {
                out.insert(key.clone(), Value::Object(restrict(live, wanted)));
            }
            (Some(live), _) => {
                out.insert(key.clone(), live.clone());
            }
            (None, _) => {}
        }
    }
    out
}

/// Removes from `target` what `prior` had and `planned` has no more.
pub(crate) fn withdraw(target: &mut Attributes, prior: &Attributes, planned: &Attributes) {
    for (key, was) in prior {
        match (was, planned.get(key), target.get_mut(key)) {
            (Value::Object(was), Some(Value::Object(planned)), Some(Value::Object(target))) => {
                withdraw(target, was, planned);
            }
            (Value::Object(was), None, Some(Value::Object(below))) => {
                withdraw(below, was, &Map::new());
                if below.is_empty() {
                    target.remove(key);
                }
            }
            (_, None, Some(_)) => {
                target.remove(key);
            }
            _ => {}
        }
    }
}

/// What differs on what `desired` says, and what `prior` said and `desired` no longer does.
pub(crate) fn changes(prior: &Attributes, live: &Attributes, desired: &Attributes) -> Vec<AttributeChange> {
    let mut out = Vec::new();
    collect(&mut Vec::new(), prior, live, desired, &mut out);
    out
}

fn object(value: Option<&Value>) -> Option<&Attributes> {
    value.and_then(Value::as_object)
}

fn collect<'a>(
    path: &mut Vec<&'a str>,
    prior: &'a Attributes,
    live: &Attributes,
    desired: &'a Attributes,
    out: &mut Vec<AttributeChange>,
) {
    for (key, want) in desired {
        path.push(key);
        match (live.get(key), want) {
            (Some(Value::Object(is)), Value::Object(want)) => {
                collect(path, object(prior.get(key)).unwrap_or(&EMPTY), is, want, out);
            }
            (is, want) if is == Some(want) => {}
            (is, want) => out.push(AttributeChange::new(path, is.cloned(), Planned::Value(want.clone()))),
        }
        path.pop();
    }
    for (key, was) in prior.iter().filter(|(key, _)| !desired.contains_key(*key)) {
        path.push(key);
        match (live.get(key), was) {
            (Some(Value::Object(is)), Value::Object(was)) => collect(path, was, is, &EMPTY, out),
            (Some(is), _) => out.push(AttributeChange::new(path, Some(is.clone()), Planned::Unset)),
            (None, _) => {}
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Attributes {
        value.as_object().expect("a map").clone()
    }

    #[test]
    fn only_what_was_declared_is_compared_and_only_what_was_applied_is_withdrawn() {
        let prior = map(json!({"config": {"a": "1", "b": "2"}, "size": 3}));
        let live = map(json!({"config": {"a": "1", "b": "2", "theirs": "x"}, "size": 3, "more": true}));
        let desired = map(json!({"config": {"a": "9"}, "size": 3}));
        let found = changes(&prior, &live, &desired);
        let paths: Vec<String> = found.iter().map(|c| c.path.join("/")).collect();
        assert_eq!(paths, ["config/a", "config/b"]);
        assert_eq!(found[1].after, Planned::Unset);

        let mut after = live;
        withdraw(&mut after, &prior, &desired);
        merge(&mut after, &desired);
        assert_eq!(after, map(json!({"config": {"a": "9", "theirs": "x"}, "size": 3, "more": true})));
        assert!(changes(&prior, &after, &desired).is_empty());
        assert_eq!(restrict(&after, &desired), desired);
    }

    #[test]
    fn a_map_that_is_withdrawn_keeps_the_keys_of_others() {
        let mut live = map(json!({"config": {"a": "1", "theirs": "x"}}));
        withdraw(&mut live, &map(json!({"config": {"a": "1"}})), &Map::new());
        assert_eq!(live, map(json!({"config": {"theirs": "x"}})));
    }
}
