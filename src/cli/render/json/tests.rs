use super::super::escape::{HOSTILE, is_clean};
use super::super::samples;
use super::*;
use datamesh_core::plan::Action;
use datamesh_provider::{
    AttributeChange, Code, Diagnostic, Event, Planned, SourceFile, Sources, Span, SystemName,
};
use std::time::Duration;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn find<'a>(document: &'a Value, address: &str) -> &'a Value {
    let all = document["resource_changes"].as_array().expect("a list");
    all.iter().find(|change| change["address"] == address).expect("there")
}

#[test]
fn the_plan_document_speaks_terraform() {
    let document = parse(&plan(&samples::full()));
    assert_eq!(document["format_version"], "1.0");
    let create = find(&document, "orders/facts@3:kafka_topic.kafka");
    assert_eq!(create["change"]["actions"], json!(["create"]));
    assert_eq!(create["change"]["before"], Value::Null);
    assert_eq!(create["change"]["after"]["partitions"], 3);
    assert_eq!(create["change"]["after_unknown"], json!({"topic_id": true}));
    assert_eq!(
        (&create["domain"], &create["product"], &create["version"]),
        (&json!("orders"), &json!("facts"), &json!(3))
    );
    let adopt = find(&document, "payments/events@2:schema_subject.kafka");
    assert_eq!(adopt["change"]["actions"], json!(["no-op"]));
    assert_eq!(adopt["change"]["importing"], json!({"id": "payments-value"}));
    let hold = find(&document, "payments/refunds@1:kafka_topic.kafka");
    assert_eq!((&hold["change"]["actions"], &hold["action_reason"]), (&json!(["no-op"]), &json!("held")));
    let moved = find(&document, "orders/renamed@1:kafka_topic.kafka");
    assert_eq!(moved["previous_address"], "orders/before@1:kafka_topic.kafka");
    assert_eq!(document["resource_drift"][1]["change"]["actions"], json!(["delete"]));
    assert_eq!(document["summary"]["create"], 2);
    let update = find(&document, "orders/lines@1:kafka_topic.kafka");
    assert_eq!(update["class"], "data-loss");
    assert_eq!(update["attributes"][0]["after"], "86400000");
}

#[test]
fn sensitive_values_are_in_no_document() {
    let mut sample = samples::plan(vec![samples::change("a/b@1:kafka_topic.k", "t", Action::Update, "x")]);
    let secret = AttributeChange::new(&["config", "password"], Some(json!("hunter2")), Planned::Sensitive);
    sample.changes[0].attributes = vec![secret];
    sample.changes[0].planned = Some(samples::map(json!({"config": {"password": "hunter3", "other": 1}})));
    sample.changes[0].prior = Some(samples::map(json!({"config": {"password": "hunter2"}})));
    let text = plan(&sample) + &plan_events(&sample);
    assert!(!text.contains("hunter"), "{text}");
    assert!(text.contains("\"other\": 1"));
}

#[test]
fn every_event_is_one_line_that_parses() {
    for text in HOSTILE {
        let mut sources = Sources::default();
        let file = sources.add(SourceFile { path: (*text).into(), text: Some((*text).into()) });
        let found = Diagnostic::error(Code::new("DM0001", "summary"), *text)
            .at(Span { file, start: 0, end: 1 }, *text)
            .help(*text);
        let all = plan_events(&samples::hostile(text)) + &diagnostic(&found, &sources) + &version();
        let document = plan(&samples::hostile(text));
        assert!(is_clean(&all) && is_clean(&document), "{text:?}");
        let held = parse(&document)["held_back"].as_object().cloned().unwrap_or_default();
        assert!(held.contains_key(*text), "escapes read back as what they stand for");
        for line in all.lines() {
            let value = parse(line);
            assert!(value["type"].is_string() && value["message"].is_string(), "{line}");
        }
        let events = [
            Event::Phase { name: "plan" },
            Event::RefreshComplete {
                system: SystemName::new("kafka", *text),
                objects: 3,
                took: Duration::from_millis(1500),
            },
            Event::Waiting { what: (*text).to_owned(), for_how_long: Duration::from_secs(2) },
        ];
        for one in events {
            let line = event(&one, &sources).expect("shown");
            assert_eq!(line.lines().count(), 1);
            parse(&line);
        }
    }
}

#[test]
fn places_have_lines_and_columns() {
    let mut sources = Sources::default();
    let file = sources.add(SourceFile { path: "a.yaml".into(), text: Some("x: 1\ny: 2\n".into()) });
    let found = Diagnostic::error(Code::new("DM0001", "s"), "d").at(Span { file, start: 5, end: 6 }, "here");
    let value = parse(&diagnostic(&found, &sources));
    assert_eq!(value["range"]["filename"], "a.yaml");
    assert_eq!(value["range"]["start"], json!({"line": 2, "column": 1, "byte": 5}));
    assert_eq!(value["range"]["end"], json!({"line": 2, "column": 2, "byte": 6}));
}

#[test]
fn the_stream_begins_with_its_version() {
    let value = parse(&version());
    assert_eq!((&value["type"], &value["format_version"]), (&json!("version"), &json!("1.0")));
}

#[test]
fn equal_plans_give_equal_bytes() {
    assert_eq!(plan(&samples::full()), plan(&samples::full()));
    assert_eq!(plan_events(&samples::full()), plan_events(&samples::full()));
}
