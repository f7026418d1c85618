//! The real type names with a pure half that takes any attributes: what the program's table of fakes is made of.

use super::json;
use datamesh_provider::{
    Attributes, ChangeSpec, DecodeError, Diagnostics, Erased, Facts, Resource, Schema, SpanMap, View, erase,
};
use serde_json::Map;
use std::marker::PhantomData;

/// What sets one such type apart.
pub(crate) trait Kind: Send + Sync + 'static {
    const NAME: &'static str;
    const DATA: bool;
    const RANK: u32;
}

/// The pure half for any attributes.
#[derive(Debug)]
pub(crate) struct Plain<K>(PhantomData<fn() -> K>);

impl<K: Kind> Resource for Plain<K> {
    type Attrs = Attributes;

    const NAME: &'static str = K::NAME;

    fn schema() -> Schema {
        Schema {
            version: 1,
            attributes: &[],
            data_bearing: K::DATA,
            rank: K::RANK,
            step_ranks: &[],
            batch: 250,
            late: &[],
        }
    }

    fn validate(_: &Attributes, _: &SpanMap) -> Diagnostics {
        Diagnostics::default()
    }

    fn normalize(attrs: Attributes) -> Attributes {
        attrs
    }

    fn fill(declared: Attributes, mut on_create: Attributes) -> Attributes {
        json::merge(&mut on_create, &declared);
        on_create
    }

    fn diff(view: View<'_, Attributes>, _: &Facts, _: &SpanMap) -> (ChangeSpec, Diagnostics) {
        let none = Map::new();
        let update = |prior, live, desired| {
            let changes = json::changes(prior, live, desired);
            if changes.is_empty() { ChangeSpec::no_op() } else { ChangeSpec::in_place(changes, &["update"]) }
        };
        let spec = match view {
            View::Create { desired } | View::Gone { desired: Some(desired), .. } => {
                ChangeSpec::in_place(json::changes(&none, &none, desired), &["create"])
            }
            View::Gone { desired: None, .. } => ChangeSpec::no_op(),
            View::Adopt { live, desired } => update(&none, live, desired),
            View::Update { prior, live, desired } => update(prior, live, desired),
            View::Remove { .. } => ChangeSpec::in_place(Vec::new(), &["delete"]),
        };
        (spec, Diagnostics::default())
    }

    fn managed(live: &Attributes, like: &Attributes) -> Attributes {
        json::restrict(live, like)
    }

    fn shared() -> bool {
        K::NAME == "kafka_acl"
    }

    fn upgrade(_: u32, raw: Attributes) -> Result<Attributes, DecodeError> {
        Ok(raw)
    }
}

macro_rules! kinds {
    ($($statik:ident $kind:ident $name:literal $data:literal $rank:literal;)*) => { $(
        #[derive(Debug)]
        pub(crate) struct $kind;

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const DATA: bool = $data;
            const RANK: u32 = $rank;
        }

        pub(crate) static $statik: Erased<Plain<$kind>> = erase();
    )* };
}

kinds! {
    TOPIC Topic "kafka_topic" true 20;
    ACL Acl "kafka_acl" false 40;
    SUBJECT Subject "schema_subject" false 30;
    NAMESPACE Namespace "iceberg_namespace" false 10;
    TABLE Table "iceberg_table" true 20;
    DOMAIN Domain "catalog_domain" false 50;
    PRODUCT Product "catalog_product" false 51;
    LINEAGE Lineage "catalog_lineage" false 52;
}
