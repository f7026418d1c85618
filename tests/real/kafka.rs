//! The Kafka provider on a real cluster.

use crate::support::servers::{Servers, servers};
use crate::witness::Witness;
use datamesh_conformance::testing::{RealClock, context};
use datamesh_conformance::{Sample, Suite};
use datamesh_kafka::DEF;
use datamesh_provider::{
    CallBudget, Cancel, CancelStage, ChangeSpec, ConnectRequest, Context, ErrorKind, Facts, Interruption,
    Listed, LiveObject, Located, ObjectId, OpAction, OpDiagnostics, OpOutcome, Operation, OperationId,
    Outcome, Packed, Provider, ProviderError, ReadRequest, ReadResult, ResourceType, SpanMap, SystemName,
    TypeName, View,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const TYPE: &str = "kafka_topic";

async fn connect_with(settings: Value) -> Arc<dyn Provider> {
    let settings = Located { value: settings, ..Located::default() };
    let found = (DEF.validate_config)(&settings);
    assert!(found.is_empty(), "{found:?}");
    let request =
        ConnectRequest { name: "kafka.default".into(), settings, root: ".".into(), context: real_context() };
    (DEF.connect)(request).await.expect("connects")
}

async fn connect(servers: &Servers) -> Arc<dyn Provider> {
    connect_with(json!({"bootstrap_servers": servers.kafka()})).await
}

fn real_context() -> Context {
    context(Arc::new(RealClock::default()))
}

fn ty() -> &'static dyn ResourceType {
    DEF.types[0]
}

