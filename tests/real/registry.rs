//! The registry provider on a real registry.

use crate::support::servers::servers;
use datamesh_conformance::testing::{RealClock, context};
use datamesh_conformance::{Sample, Suite};
use datamesh_provider::{
    Address, ConnectRequest, Context, LiveObject, Located, ObjectId, OpAction, OpDiagnostics, OpOutcome,
    Operation, OperationId, Outcome, Packed, Provider, ReadRequest, SpanMap, SystemName, TypeName, View,
};
use datamesh_schema_registry::DEF;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

const TYPE: &str = "schema_subject";

async fn connect(url: &str) -> Arc<dyn Provider> {
    let settings = Located { value: json!({"url": url}), ..Located::default() };
    assert!((DEF.validate_config)(&settings).is_empty());
    let request = ConnectRequest {
        name: "registry.default".into(),
        settings,
        root: ".".into(),
        context: real_context(),
    };
    (DEF.connect)(request).await.expect("connects")
}

fn real_context() -> Context {
    context(Arc::new(RealClock::default()))
}

fn attrs(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

/// A record with these fields, each `(name, type, with default)`.
fn record(fields: &[(&str, Value, bool)]) -> String {
    let field = |(name, ty, default): &(&str, Value, bool)| {
        let mut field =
            json!({"name": name, "type": ty, "doc": format!("the {name}"), "datamesh.pii": "email"});
        if *default {
            field["default"] = Value::Null;
        }
        field
    };
    let fields: Vec<Value> = fields.iter().map(field).collect();
    json!({"type": "record", "name": "Order", "namespace": "rprov.shop", "fields": fields}).to_string()
}

fn first() -> String {
    record(&[("id", json!("string"), false)])
}

/// The first with one more optional field: compatible under BACKWARD.
fn second() -> String {
    record(&[("id", json!("string"), false), ("note", json!(["null", "string"]), true)])
}

/// A new required field: what was written before cannot be read.
fn breaking() -> String {
    record(&[("id", json!("string"), false), ("total", json!("long"), false)])
}

/// One subject of this run, for the test of this name.
struct Subject {
    provider: Arc<dyn Provider>,
    cx: Context,
    id: ObjectId,
}

impl Subject {
    /// Nothing where there are no real servers.
    async fn new(name: &str) -> Option<Self> {
        let provider = connect(servers()?.registry()).await;
        let id = format!("rprov-{}-{name}", std::process::id());
        Some(Self { provider, cx: real_context(), id: ObjectId::new(id) })
    }

    async fn read(&self) -> Option<LiveObject> {
        let request = ReadRequest::of(TypeName::new(TYPE), self.id.clone())
            .managed(vec![attrs(json!({"schema": "", "compatibility": "NONE"}))]);
        let sink = Mutex::new(Vec::new());
        self.provider.read(&self.cx, &[request], &sink).await;
        let mut results = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(results.len(), 1);
        results.remove(0).result.expect("readable")
    }

    async fn ops(&self, action: OpAction, desired: Option<Value>) -> Vec<Operation> {
        let live = self.read().await;
        let desired = desired.map(attrs);
        let empty = Packed::default();
        let view = match (action, &live, &desired) {
            (OpAction::Create, _, Some(desired)) => View::Create { desired },
            (OpAction::Update, Some(live), Some(desired)) => {
                View::Update { prior: desired, live: &live.attributes, desired }
            }
            (_, Some(live), _) => View::Remove { prior: &live.attributes, live: &live.attributes },
            _ => View::Remove { prior: &empty, live: &empty },
        };
        let facts = self.provider.facts(&self.cx).await.expect("facts");
        let (spec, found) = DEF.types[0].diff(view, &facts, &SpanMap::default()).expect("decodes");
        // What the plan would refuse is tried all the same: the registry shall refuse it, too.
        assert!(found.iter().all(|found| found.code.id == "DM0536"), "{found:?}");
        let op = |step: String| Operation {
            id: OperationId(format!("{action:?} {step}")),
            address: Address::of_product("shop", "orders", 1, TypeName::new(TYPE), "contract")
                .expect("an address"),
            ty: TypeName::new(TYPE),
            system: SystemName::new("registry", "default"),
            object: self.id.clone(),
            action,
            step,
            prior: None,
            live: live.as_ref().map(|live| live.attributes.clone()),
            planned: desired.clone(),
            incarnation: None,
            owner: String::new(),
        };
        spec.steps.into_iter().map(op).collect()
    }

    async fn run(&self, ops: &[Operation]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for op in ops {
            let sink = Mutex::new(Vec::<OpOutcome>::new());
            self.provider.apply(&self.cx, std::slice::from_ref(op), &sink).await;
            outcomes.extend(
                sink.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().map(|o| o.outcome),
            );
            if !outcomes.last().is_some_and(Outcome::is_success) {
                break;
            }
        }
        outcomes
    }

    /// Creates or changes the subject; every step must be done.
    async fn be(&self, desired: Value) -> LiveObject {
        let action = if self.read().await.is_some() { OpAction::Update } else { OpAction::Create };
        let ops = self.ops(action, Some(desired)).await;
        match self.run(&ops).await.pop() {
            Some(Outcome::Done(live)) => live,
            other => panic!("{other:?}"),
        }
    }

    async fn check(&self, desired: Value) -> Vec<String> {
        let ops = self.ops(OpAction::Update, Some(desired)).await;
        let sink = Mutex::new(Vec::<OpDiagnostics>::new());
        self.provider.check(&self.cx, &ops, &sink).await;
        let found = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        found
            .into_iter()
            .flat_map(|d| d.diagnostics)
            .map(|d| format!("{} {} {:?}", d.code.id, d.detail, d.help))
            .collect()
    }

    async fn gone(self) {
        let ops = self.ops(OpAction::Delete, None).await;
        assert_eq!(self.run(&ops).await.pop(), Some(Outcome::Deleted));
        assert_eq!(self.read().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_conforms() {
    let Some(servers) = servers() else { return };
    let sample = |name: &str| Sample {
        id: ObjectId::new(format!("rprov-{}-conf/{name} ü%", std::process::id())),
        create: attrs(json!({"schema": first(), "schema_type": "AVRO", "compatibility": "BACKWARD"})),
        update: attrs(json!({"schema": second(), "schema_type": "AVRO", "compatibility": "FULL"})),
    };
    let broken = datamesh_conformance::run(Suite {
        provider: connect(servers.registry()).await,
        unreachable: Some(connect("http://127.0.0.1:9/apis/ccompat/v7").await),
        system: SystemName::new("registry", "default"),
        ty: DEF.types[0],
        sample: &sample,
        incarnations: false,
        batch: 20,
        context: real_context(),
    })
    .await;
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_schema_keeps_every_word_and_has_an_id_and_a_version() {
    let Some(subject) = Subject::new("words").await else { return };
    let live = subject.be(json!({"schema": first(), "compatibility": "BACKWARD"})).await;
    assert_eq!(live.attributes["schema"], json!(first()), "docs and tags included");
    assert_eq!(live.attributes["compatibility"], "BACKWARD");
    assert_eq!(live.computed["version"], 1);
    assert!(live.computed["id"].as_i64().is_some_and(|id| id > 0));
    let live = subject.be(json!({"schema": second(), "compatibility": "BACKWARD"})).await;
    assert_eq!(live.computed["version"], 2);
    // The same schema, written otherwise, is no change and makes no version.
    let other =
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(&second()).expect("JSON")).expect("JSON");
    assert!(subject.ops(OpAction::Update, Some(json!({"schema": other}))).await.is_empty());
    subject.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incompatible_schema_is_told_in_advance_and_refused() {
    let Some(subject) = Subject::new("breaking").await else { return };
    subject.be(json!({"schema": first(), "compatibility": "BACKWARD"})).await;
    let desired = json!({"schema": breaking(), "compatibility": "BACKWARD"});
    let found = subject.check(desired.clone()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    for words in ["DM0536", "BACKWARD", subject.id.as_str(), "datamesh new version"] {
        assert!(found[0].contains(words), "{words}: {found:?}");
    }
    assert!(subject.check(json!({"schema": second(), "compatibility": "BACKWARD"})).await.is_empty());
    let ops = subject.ops(OpAction::Update, Some(desired)).await;
    match subject.run(&ops).await.pop() {
        Some(Outcome::Rejected(refusal)) => {
            assert_eq!(refusal.error.server_code.as_deref(), Some("409"), "{:?}", refusal.error);
            assert!(!refusal.error.message.is_empty());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(subject.read().await.map(|live| live.computed["version"].clone()), Some(json!(1)));
    subject.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transitive_levels_are_judged_against_every_version() {
    let Some(subject) = Subject::new("transitive").await else { return };
    let with = |fields: &[(&str, Value, bool)]| record(fields);
    let id = ("id", json!("string"), false);
    let gone = ("x", json!(["null", "string"]), true);
    let back = ("x", json!(["null", "long"]), true);
    subject.be(json!({"schema": with(&[id.clone(), gone]), "compatibility": "BACKWARD_TRANSITIVE"})).await;
    subject
        .be(json!({"schema": with(std::slice::from_ref(&id)), "compatibility": "BACKWARD_TRANSITIVE"}))
        .await;
    // Readable by the latest version, which has no `x`; not by the first, whose `x` is a text.
    let desired = json!({"schema": with(&[id, back]), "compatibility": "BACKWARD_TRANSITIVE"});
    let found = subject.check(desired.clone()).await;
    assert!(found.len() == 1 && found[0].contains("DM0536"), "{found:?}");
    assert!(found[0].contains("`x`") && found[0].contains("written with version 1"), "{found:?}");
    let ops = subject.ops(OpAction::Update, Some(desired)).await;
    let outcome = subject.run(&ops).await.pop();
    assert!(matches!(&outcome, Some(Outcome::Rejected(_))), "the registry agrees: {outcome:?}");
    subject.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_an_older_version_is_refused_with_the_way_out() {
    let Some(subject) = Subject::new("revert").await else { return };
    subject.be(json!({"schema": first(), "compatibility": "NONE"})).await;
    subject.be(json!({"schema": second(), "compatibility": "NONE"})).await;
    let desired = json!({"schema": first(), "compatibility": "NONE"});
    let found = subject.check(desired.clone()).await;
    assert!(found.len() == 1 && found[0].contains("DM0537") && found[0].contains("version 1"), "{found:?}");
    let ops = subject.ops(OpAction::Update, Some(desired)).await;
    let outcome = subject.run(&ops).await.pop();
    assert!(
        matches!(&outcome, Some(Outcome::Rejected(r)) if r.error.message.contains("version 2")),
        "{outcome:?}"
    );
    subject.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loosening_lets_a_break_through_and_tightening_follows_a_version() {
    let Some(subject) = Subject::new("levels").await else { return };
    subject.be(json!({"schema": first(), "compatibility": "BACKWARD"})).await;
    let live = subject.be(json!({"schema": breaking(), "compatibility": "NONE"})).await;
    assert_eq!((&live.attributes["compatibility"], &live.computed["version"]), (&json!("NONE"), &json!(2)));
    let live = subject.be(json!({"schema": second(), "compatibility": "FULL_TRANSITIVE"})).await;
    assert_eq!(live.attributes["compatibility"], "FULL_TRANSITIVE");
    assert_eq!((&live.attributes["schema"], &live.computed["version"]), (&json!(second()), &json!(3)));
    subject.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_the_plan_is_stale() {
    let Some(subject) = Subject::new("stale").await else { return };
    subject.be(json!({"schema": first(), "compatibility": "NONE"})).await;
    let planned = subject.ops(OpAction::Update, Some(json!({"schema": breaking()}))).await;
    let level = subject.ops(OpAction::Update, Some(json!({"compatibility": "FORWARD"}))).await;
    let delete = subject.ops(OpAction::Delete, None).await;
    subject.be(json!({"schema": second(), "compatibility": "FULL"})).await;
    for ops in [planned, level, delete] {
        let outcome = subject.run(&ops[..1]).await.pop();
        let Some(Outcome::Stale(Some(live))) = outcome else { panic!("{outcome:?}") };
        assert_eq!(live.attributes["schema"], json!(second()));
    }
    subject.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_languages_register_as_they_are_written() {
    let cases = [
        ("JSON", json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}).to_string()),
        (
            "PROTOBUF",
            "syntax = \"proto3\";\npackage shop;\n\nmessage Order {\n  string id = 1;\n}\n".to_owned(),
        ),
    ];
    for (language, text) in cases {
        let Some(subject) = Subject::new(language).await else { return };
        let desired = json!({"schema": text, "schema_type": language, "compatibility": "BACKWARD"});
        let live = subject.be(desired.clone()).await;
        assert_eq!(
            (&live.attributes["schema_type"], &live.attributes["compatibility"]),
            (&json!(language), &json!("BACKWARD"))
        );
        assert!(subject.ops(OpAction::Update, Some(desired)).await.is_empty(), "{language}");
        subject.gone().await;
    }
}
