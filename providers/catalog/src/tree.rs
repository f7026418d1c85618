//! Attributes as trees: what differs, what is managed, what a change makes of them.
//!
//! A map outside of lists is *open*: a key that nobody declares is not managed, and stays whatever it is. A key
//! that was declared before and is no longer goes away. A list is *closed*: it is managed as a whole, with all
//! that its items hold; items with names are told apart by them, so that a change of one is shown as just that.

use datamesh_provider::{AttributeChange, Attributes, Planned};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Takes away maps without content, outside of lists: they manage nothing. Whether there were any.
pub(crate) fn tidy(map: &mut Attributes) -> bool {
    let before = map.len();
    let mut changed = false;
    map.retain(|_, value| {
        let Value::Object(inner) = value else { return true };
        changed |= tidy(inner);
        !inner.is_empty()
    });
    changed || map.len() < before
}

/// `declared`, with what only `defaults` have.
pub(crate) fn fill(declared: &Attributes, defaults: &Attributes) -> Attributes {
    let mut out = declared.clone();
    for (key, value) in defaults {
        match (out.get_mut(key), value) {
            (None, value) => {
                out.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(inner)), Value::Object(defaults)) => *inner = fill(inner, defaults),
            _ => {}
        }
    }
    out
}

/// The part of `live` that `like` manages.
pub(crate) fn managed(live: &Attributes, like: &Attributes) -> Attributes {
    let mut out = Map::new();
    for (key, like) in like {
        match (live.get(key), like) {
            (Some(Value::Object(live)), Value::Object(like)) => {
                let inner = managed(live, like);
                if !inner.is_empty() {
                    out.insert(key.clone(), Value::Object(inner));
                }
            }
            (Some(live), _) => {
                out.insert(key.clone(), live.clone());
            }
            (None, _) => {}
        }
    }
    out
}

/// What `live` becomes: `planned` over it, without what only `prior` had.
#[cfg(any(feature = "client", test))]
pub(crate) fn merge(prior: Option<&Attributes>, live: &Attributes, planned: &Attributes) -> Attributes {
    let mut out = live.clone();
    for key in prior.into_iter().flat_map(Map::keys).filter(|key| !planned.contains_key(*key)) {
        out.remove(key);
    }
    for (key, value) in planned {
        let merged = match (live.get(key), value) {
            (Some(Value::Object(live)), Value::Object(planned)) => {
                let prior = prior.and_then(|prior| prior.get(key)).and_then(Value::as_object);
                Value::Object(merge(prior, live, planned))
            }
            _ => value.clone(),
        };
        out.insert(key.clone(), merged);
    }
    tidy(&mut out);
    out
}

/// Every difference, by path.
pub(crate) fn changes(
    prior: Option<&Attributes>,
    live: &Attributes,
    desired: &Attributes,
) -> Vec<AttributeChange> {
    let mut walk = Walk::default();
    walk.open(prior, live, desired);
    walk.found
}

#[derive(Default)]
struct Walk<'a> {
    path: Vec<&'a str>,
    found: Vec<AttributeChange>,
}

impl<'a> Walk<'a> {
    fn note(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let after = after.cloned().map_or(Planned::Unset, Planned::Value);
        self.found.push(AttributeChange::new(&self.path, before.cloned(), after));
    }

    fn at(&mut self, key: &'a str, each: impl FnOnce(&mut Self)) {
        self.path.push(key);
        each(self);
        self.path.pop();
    }

    fn open(&mut self, prior: Option<&'a Attributes>, live: &'a Attributes, desired: &'a Attributes) {
        let keys: BTreeSet<&String> = desired.keys().chain(prior.into_iter().flat_map(Map::keys)).collect();
        for key in keys {
            let was = prior.and_then(|prior| prior.get(key));
            self.at(key, |walk| match (live.get(key), desired.get(key)) {
                (Some(Value::Object(live)), Some(Value::Object(desired))) => {
                    walk.open(was.and_then(Value::as_object), live, desired);
                }
                (Some(live), Some(desired)) => walk.closed(live, desired),
                (None, Some(desired)) => walk.note(None, Some(desired)),
                (Some(live), None) => walk.note(Some(live), None),
                (None, None) => {}
            });
        }
    }

    fn closed(&mut self, live: &'a Value, desired: &'a Value) {
        if live == desired {
            return;
        }
        match (live, desired) {
            (Value::Object(live), Value::Object(desired)) => {
                let keys: BTreeSet<&String> = live.keys().chain(desired.keys()).collect();
                for key in keys {
                    self.at(key, |walk| walk.either(live.get(key), desired.get(key)));
                }
            }
            (Value::Array(old), Value::Array(new)) => match (by_name(old), by_name(new)) {
                (Some(old), Some(new)) => self.named(live, desired, &old, &new),
                _ => self.note(Some(live), Some(desired)),
            },
            _ => self.note(Some(live), Some(desired)),
        }
    }

    fn either(&mut self, live: Option<&'a Value>, desired: Option<&'a Value>) {
        match (live, desired) {
            (Some(live), Some(desired)) => self.closed(live, desired),
            (None, None) => {}
            (live, desired) => self.note(live, desired),
        }
    }

    fn named(&mut self, live: &'a Value, desired: &'a Value, old: &ByName<'a>, new: &ByName<'a>) {
        let before = self.found.len();
        let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        for name in names {
            self.at(name, |walk| walk.either(old.get(name).copied(), new.get(name).copied()));
        }
        if self.found.len() == before {
            // The same items in another order.
            self.note(Some(live), Some(desired));
        }
    }
}

type ByName<'a> = BTreeMap<&'a str, &'a Value>;

/// The items by their names, if all have one and no two the same.
fn by_name(items: &[Value]) -> Option<ByName<'_>> {
    let map: Option<ByName<'_>> =
        items.iter().map(|item| Some((item.get("name")?.as_str()?, item))).collect();
    map.filter(|map| map.len() == items.len())
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