fn attrs(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn taken<T>(sink: Mutex<Vec<T>>) -> Vec<T> {
    sink.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// One cluster, and the names of one test in it.
struct Fixture {
    provider: Arc<dyn Provider>,
    cx: Context,
    prefix: String,
}

impl Fixture {
    /// Nothing where there are no real servers.
    async fn new(test: &str) -> Option<Self> {
        Some(Self::on(connect(servers()?).await, test))
    }

    fn on(provider: Arc<dyn Provider>, test: &str) -> Self {
        Self { provider, cx: real_context(), prefix: format!("kprov-{}-{test}", std::process::id()) }
    }

    fn since(&self, start: Duration) -> Duration {
        self.cx.clock.monotonic() - start
    }

    fn id(&self, name: &str) -> ObjectId {
        ObjectId::new(format!("{}-{name}", self.prefix))
    }

    async fn results(&self, ids: &[ObjectId], managed: Value) -> Vec<ReadResult> {
        let request = |id: &ObjectId| {
            ReadRequest::of(TypeName::new(TYPE), id.clone())
                .managed(vec![attrs(managed.clone())])
                .with_incarnation()
        };
        let want: Vec<_> = ids.iter().map(request).collect();
        let sink = Mutex::new(Vec::new());
        self.provider.read(&self.cx, &want, &sink).await;
        taken(sink)
    }

    async fn result(&self, id: &ObjectId, managed: Value) -> Result<Option<LiveObject>, ProviderError> {
        let mut results = self.results(std::slice::from_ref(id), managed).await;
        assert_eq!(results.len(), 1);
        results.remove(0).result
    }

    async fn live(&self, id: &ObjectId, managed: Value) -> LiveObject {
        self.result(id, managed).await.expect("readable").expect("there")
    }

    fn op(&self, id: &ObjectId, action: OpAction, step: &str) -> Operation {
        Operation {
            id: OperationId(format!("{step} {}", id.as_str())),
            address: "shop/orders@1:kafka_topic.kafka".parse().expect("address"),
            ty: TypeName::new(TYPE),
            system: SystemName::new("kafka", "default"),
            object: id.clone(),
            action,
            step: step.into(),
            prior: None,
            live: None,
            planned: None,
            incarnation: None,
            owner: String::new(),
        }
    }

    async fn outcomes(&self, cx: &Context, ops: &[Operation]) -> Vec<OpOutcome> {
        let sink = Mutex::new(Vec::new());
        self.provider.apply(cx, ops, &sink).await;
        taken(sink)
    }

    async fn outcome(&self, cx: &Context, op: Operation) -> Outcome {
        let mut outcomes = self.outcomes(cx, &[op]).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0).outcome
    }

    async fn create(&self, id: &ObjectId, planned: Value) -> LiveObject {
        let planned = ty().normalize(&attrs(planned)).expect("attributes");
        let op = Operation { planned: Some(planned), ..self.op(id, OpAction::Create, "create") };
        match self.outcome(&self.cx, op).await {
            Outcome::Done(live) => live,
            other => panic!("{other:?}"),
        }
    }

    /// Plans and applies a change, step by step, and plans again: nothing is left to do.
    async fn update(&self, id: &ObjectId, prior: Value, desired: Value) -> (ChangeSpec, LiveObject) {
        let both = json!({"config": merged(&prior["config"], &desired["config"])});
        let [prior, desired] = [prior, desired].map(|side| ty().normalize(&attrs(side)).expect("attributes"));
        let before = self.live(id, both.clone()).await;
        let spec = diff(View::Update { prior: &prior, live: &before.attributes, desired: &desired });
        for step in &spec.steps {
            let op = Operation {
                prior: Some(prior.clone()),
                live: Some(before.attributes.clone()),
                planned: Some(desired.clone()),
                incarnation: before.incarnation.clone(),
                ..self.op(id, OpAction::Update, step)
            };
            let outcome = self.outcome(&self.cx, op).await;
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        }
        let after = self.live(id, both).await;
        let again = diff(View::Update { prior: &desired, live: &after.attributes, desired: &desired });
        assert!(again.is_no_op(), "{again:?}");
        (spec, after)
    }

    async fn delete(&self, live: &LiveObject) -> Outcome {
        let op = Operation {
            live: Some(live.attributes.clone()),
            incarnation: live.incarnation.clone(),
            ..self.op(&live.id, OpAction::Delete, "delete")
        };
        self.outcome(&self.cx, op).await
    }

    async fn check(&self, op: Operation) -> Vec<(&'static str, bool, String)> {
        let found = self.findings(op).await.into_iter().flat_map(|found| found.diagnostics);
        found.map(|d| (d.code.id, d.is_error(), d.detail)).collect()
    }

    async fn findings(&self, op: Operation) -> Vec<OpDiagnostics> {
        let sink: Mutex<Vec<OpDiagnostics>> = Mutex::default();
        self.provider.check(&self.cx, &[op], &sink).await;
        taken(sink)
    }
}

fn diff(view: View<'_, Packed>) -> ChangeSpec {
    let (spec, found) = ty().diff(view, &Facts::default(), &SpanMap::default()).expect("decodes");
    assert!(!found.has_errors(), "{found:?}");
    spec
}

fn merged(one: &Value, two: &Value) -> Value {
    let sides = [one, two].into_iter().filter_map(Value::as_object).flatten();
    Value::Object(sides.map(|(k, v)| (k.clone(), v.clone())).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(servers) = servers() else { return };
    let prefix = format!("kprov-{}-suite", std::process::id());
    let sample = move |name: &str| Sample {
        id: ObjectId::new(format!("{prefix}-{name}")),
        create: attrs(json!({"partitions": 2, "replication_factor": 1,
            "config": {"retention.ms": "7d", "cleanup.policy": "delete"}})),
        update: attrs(json!({"partitions": 3, "replication_factor": 1,
            "config": {"retention.ms": "8d", "segment.ms": "1d"}})),
    };
    let mut cx = real_context();
    cx.budget.call_timeout = Duration::from_secs(5);
    let broken = datamesh_conformance::run(Suite {
        provider: connect(servers).await,
        unreachable: Some(connect_with(json!({"bootstrap_servers": "127.0.0.1:1"})).await),
        system: SystemName::new("kafka", "default"),
        ty: ty(),
        sample: &sample,
        incarnations: true,
        batch: 20,
        context: cx,
    })
    .await;
    assert_eq!(broken, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_topic_from_creation_to_deletion() {
    let Some(fixture) = Fixture::new("life").await else { return };
    let id = fixture.id("orders.v1");
    let first = json!({"partitions": 1, "replication_factor": 1,
        "config": {"cleanup.policy": "compact", "min.insync.replicas": "1", "max.message.bytes": "1MiB"}});
    let made = fixture.create(&id, first.clone()).await;
    assert!(made.incarnation.is_some());
    assert_eq!(made.attributes["config"]["max.message.bytes"], "1048576");

    let second = json!({"partitions": 4, "replication_factor": 1,
        "config": {"cleanup.policy": "compact, delete", "retention.ms": "forever", "max.message.bytes": "1MiB"}});
    let (spec, after) = fixture.update(&id, first, second).await;
    assert_eq!(spec.steps, ["partitions", "config"]);
    assert_eq!(after.incarnation, made.incarnation);
    assert_eq!(after.attributes["partitions"], 4);
    let config =
        json!({"cleanup.policy": "compact,delete", "max.message.bytes": "1048576", "retention.ms": "-1"});
    assert_eq!(after.attributes["config"], config);

    assert_eq!(fixture.delete(&after).await, Outcome::Deleted);
    assert_eq!(fixture.result(&id, json!({})).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_of_others_are_neither_read_nor_touched() {
    let Some(fixture) = Fixture::new("others").await else { return };
    let id = fixture.id("t");
    let theirs = json!({"partitions": 1, "config": {"segment.bytes": "2MiB", "flush.ms": "5s"}});
    fixture.create(&id, theirs.clone()).await;

    let ours = json!({"config": {"retention.ms": "1d"}});
    let read = fixture.live(&id, ours.clone()).await;
    assert!(read.attributes.get("config").is_none(), "{read:?}");
    // What holds for a key nobody set on the topic is known, and is not its own.
    assert_eq!(read.attributes["inherited"], json!({"retention.ms": "604800000"}));

    let (spec, _) = fixture.update(&id, json!({}), ours.clone()).await;
    assert_eq!(spec.changes.len(), 1);
    let (spec, after) = fixture.update(&id, ours, json!({})).await;
    assert_eq!(spec.changes.len(), 1);
    assert!(after.attributes.get("config").is_none(), "{after:?}");
    let left = fixture.live(&id, theirs).await;
    assert_eq!(left.attributes["config"], json!({"flush.ms": "5000", "segment.bytes": "2097152"}));
    assert_eq!(fixture.delete(&left).await, Outcome::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_pinned_even_at_the_value_it_has_anyway() {
    let Some(fixture) = Fixture::new("pin").await else { return };
    let id = fixture.id("t");
    fixture.create(&id, json!({"partitions": 1})).await;
    let desired = json!({"config": {"min.insync.replicas": "1", "retention.ms": "7d"}});
    let (spec, after) = fixture.update(&id, json!({}), desired).await;
    assert_eq!(spec.changes.len(), 2, "{spec:?}");
    assert!(spec.changes.iter().all(|change| change.reason.as_deref().is_some_and(|r| r.contains("pins"))));
    assert_eq!(after.attributes["config"], json!({"min.insync.replicas": "1", "retention.ms": "604800000"}));
    fixture.delete(&after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_moved() {
    let Some(fixture) = Fixture::new("stale").await else { return };
    let id = fixture.id("t");
    let made = fixture.create(&id, json!({"partitions": 2})).await;

    let planned = Some(attrs(json!({"partitions": 5})));
    let again = Operation { planned: planned.clone(), ..fixture.op(&id, OpAction::Create, "create") };
    assert_eq!(fixture.outcome(&fixture.cx, again).await, Outcome::Stale(Some(made.clone())));

    // Somebody else grew it beyond what the plan wants.
    let fewer = Operation {
        planned: Some(attrs(json!({"partitions": 1}))),
        incarnation: made.incarnation.clone(),
        ..fixture.op(&id, OpAction::Update, "partitions")
    };
    assert!(matches!(fixture.outcome(&fixture.cx, fewer).await, Outcome::Stale(Some(_))));

    let other = LiveObject { incarnation: Some("AAAAAAAAAAAAAAAAAAAAAQ".into()), ..made.clone() };
    assert!(
        matches!(fixture.delete(&other).await, Outcome::Stale(Some(live)) if live.incarnation == made.incarnation)
    );
    assert_eq!(fixture.delete(&made).await, Outcome::Deleted);
    assert_eq!(fixture.delete(&made).await, Outcome::Stale(None));
    let update = Operation { planned, incarnation: None, ..fixture.op(&id, OpAction::Update, "partitions") };
    assert_eq!(fixture.outcome(&fixture.cx, update).await, Outcome::Stale(None));
    assert_eq!(fixture.result(&id, json!({})).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_the_brokers_words_and_spare_the_rest_of_the_batch() {
    let Some(fixture) = Fixture::new("refused").await else { return };
    let (good, bad, odd) = (fixture.id("good"), fixture.id("bad"), fixture.id("odd"));
    let op = |id: &ObjectId, planned: Value| Operation {
        planned: Some(attrs(planned)),
        ..fixture.op(id, OpAction::Create, "create")
    };
    let batch = [
        op(&bad, json!({"partitions": 1, "replication_factor": 7})),
        op(&good, json!({"partitions": 1, "replication_factor": 1})),
        op(&odd, json!({"partitions": 1, "config": {"no.such.config": "1"}})),
        op(&ObjectId::new("no topic"), json!({"partitions": 1})),
    ];
    let mut refused = 0;
    for OpOutcome { id, outcome } in fixture.outcomes(&fixture.cx, &batch).await {
        match outcome {
            Outcome::Done(live) => {
                assert_eq!(live.id, good);
                fixture.delete(&live).await;
            }
            Outcome::Rejected(refusal) => {
                refused += 1;
                assert_eq!(refusal.error.kind, ErrorKind::Invalid, "{id:?}");
                if id == batch[0].id {
                    assert_eq!(refusal.error.server_code.as_deref(), Some("INVALID_REPLICATION_FACTOR"));
                    assert!(refusal.error.message.contains('7'), "{}", refusal.error);
                    assert!(refusal.error.hint.is_some());
                }
                if id == batch[2].id {
                    assert!(refusal.error.message.contains("no.such.config"), "{}", refusal.error);
                }
            }
            other => panic!("{id:?}: {other:?}"),
        }
    }
    assert_eq!(refused, 3);
}

/// Controllers refuse a request for more than 10,000 partitions as a whole, in advance as well.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_refused_for_its_size() {
    let Some(fixture) = Fixture::new("large").await else { return };
    let create = |n: usize, partitions: i64| Operation {
        planned: Some(attrs(json!({"partitions": partitions, "replication_factor": 1}))),
        ..fixture.op(&fixture.id(&format!("t{n}")), OpAction::Create, "create")
    };
    let batch: Vec<Operation> = (0..3).map(|n| create(n, 4_000)).collect();
    let found = Mutex::new(Vec::new());
    fixture.provider.check(&fixture.cx, &batch, &found).await;
    let found = found.into_inner().expect("no panic");
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_are_asked_in_advance() {
    let Some(fixture) = Fixture::new("check").await else { return };
    let id = fixture.id("t");
    let create = |planned: Value| Operation {
        planned: Some(attrs(planned)),
        ..fixture.op(&id, OpAction::Create, "create")
    };
    assert_eq!(fixture.check(create(json!({"partitions": 3}))).await, []);
    let found = fixture.check(create(json!({"replication_factor": 9}))).await;
    assert!(
        matches!(found.as_slice(), [("DM0518", true, detail)] if detail.contains("INVALID_REPLICATION_FACTOR")),
        "{found:?}"
    );
    assert_eq!(fixture.result(&id, json!({})).await, Ok(None), "a check creates nothing");

    let made = fixture.create(&id, json!({"partitions": 1})).await;
    let update = |config: Value| Operation {
        prior: Some(Packed::default()),
        live: Some(made.attributes.clone()),
        planned: Some(attrs(json!({ "config": config }))),
        incarnation: made.incarnation.clone(),
        ..fixture.op(&id, OpAction::Update, "config")
    };
    assert_eq!(fixture.check(update(json!({"retention.ms": "1000"}))).await, []);
    for (config, key) in [
        (json!({"compression.type": "none of these", "min.insync.replicas": "1"}), "compression.type"),
        (json!({"max.message.bytes": "99", "retention": "7d"}), "retention"),
    ] {
        let found = fixture.findings(update(config)).await;
        let [found] = &found[..] else { panic!("{found:?}") };
        assert_eq!(found.about, ["config", key], "{found:?}");
        assert!(found.diagnostics.iter().all(|d| d.is_error() && d.code.id == "DM0518"), "{found:?}");
    }
    let after = fixture.live(&id, json!({"config": {"retention.ms": "", "compression.type": ""}})).await;
    assert!(after.attributes.get("config").is_none(), "a check sets nothing: {after:?}");
    fixture.delete(&after).await;
}

/// Bindings, and who uses a topic: with all other tests here, every call of the module with `unsafe`, so that it can be
/// looked at for leaks in this process.
#[tokio::test(flavor = "multi_thread")]
async fn bindings_are_made_listed_and_taken_away_beside_a_topic_in_use() {
    let Some(fixture) = Fixture::new("bindings").await else { return };
    let Some(witness) = servers().and_then(Witness::of) else { return };
    let topic = fixture.create(&fixture.id("t"), json!({"partitions": 2})).await;
    let name = topic.id.as_str();
    let planned = attrs(json!({"name": name, "principal": "User:reader", "operation": "read"}));
    let binding = ObjectId::new(format!("read@topic={name}@User:reader"));
    let ty = TypeName::new("kafka_acl");
    let op = |action, step: &str| Operation {
        ty: ty.clone(),
        planned: Some(planned.clone()),
        live: Some(planned.clone()),
        ..fixture.op(&binding, action, step)
    };
    let listed = async || {
        let sink: Mutex<Vec<Listed>> = Mutex::default();
        fixture.provider.list(&fixture.cx, &ty, &sink).await.expect("listed");
        taken(sink).into_iter().filter(|listed| listed.id == binding).count()
    };
    assert!(matches!(fixture.outcome(&fixture.cx, op(OpAction::Create, "create")).await, Outcome::Done(_)));
    assert_eq!(listed().await, 1);
    witness.add_records(name, 5, 0);
    let reader = witness.reader(name, &format!("{name}-group"));
    let delete = Operation {
        live: Some(topic.attributes.clone()),
        incarnation: topic.incarnation.clone(),
        ..fixture.op(&topic.id, OpAction::Delete, "delete")
    };
    let found = fixture.check(delete).await;
    let in_use = |found: &(&str, bool, String)| {
        found.0 == "DM0523" && found.1 && found.2.contains("5 records") && found.2.contains("-group")
    };
    assert!(matches!(&found[..], [found] if in_use(found)), "{found:?}");
    drop(reader);
    assert_eq!(fixture.outcome(&fixture.cx, op(OpAction::Delete, "delete")).await, Outcome::Deleted);
    assert_eq!(listed().await, 0);
    assert_eq!(fixture.delete(&topic).await, Outcome::Deleted);
}

/// On a cluster that makes the topics that clients ask for.
pub(crate) async fn topics_may_come_back(broker: &str) {
    let fixture = Fixture::on(connect_with(json!({"bootstrap_servers": broker})).await, "back");
    a_stop_does_not_wait_for_what_may_come_back(&fixture).await;
    a_deleted_topic_that_comes_back_is_no_success(&fixture).await;
}

async fn a_stop_does_not_wait_for_what_may_come_back(fixture: &Fixture) {
    let cx = Context { cancel: Cancel::default(), ..fixture.cx.clone() };
    let made = fixture.create(&fixture.id("gone"), json!({"partitions": 1})).await;
    // The deletion is acknowledged at once; what follows is the look for a topic that comes back.
    let cancel = cx.cancel.clone();
    let start = fixture.cx.clock.monotonic();
    let op = Operation {
        incarnation: made.incarnation.clone(),
        ..fixture.op(&made.id, OpAction::Delete, "delete")
    };
    let stop = async {
        fixture.cx.clock.sleep(Duration::from_millis(1500)).await;
        cancel.raise(CancelStage::Drain);
    };
    let (outcome, ()) = tokio::join!(fixture.outcome(&cx, op), stop);
    assert_eq!(outcome, Outcome::Deleted);
    assert!(fixture.since(start) < Duration::from_secs(4));

    let late = Operation {
        planned: Some(attrs(json!({"partitions": 1}))),
        ..fixture.op(&fixture.id("late"), OpAction::Create, "create")
    };
    let outcome = fixture.outcome(&cx, late).await;
    assert!(matches!(&outcome, Outcome::Rejected(r) if r.error.kind == ErrorKind::Cancelled), "{outcome:?}");
}

async fn a_deleted_topic_that_comes_back_is_no_success(fixture: &Fixture) {
    let id = fixture.id("t");
    let first = fixture.create(&id, json!({"partitions": 1})).await;
    let somebody = async {
        while fixture.result(&id, json!({})).await != Ok(None) {
            fixture.cx.clock.sleep(Duration::from_millis(50)).await;
        }
        fixture.create(&id, json!({"partitions": 2})).await
    };
    let (outcome, second) = tokio::join!(fixture.delete(&first), somebody);
    let Outcome::Partial(live, error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(live, second);
    assert!(error.message.contains("auto.create.topics.enable"), "{error}");
    assert_eq!(fixture.delete(&second).await, Outcome::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers() {
    let mut fixture = Fixture::on(connect_with(json!({"bootstrap_servers": "127.0.0.1:1"})).await, "dead");
    fixture.cx.budget = CallBudget { call_timeout: Duration::from_secs(6), ..CallBudget::default() };
    let start = fixture.cx.clock.monotonic();
    let error = fixture.provider.facts(&fixture.cx).await.expect_err("nobody is there");
    assert!(fixture.since(start) < Duration::from_secs(6));
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(error.endpoint, "127.0.0.1:1");
    assert!(error.message.contains("refused"), "{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("bootstrap_servers")));

    let id = fixture.id("t");
    let error = fixture.result(&id, json!({})).await.expect_err("not an absence");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    let op = Operation {
        planned: Some(attrs(json!({"partitions": 1}))),
        ..fixture.op(&id, OpAction::Create, "create")
    };
    let start = fixture.cx.clock.monotonic();
    let outcome = fixture.outcome(&fixture.cx, op.clone()).await;
    assert!(matches!(outcome, Outcome::Indeterminate(_)), "{outcome:?}");
    assert!(fixture.since(start) < Duration::from_secs(8));
    assert!(matches!(fixture.check(op).await.as_slice(), [("DM0519", false, _)]));
}

/// A socket that takes connections and never says a word.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_listens_and_never_answers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let mut fixture = Fixture::on(connect_with(json!({"bootstrap_servers": address})).await, "silent");
    fixture.cx.budget.call_timeout = Duration::from_secs(2);
    let error = fixture.provider.facts(&fixture.cx).await.expect_err("no answer");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");

    fixture.cx.budget.call_timeout = Duration::from_secs(30);
    let cx = Context { cancel: Cancel::default(), ..fixture.cx.clone() };
    let op = Operation {
        planned: Some(attrs(json!({"partitions": 1}))),
        ..fixture.op(&fixture.id("t"), OpAction::Create, "create")
    };
    let start = fixture.cx.clock.monotonic();
    let abort = async {
        fixture.cx.clock.sleep(Duration::from_millis(300)).await;
        cx.cancel.raise(CancelStage::Abort);
    };
    let (outcome, ()) = tokio::join!(fixture.outcome(&cx, op), abort);
    assert_eq!(outcome, Outcome::Indeterminate(Interruption::Stopped));
    assert!(fixture.since(start) < Duration::from_secs(5));
    silent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn logins() {
    let Some(servers) = servers() else { return };
    let (address, user, right) = servers.kafka_sasl();
    let settings = |password: &str| {
        json!({"bootstrap_servers": address, "properties": {
            "security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": user, "sasl.password": password}})
    };
    let fixture = Fixture::on(connect_with(settings(right)).await, "login");
    let known = connect(servers).await.facts(&fixture.cx).await.expect("facts");
    assert_eq!(fixture.provider.facts(&fixture.cx).await, Ok(known));
    let made = fixture.create(&fixture.id("t"), json!({"partitions": 1})).await;
    assert_eq!(fixture.delete(&made).await, Outcome::Deleted);

    let wrong = connect_with(settings("wrong-secret")).await;
    let start = fixture.cx.clock.monotonic();
    let error = wrong.facts(&fixture.cx).await.expect_err("a wrong password");
    assert!(fixture.since(start) < Duration::from_secs(10));
    assert_eq!(error.kind, ErrorKind::Unauthenticated, "{error}");
    assert!(!format!("{error:?}").contains("wrong-secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_a_thousand_topics_in_one_go() {
    let Some(fixture) = Fixture::new("many").await else { return };
    let planned = json!({"partitions": 1, "replication_factor": 1,
        "config": {"retention.ms": "86400000", "cleanup.policy": "delete"}});
    let ids: Vec<_> = (0..1_000).map(|n| fixture.id(&n.to_string())).collect();
    let create = |id: &ObjectId| Operation {
        planned: Some(attrs(planned.clone())),
        ..fixture.op(id, OpAction::Create, "create")
    };
    let ops: Vec<_> = ids.iter().map(create).collect();
    let outcomes = fixture.outcomes(&fixture.cx, &ops).await;
    assert_eq!(outcomes.iter().filter(|o| matches!(o.outcome, Outcome::Done(_))).count(), ids.len());

    let request = |id: &ObjectId| {
        ReadRequest::of(TypeName::new(TYPE), id.clone()).managed(vec![attrs(planned.clone())])
    };
    let want: Vec<_> = ids.iter().map(request).collect();
    let sink = Mutex::new(Vec::new());
    let start = fixture.cx.clock.monotonic();
    fixture.provider.read(&fixture.cx, &want, &sink).await;
    let took = fixture.since(start);
    let right = |result: &ReadResult| {
        let live = result.result.as_ref().ok().and_then(Option::as_ref);
        live.is_some_and(|live| live.attributes["config"] == planned["config"] && live.incarnation.is_none())
    };
    let results = taken(sink);
    assert_eq!(results.iter().filter(|result| right(result)).count(), ids.len());
    // 0.25 s on an idle machine of two cores; the bound only tells bulk from one by one.
    assert!(took < Duration::from_secs(10), "{took:?}");

    let delete = |outcome: OpOutcome| match outcome.outcome {
        Outcome::Done(live) => {
            Operation { incarnation: live.incarnation, ..fixture.op(&live.id, OpAction::Delete, "delete") }
        }
        other => panic!("{other:?}"),
    };
    let deletes: Vec<_> = outcomes.into_iter().map(delete).collect();
    let outcomes = fixture.outcomes(&fixture.cx, &deletes).await;
    assert!(outcomes.iter().all(|o| o.outcome == Outcome::Deleted));
}
