//! The laws of the pure half, on generated tables.

use super::*;
use crate::transform::Transform;
use crate::types::{Field, Primitive, Type};
use datamesh_provider::{Packed, ResourceType, erase};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn primitive() -> impl Strategy<Value = Type> {
    prop_oneof![
        Just("int"),
        Just("LONG"),
        Just("string"),
        Just("decimal(38, 9)"),
        Just("timestamptz"),
        Just("fixed[ 4 ]"),
        Just("variant")
    ]
    .prop_map(|text| Type::Primitive(Primitive::parse(text)))
}

fn field(ty: impl Strategy<Value = Type>) -> impl Strategy<Value = Field> {
    let doc = proptest::option::of(prop_oneof![Just(""), Just("x")].prop_map(str::to_owned));
    ("[a-e]", ty, any::<bool>(), doc).prop_map(|(name, ty, required, doc)| Field {
        name,
        ty,
        required,
        doc,
        renamed_from: None,
        id: None,
    })
}

/// Fields of different names.
fn distinct(fields: Vec<Field>) -> Vec<Field> {
    let by_name: BTreeMap<String, Field> =
        fields.into_iter().map(|field| (field.name.clone(), field)).collect();
    by_name.into_values().collect()
}

fn any_type() -> impl Strategy<Value = Type> {
    primitive().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(field(inner.clone()), 1..3).prop_map(|f| Type::Struct(distinct(f))),
            (inner.clone(), any::<bool>())
                .prop_map(|(ty, element_required)| Type::List { element: Box::new(ty), element_required }),
            (inner.clone(), inner, any::<bool>()).prop_map(|(key, value, value_required)| Type::Map {
                key: Box::new(key),
                value: Box::new(value),
                value_required
            }),
        ]
    })
}

fn properties() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    proptest::option::of(proptest::collection::btree_map("[p-r]", "[0-1]", 0..3))
}

prop_compose! {
    fn table()(
        fields in proptest::option::of(proptest::collection::vec(field(any_type()), 0..4).prop_map(distinct)),
        identifier_fields in proptest::option::of(proptest::collection::vec("[a-c]", 0..3)),
        partition in proptest::option::of("[a-c]"),
        sort in proptest::option::of(("[a-c]", any::<bool>())),
        properties in properties(),
        location in proptest::option::of(prop_oneof![Just("file:/a/b/"), Just("file:a"), Just("s3://b/x//")]),
        format_version in proptest::option::of(1u8..4),
        purge in proptest::option::of(any::<bool>()),
    ) -> Attrs {
        let partition = partition.map(|source| {
            vec![PartitionField { name: format!("{source}_day"), source, transform: Transform::Day }]
        });
        let sort = sort.map(|(source, desc)| {
            let direction = if desc { Direction::Desc } else { Direction::Asc };
            vec![SortField { source, transform: Transform::Identity, direction, null_order: None }]
        });
        Attrs { fields, identifier_fields, partition_by: partition, sort_by: sort, properties,
                location: location.map(str::to_owned), format_version, purge, referenced: None }
    }
}

fn json(attrs: &Attrs) -> Packed {
    Packed::encode(attrs).expect("a map")
}

fn changes(view: View<'_, Packed>) -> (ChangeSpec, Diagnostics) {
    erase::<IcebergTable>().diff(view, &Facts::default(), &SpanMap::default()).expect("decodes")
}

#[test]
fn a_key_of_a_map_is_managed_whole() {
    let table = |key: &[(&str, Option<&str>)]| {
        let field = |(name, doc): &(&str, Option<&str>)| Field {
            name: (*name).to_owned(),
            ty: Type::Primitive(Primitive::parse("int")),
            required: false,
            doc: doc.map(str::to_owned),
            renamed_from: None,
            id: None,
        };
        let ty = Type::Map {
            key: Box::new(Type::Struct(key.iter().map(field).collect())),
            value: Box::new(Type::Primitive(Primitive::parse("int"))),
            value_required: false,
        };
        let column =
            Field { name: "m".to_owned(), ty, required: false, doc: None, renamed_from: None, id: None };
        Attrs { fields: Some(vec![column]), ..Attrs::default() }
    };
    let forbidden =
        |live: &Attrs, like: &Attrs| compare(None, live, like, &SpanMap::default()).forbidden.len();
    let like = table(&[("a", None)]);
    for (live, wrong) in [
        (table(&[("a", Some("theirs"))]), 0),
        (table(&[("b", None)]), 1),
        (table(&[("a", None), ("b", None)]), 1),
    ] {
        assert_eq!(forbidden(&live, &like), wrong, "{live:?}");
        assert_eq!(forbidden(&IcebergTable::managed(&live, &like), &like), wrong, "{live:?}");
    }
}

