use super::super::SchemaSubject;
use super::*;
use datamesh_provider::{Disposition, Resource};
use proptest::prelude::*;

fn attrs(schema: Option<&str>, level: Option<&str>) -> SubjectAttrs {
    SchemaSubject::normalize(SubjectAttrs {
        schema: schema.map(Into::into),
        compatibility: level.map(Into::into),
        ..SubjectAttrs::default()
    })
}

fn with_default(level: &str) -> Facts {
    let capabilities = [(DEFAULT_LEVEL.to_owned(), level.to_owned())].into();
    Facts { identity: "r".into(), capabilities }
}

fn updated(live: &SubjectAttrs, desired: &SubjectAttrs, default: &str) -> ChangeSpec {
    let view = View::Update { prior: live, live, desired };
    let (spec, found) = diff(view, &with_default(default), &SpanMap::default());
    assert!(found.is_empty(), "{found:?}");
    spec
}

/// Two schemas that read each other.
const STRING: &str = r#""string""#;
const BYTES: &str = r#""bytes""#;

#[test]
fn a_create_registers_then_sets_the_level() {
    for (level, steps) in [(Some("BACKWARD"), &["schema", "level"][..]), (None, &["schema"])] {
        let desired = attrs(Some(STRING), level);
        let (spec, found) = diff(View::Create { desired: &desired }, &Facts::default(), &SpanMap::default());
        assert!(found.is_empty());
        assert_eq!(spec.steps, steps);
        let gone = View::Gone { prior: &desired, desired: Some(&desired) };
        assert_eq!(diff(gone, &Facts::default(), &SpanMap::default()).0, spec);
    }
    let (_, found) =
        diff(View::Create { desired: &attrs(None, None) }, &Facts::default(), &SpanMap::default());
    assert!(found.has_errors());
}

