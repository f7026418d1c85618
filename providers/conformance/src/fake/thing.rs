//! `fake_thing`: a small resource type with the habits of the real ones. Its size only grows, its config goes by
//! key, and it holds data.

use super::json;
use datamesh_provider::{
    AttributeSchema, Attributes, ChangeSpec, Class, DecodeError, Diagnostics, Disposition, Erased, Facts,
    Resource, Schema, SpanMap, View, erase,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The settings of a thing, by key.
pub type FakeConfig = BTreeMap<String, String>;

/// Attributes of a `fake_thing`; absent ones are not managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FakeThingAttrs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<FakeConfig>,
}

/// The pure half of `fake_thing`.
#[derive(Clone, Copy, Debug)]
pub struct FakeThing;

/// A setting of this name: what is deleted is deleted for good by a step of its own.
const PURGE: &str = "purge";

/// `fake_thing`, erased.
pub static THING: Erased<FakeThing> = erase();

static ATTRIBUTES: &[AttributeSchema] = &[
    AttributeSchema { name: "size", required: false, computed: false, immutable: false, doc: "Only grows." },
    AttributeSchema { name: "config", required: false, computed: false, immutable: false, doc: "By key." },
];

fn plain(attrs: &FakeThingAttrs) -> Attributes {
    let mut map = Map::new();
    if let Some(size) = attrs.size {
        map.insert("size".into(), size.into());
    }
    if let Some(config) = &attrs.config {
        let config = config.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        map.insert("config".into(), Value::Object(config.collect()));
    }
    map
}

fn in_place(prior: &FakeThingAttrs, live: &FakeThingAttrs, desired: &FakeThingAttrs) -> ChangeSpec {
    let mut changes = json::changes(&plain(prior), &plain(live), &plain(desired));
    let mut spec = ChangeSpec::default();
    for change in &mut changes {
        let key = change.path[0].as_str();
        if !spec.steps.iter().any(|step| step == key) {
            spec.steps.push(key.to_owned());
        }
    }
    // The size first, then the settings, as a topic grows before it is configured.
    spec.steps.sort_by_key(|step| step != "size");
    let shrinks = matches!((live.size, desired.size), (Some(live), Some(desired)) if desired < live);
    spec.disposition = match (changes.is_empty(), shrinks) {
        (true, _) => Disposition::NoOp,
        (_, true) => {
            for change in changes.iter_mut().filter(|change| change.path[0] == "size") {
                change.class = Class::DataLoss;
            }
            Disposition::Replace { reason: "a thing cannot shrink".into() }
        }
        (false, false) => Disposition::InPlace,
    };
    spec.changes = changes;
    spec
}

fn creation(desired: &FakeThingAttrs) -> ChangeSpec {
    ChangeSpec::in_place(json::changes(&Map::new(), &Map::new(), &plain(desired)), &["create"])
}

impl Resource for FakeThing {
    type Attrs = FakeThingAttrs;

    const NAME: &'static str = "fake_thing";

    fn schema() -> Schema {
        Schema {
            version: 1,
            attributes: ATTRIBUTES,
            data_bearing: true,
            rank: 20,
            step_ranks: &[],
            batch: 100,
            late: &[PURGE],
        }
    }

    fn validate(_: &Self::Attrs, _: &SpanMap) -> Diagnostics {
        Diagnostics::default()
    }

    fn normalize(mut attrs: Self::Attrs) -> Self::Attrs {
        for value in attrs.config.iter_mut().flat_map(BTreeMap::values_mut) {
            *value = value.trim().to_owned();
        }
        attrs
    }

    fn fill(declared: Self::Attrs, on_create: Self::Attrs) -> Self::Attrs {
        let config = match (declared.config, on_create.config) {
            (Some(declared), Some(mut below)) => {
                below.extend(declared);
                Some(below)
            }
            (declared, below) => declared.or(below),
        };
        FakeThingAttrs { size: declared.size.or(on_create.size), config }
    }

    fn diff(view: View<'_, Self::Attrs>, _: &Facts, _: &SpanMap) -> (ChangeSpec, Diagnostics) {
        let spec = match view {
            View::Create { desired } | View::Gone { desired: Some(desired), .. } => creation(desired),
            View::Gone { desired: None, .. } => ChangeSpec::no_op(),
            View::Adopt { live, desired } => in_place(&FakeThingAttrs::default(), live, desired),
            View::Update { prior, live, desired } => in_place(prior, live, desired),
            View::Remove { prior, .. } => {
                let purges = prior.config.as_ref().is_some_and(|config| config.contains_key(PURGE));
                let steps: &[&str] = if purges { &["delete", PURGE] } else { &["delete"] };
                ChangeSpec::in_place(Vec::new(), steps)
            }
        };
        (spec, Diagnostics::default())
    }

    fn managed(live: &Self::Attrs, like: &Self::Attrs) -> Self::Attrs {
        let config = like.config.as_ref().and_then(|like| {
            let live = live.config.as_ref()?;
            Some(
                live.iter()
                    .filter(|(k, _)| like.contains_key(*k))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
            )
        });
        FakeThingAttrs { size: like.size.and(live.size), config }
    }

    fn upgrade(_: u32, raw: Attributes) -> Result<Self::Attrs, DecodeError> {
        serde_json::from_value(Value::Object(raw))
            .map_err(|error| DecodeError { ty: Self::NAME, why: error.to_string() })
    }
}