proptest! {
    #[test]
    fn normalising_twice_is_normalising_once(attrs in table()) {
        let once = IcebergTable::normalize(attrs);
        prop_assert_eq!(&IcebergTable::normalize(once.clone()), &once);
        // Encoding and decoding keep the canonical form.
        let ty = erase::<IcebergTable>();
        let encoded = ty.normalize(&json(&once)).expect("decodes");
        prop_assert_eq!(ty.normalize(&encoded).expect("decodes"), encoded);
    }

    #[test]
    fn equal_sides_differ_in_nothing(attrs in table()) {
        let side = json(&attrs);
        let (spec, found) = changes(View::Update { prior: &side, live: &side, desired: &side });
        prop_assert!(spec.is_no_op() && spec.changes.is_empty() && found.is_empty(), "{:?} {:?}", spec, found);
        let (spec, found) = changes(View::Adopt { live: &side, desired: &side });
        prop_assert!(spec.is_no_op() && found.is_empty());
    }

    #[test]
    fn the_managed_part_is_stable_and_all_that_counts(live in table(), like in table()) {
        let (live, like) = (IcebergTable::normalize(live), IcebergTable::normalize(like));
        let managed = IcebergTable::managed(&live, &like);
        prop_assert_eq!(&IcebergTable::managed(&managed, &like), &managed);
        prop_assert_eq!(IcebergTable::managed(&like, &like), like.clone());
        // What is not managed is never changed. It may be in the way: the format's version, a column of that name.
        let whole = compare(None, &live, &like, &SpanMap::default());
        let part = compare(None, &managed, &like, &SpanMap::default());
        if whole.forbidden.is_empty() {
            prop_assert_eq!(whole.columns, part.columns);
        }
        prop_assert_eq!(whole.properties.set, part.properties.set);
        prop_assert!(part.forbidden.iter().all(|found| whole.forbidden.contains(found)));
        prop_assert!(part.properties.unset.is_empty());
    }

    #[test]
    fn what_is_desired_of_a_live_table_settles(live in table(), like in table()) {
        // Somebody has more than we want, and all that we want: nothing to do.
        let (mut live, like) = (IcebergTable::normalize(live), IcebergTable::normalize(like));
        let mine: Vec<Field> = like.fields.clone().unwrap_or_default();
        let others = live.fields.take().unwrap_or_default();
        let others = others.into_iter().filter(|other| mine.iter().all(|field| field.name != other.name));
        let mut merged = IcebergTable::fill(like.clone(), live);
        merged.fields = Some(others.chain(mine.clone()).collect());
        let (merged, desired) = (json(&merged), json(&like));
        let (spec, found) = changes(View::Update { prior: &desired, live: &merged, desired: &desired });
        prop_assert!(spec.is_no_op() && found.is_empty(), "{:?} {:?}", spec, found);
    }

    #[test]
    fn no_pair_of_tables_makes_anything_panic(prior in table(), live in table(), desired in table()) {
        let (prior, live, desired) = (json(&prior), json(&live), json(&desired));
        let (spec, _) = changes(View::Update { prior: &prior, live: &live, desired: &desired });
        prop_assert_eq!(spec.is_no_op(), spec.changes.is_empty());
        let ty = erase::<IcebergTable>();
        ty.validate(&desired, &SpanMap::default()).expect("decodes");
        changes(View::Create { desired: &desired });
        changes(View::Remove { prior: &prior, live: &live });
    }
}