#[test]
fn another_text_of_the_same_schema_is_no_change() {
    let live = attrs(Some(r#"{"type":"string"}"#), Some("BACKWARD"));
    assert!(updated(&live, &attrs(Some(STRING), Some("backward")), "NONE").is_no_op());
    assert!(updated(&live, &attrs(None, None), "NONE").is_no_op(), "what nobody declares is not managed");
}

#[test]
fn loosening_comes_before_and_tightening_after() {
    let cases = [
        ("BACKWARD", "NONE", &["level", "schema"], Class::ConsumerBreaking),
        ("FULL", "BACKWARD", &["level", "schema"], Class::ConsumerBreaking),
        ("BACKWARD", "FORWARD", &["level", "schema"], Class::ConsumerBreaking),
        ("BACKWARD_TRANSITIVE", "FULL", &["level", "schema"], Class::ConsumerBreaking),
        ("NONE", "BACKWARD", &["schema", "level"], Class::Safe),
        ("BACKWARD", "FULL_TRANSITIVE", &["schema", "level"], Class::Safe),
    ];
    for (old, new, steps, class) in cases {
        let spec = updated(&attrs(Some(STRING), Some(old)), &attrs(Some(BYTES), Some(new)), "NONE");
        assert_eq!(
            (spec.steps.as_slice(), spec.class()),
            (&steps.map(String::from)[..], class),
            "{old} {new}"
        );
        assert_eq!(spec.disposition, Disposition::InPlace);
        let level_only = updated(&attrs(Some(STRING), Some(old)), &attrs(Some(STRING), Some(new)), "NONE");
        assert_eq!((level_only.steps, level_only.changes[0].class), (vec!["level".to_owned()], class));
    }
    let reason = updated(&attrs(Some(STRING), Some("FULL")), &attrs(None, Some("NONE")), "NONE").changes[0]
        .reason
        .clone();
    assert!(reason.is_some_and(|reason| reason.contains("NONE") && reason.contains("FULL")));
}

#[test]
fn an_unset_level_is_the_registrys_default() {
    let live = attrs(Some(STRING), None);
    let desired = attrs(Some(BYTES), Some("NONE"));
    let spec = updated(&live, &desired, "BACKWARD");
    assert_eq!(
        (spec.steps.as_slice(), spec.class()),
        (&["level".into(), "schema".into()][..], Class::ConsumerBreaking)
    );
    let spec = updated(&live, &desired, "NONE");
    assert_eq!((spec.steps.as_slice(), spec.class()), (&["schema".into(), "level".into()][..], Class::Safe));
}

#[test]
fn a_level_no_longer_declared_stays() {
    let (prior, desired) = (attrs(Some(STRING), Some("FULL")), attrs(Some(STRING), None));
    let view = View::Update { prior: &prior, live: &prior, desired: &desired };
    let (spec, _) = diff(view, &Facts::default(), &SpanMap::default());
    assert!(spec.is_no_op() && spec.notes.is_empty());
}

#[test]
fn a_subject_keeps_its_language() {
    let live = attrs(Some(STRING), None);
    let desired = SubjectAttrs { schema_type: Some("JSON".into()), ..attrs(Some(STRING), None) };
    let view = View::Adopt { live: &live, desired: &desired };
    let (spec, found) = diff(view, &Facts::default(), &SpanMap::default());
    let help = found.iter().next().and_then(|d| d.help.clone()).unwrap_or_default();
    assert!(spec.is_no_op() && found.has_errors() && help.contains("datamesh new version"));
}

#[test]
fn a_removal_takes_the_level_first() {
    for (level, steps) in [(Some("NONE"), &["level", "delete"][..]), (None, &["delete"])] {
        let live = attrs(Some(STRING), level);
        let view = View::Remove { prior: &live, live: &live };
        assert_eq!(diff(view, &Facts::default(), &SpanMap::default()).0.steps, steps);
    }
}

#[test]
fn a_live_text_of_the_same_schema_reads_as_the_declared_one() {
    let live = attrs(Some(r#"{"type": "string"}"#), Some("NONE"));
    assert_eq!(SchemaSubject::managed(&live, &attrs(Some(STRING), None)), attrs(Some(STRING), None));
    assert_eq!(SchemaSubject::managed(&live, &attrs(Some(BYTES), None)).schema, live.schema);
    assert_eq!(SchemaSubject::managed(&live, &attrs(None, Some("FULL"))), attrs(None, Some("NONE")));
}

#[test]
fn recorded_attributes_read_back_and_other_versions_do_not() {
    let recorded = attrs(Some(STRING), Some("FULL"));
    let Value::Object(raw) = serde_json::to_value(&recorded).expect("encodes") else { panic!("a map") };
    assert_eq!(SchemaSubject::upgrade(1, raw.clone()), Ok(recorded));
    assert!(SchemaSubject::upgrade(2, raw).is_err());
}

/// A record with these fields, each with a default or without.
fn record(fields: &[(&str, bool)]) -> String {
    let field = |(name, default): &(&str, bool)| {
        let default = if *default { r#","default":"""# } else { "" };
        format!(r#"{{"name":"{name}","type":"string"{default}}}"#)
    };
    let fields: Vec<String> = fields.iter().map(field).collect();
    format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","))
}

fn judged(levels: [Option<&str>; 3], live: &str, desired: &str, default: &str) -> Vec<String> {
    let [applied, in_force, declared] = levels;
    let (prior, live, desired) =
        (attrs(Some(live), applied), attrs(Some(live), in_force), attrs(Some(desired), declared));
    let view = View::Update { prior: &prior, live: &live, desired: &desired };
    let (_, found) = diff(view, &with_default(default), &SpanMap::default());
    found
        .iter()
        .map(|d| format!("{:?} {} {}", d.severity, d.detail, d.help.as_deref().unwrap_or_default()))
        .collect()
}

#[test]
fn a_break_is_told_with_field_rule_promise_and_way_out() {
    let (narrow, wide) = (record(&[("id", false)]), record(&[("id", false), ("total", false)]));
    let told = judged([Some("BACKWARD"); 3], &narrow, &wide, "NONE");
    assert_eq!(
        told,
        ["Error The field `total` is new and has no default: older data gives a reader no value for it \
          [reader-field-missing-default-value]. The level BACKWARD, which is declared, promises that a reader of \
          the new schema can read what was written with the latest version. Let it be null (`required: false`), \
          or give it a `default`; or start a new major version beside this one: `datamesh new version PRODUCT`."]
    );
    let told = judged([Some("FORWARD"); 3], &wide, &narrow, "NONE");
    assert!(told.len() == 1 && told[0].contains("a reader of the latest version can read"), "{told:?}");
    assert!(told[0].contains(" Keep the field; or"), "{told:?}");
    assert!(judged([Some("FORWARD"); 3], &narrow, &wide, "NONE").is_empty());
    assert!(
        judged([Some("FULL"); 3], &narrow, &record(&[("id", false), ("total", true)]), "NONE").is_empty()
    );
}

#[test]
fn a_level_lowered_together_with_a_break_does_not_help() {
    let (narrow, wide) = (record(&[("id", false)]), record(&[("id", false), ("total", false)]));
    let cases = [
        ([None, None, None], "NONE", None),
        ([None, None, None], "BACKWARD", Some("in force in the registry")),
        ([None, Some("NONE"), None], "BACKWARD", None),
        ([Some("NONE"), Some("NONE"), Some("BACKWARD")], "NONE", Some("declared")),
        ([Some("BACKWARD"), Some("BACKWARD"), Some("NONE")], "NONE", Some("in force in the registry")),
        ([Some("FULL"), Some("NONE"), Some("NONE")], "NONE", Some("FULL, which is last applied")),
        ([Some("NONE"), Some("NONE"), Some("NONE")], "FULL", None),
    ];
    for (levels, default, source) in cases {
        let told = judged(levels, &narrow, &wide, default);
        assert_eq!(told.len(), usize::from(source.is_some()), "{levels:?} {default}: {told:?}");
        assert!(source.is_none_or(|source| told[0].contains(source)), "{levels:?} {default}: {told:?}");
    }
}

#[test]
fn breaks_are_many_or_beyond_judging() {
    let many: Vec<(String, bool)> = (0..50).map(|n| (format!("f{n}"), false)).collect();
    let many: Vec<(&str, bool)> = many.iter().map(|(name, default)| (name.as_str(), *default)).collect();
    let told = judged([Some("BACKWARD"); 3], &record(&[]), &record(&many), "NONE");
    assert_eq!(told.len(), 20);
    assert!(told[19].contains("one of 50 breaks, of which 20 are told"), "{}", told[19]);
    let odd = r#"{"type":"record","name":"R","fields":[{"name":"x","type":"acme.Elsewhere"}]}"#;
    let told = judged([Some("FULL"); 3], odd, &record(&[]), "NONE");
    assert!(told.len() == 1 && told[0].starts_with("Note") && told[0].contains("not defined"), "{told:?}");
}

#[test]
fn another_reference_is_another_schema() {
    let of = |references: &[(&str, &str)]| {
        let reference =
            |(name, subject): &(&str, &str)| Reference { name: (*name).into(), subject: (*subject).into() };
        let references = references.iter().map(reference).collect();
        SchemaSubject::normalize(SubjectAttrs { references, ..attrs(Some(STRING), None) })
    };
    let (one, same) = (of(&[("n.A", "a"), ("n.B", "b")]), of(&[("n.B", "b"), ("n.A", "a")]));
    assert!(updated(&one, &same, "NONE").is_no_op(), "their order says nothing");
    let other = updated(&one, &of(&[("n.A", "a"), ("n.B", "c")]), "NONE");
    assert_eq!(other.steps, [STEP_SCHEMA]);
    assert_eq!(other.changes.len(), 1, "the text is as it was: {:?}", other.changes);
    assert_eq!(other.changes[0].path, ["references"]);
    assert_eq!(updated(&one, &of(&[]), "NONE").changes[0].after, Planned::Unset);
    let (made, _) = create(&one, &Facts::default(), &SpanMap::default());
    assert!(made.changes.iter().any(|change| change.path == ["references"]), "{made:?}");
}

fn in_mode(mode: &str, schema: &str) -> SubjectAttrs {
    SchemaSubject::normalize(SubjectAttrs { mode: Some(mode.into()), ..attrs(Some(schema), None) })
}

fn with_modes(default: &str) -> Facts {
    Facts { identity: "r".into(), capabilities: [("default_mode".to_owned(), default.to_owned())].into() }
}

#[test]
fn a_mode_is_set_last_taken_away_first_and_opened_before_a_change() {
    let facts = with_modes("READWRITE");
    let steps = |view: View<'_, SubjectAttrs>| {
        let (spec, found) = diff(view, &facts, &SpanMap::default());
        assert!(found.is_empty(), "{found:?}");
        (
            spec.steps.join(" "),
            spec.changes.iter().map(|change| change.path.join(".")).collect::<Vec<_>>().join(" "),
        )
    };
    let (open, closed) = (in_mode("READWRITE", STRING), in_mode("readonly", STRING));
    let other = |mode| in_mode(mode, BYTES);
    let update =
        |live: &SubjectAttrs, desired: &SubjectAttrs| steps(View::Update { prior: live, live, desired });
    let said = |steps: &str, changes: &str| (steps.to_owned(), changes.to_owned());
    assert_eq!(steps(View::Create { desired: &closed }), said("schema mode", "schema schema_type mode"));
    assert_eq!(steps(View::Create { desired: &open }).0, "schema", "as it is without asking");
    assert_eq!(update(&open, &closed), said("mode", "mode"));
    assert_eq!(update(&open, &other("READONLY")), said("schema mode", "schema mode"));
    assert_eq!(update(&closed, &other("READWRITE")), said("mode schema", "schema mode"));
    assert_eq!(update(&closed, &in_mode("IMPORT", STRING)), said("mode", "mode"));
    assert_eq!(steps(View::Remove { prior: &closed, live: &closed }).0, "mode delete");
}

#[test]
fn a_purge_is_the_last_step_and_all_that_is_left_of_one_that_was_cut_off() {
    let purged = SubjectAttrs { purge: Some(true), ..attrs(Some(STRING), Some("FULL")) };
    let steps = |prior: &SubjectAttrs, live: &SubjectAttrs| {
        diff(View::Remove { prior, live }, &Facts::default(), &SpanMap::default()).0.steps.join(" ")
    };
    let live = attrs(Some(STRING), Some("FULL"));
    assert_eq!(steps(&purged, &live), "level delete purge");
    assert_eq!(steps(&live, &live), "level delete");
    let left = SubjectAttrs { deleted: Some(true), ..SubjectAttrs::default() };
    assert_eq!(steps(&purged, &left), "purge");
    assert!(updated(&live, &purged, "NONE").is_no_op(), "it is about what will be done");
}

#[test]
fn a_closed_subject_is_not_changed_and_no_mode_is_promised_where_there_are_none() {
    let told = |live: &SubjectAttrs, desired: &SubjectAttrs, facts: &Facts| {
        let (_, found) = diff(View::Update { prior: live, live, desired }, facts, &SpanMap::default());
        found.iter().map(|one| format!("{} {}", one.code.id, one.detail)).collect::<Vec<_>>().join("; ")
    };
    let (open, closed) = (in_mode("READWRITE", STRING), in_mode("READONLY", STRING));
    let said = told(&closed, &in_mode("READONLY", BYTES), &with_modes("READWRITE"));
    assert!(said.starts_with("DM0541") && said.contains("mode READONLY"), "{said}");
    let none = with_modes("none");
    assert!(told(&open, &closed, &none).starts_with("DM0540"));
    assert!(told(&open, &open, &none).is_empty());
    let (spec, found) = diff(View::Create { desired: &closed }, &none, &SpanMap::default());
    assert!(found.has_errors(), "{spec:?}");
    let (spec, _) = diff(View::Remove { prior: &open, live: &open }, &none, &SpanMap::default());
    assert_eq!(spec.steps, ["delete"], "there is none to be taken away");
}

fn any_attrs() -> impl Strategy<Value = SubjectAttrs> {
    let text = prop_oneof![
        Just(STRING.to_owned()),
        Just(r#"{"type":"string"}"#.to_owned()),
        Just(BYTES.to_owned()),
        Just(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","doc":"x"}]}"#.to_owned()),
        "[ -~]{0,20}",
    ];
    let ty = prop_oneof![Just("AVRO"), Just("avro"), Just("JSON"), Just("PROTOBUF")].prop_map(str::to_owned);
    let level = prop_oneof![
        proptest::sample::select(&Level::ALL[..]).prop_map(|l| l.name().to_owned()),
        Just(" full ".into())
    ];
    let option = proptest::option::of::<BoxedStrategy<String>>;
    let reference = ("[ab]", "[ab]").prop_map(|(name, subject)| Reference { name, subject });
    let references = proptest::collection::vec(reference, 0..3);
    let mode = prop_oneof![Just("READWRITE"), Just("readonly"), Just("IMPORT")].prop_map(str::to_owned);
    let words = (option(ty.boxed()), option(level.boxed()), option(mode.boxed()));
    let purge = proptest::option::of(any::<bool>());
    (option(text.boxed()), references, words, purge).prop_map(
        |(schema, references, (schema_type, compatibility, mode), purge)| SubjectAttrs {
            purge,
            deleted: None,
            schema,
            schema_type,
            references,
            compatibility,
            mode,
        },
    )
}

proptest! {
    #[test]
    fn normalising_is_idempotent(attrs in any_attrs()) {
        let once = SchemaSubject::normalize(attrs);
        prop_assert_eq!(SchemaSubject::normalize(once.clone()), once);
    }

    #[test]
    fn equal_sides_need_no_change(attrs in any_attrs()) {
        let a = SchemaSubject::normalize(attrs);
        let views = [View::Adopt { live: &a, desired: &a }, View::Update { prior: &a, live: &a, desired: &a }];
        for view in views {
            let (spec, found) = diff(view, &Facts::default(), &SpanMap::default());
            prop_assert!(spec.is_no_op() && spec.steps.is_empty() && spec.changes.is_empty() && found.is_empty());
        }
    }

    #[test]
    fn what_was_applied_needs_no_change(live in any_attrs(), desired in any_attrs(), default in any_attrs()) {
        let (live, desired) = (SchemaSubject::normalize(live), SchemaSubject::normalize(desired));
        let facts = with_default(default.compatibility.as_deref().unwrap_or("NONE"));
        let (spec, found) = diff(View::Adopt { live: &live, desired: &desired }, &facts, &SpanMap::default());
        // Each step at most once, and a step where and only where there is a change.
        prop_assert_eq!(spec.is_no_op(), spec.changes.is_empty());
        prop_assert_eq!(spec.is_no_op(), spec.steps.is_empty());
        if found.has_errors() {
            return Ok(());
        }
        let after = SubjectAttrs {
            schema: desired.schema.clone().or(live.schema.clone()),
            schema_type: if desired.schema.is_some() { desired.schema_type.clone() } else { live.schema_type.clone() },
            references: if desired.schema.is_some() { desired.references.clone() } else { live.references.clone() },
            compatibility: desired.compatibility.clone().or(live.compatibility.clone()),
            mode: desired.mode.clone().or(live.mode.clone()),
            ..SubjectAttrs::default()
        };
        let view = View::Update { prior: &desired, live: &after, desired: &desired };
        prop_assert!(diff(view, &facts, &SpanMap::default()).0.is_no_op());
        let managed = SchemaSubject::managed(&after, &desired);
        prop_assert_eq!(managed.schema, desired.schema);
        prop_assert_eq!(managed.references, desired.references);
        prop_assert_eq!(managed.compatibility, desired.compatibility);
        prop_assert_eq!(managed.mode, desired.mode);
        prop_assert_eq!(managed.purge, desired.purge, "no registry knows of it");
    }
}
