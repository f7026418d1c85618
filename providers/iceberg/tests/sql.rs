//! The SQL catalog: a SQLite database and a warehouse in a folder of its own for each test.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use datamesh_conformance::testing::{ClosedGate, RealClock, SeededEntropy, context};
use datamesh_conformance::{Sample, Suite, run};
use datamesh_iceberg::{DEF, TYPES};
use datamesh_provider::{
    Address, ConnectRequest, Context, Entropy, LiveObject, Located, ObjectId, OpAction, Operation,
    OperationId, Outcome, Packed, Provider, ReadRequest, ResourceType, SpanMap, SystemName, TypeName, View,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

const OWNER: &str = "lineage-a";

/// A catalog in a folder, and what a run brings along.
struct World {
    folder: tempfile::TempDir,
    provider: Arc<dyn Provider>,
    cx: Context,
}

fn map(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn ty(name: &str) -> &'static dyn ResourceType {
    *TYPES.iter().find(|ty| ty.name() == name).expect("a type")
}

/// Entropy that differs between the connections of one test.
fn cx(seed: u64) -> Context {
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
    Context { entropy, ..context(Arc::new(RealClock::default())) }
}

async fn connect(root: &Path, seed: u64) -> Arc<dyn Provider> {
    let settings = json!({"catalog": "sql", "name": "mesh", "uri": "sqlite:deep/iceberg.db", "warehouse": "file:warehouse/"});
    let settings = Located { value: settings, ..Located::default() };
    assert!((DEF.validate_config)(&settings).is_empty());
    let request =
        ConnectRequest { name: "iceberg.default".into(), settings, root: root.to_owned(), context: cx(seed) };
    (DEF.connect)(request).await.expect("connects")
}

async fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = connect(folder.path(), 1).await;
    World { folder, provider, cx: cx(2) }
}

fn op(ty: &str, id: &str, action: OpAction, step: &str) -> Operation {
    let name: String = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let address = Address::of_product("d", "p", 1, TypeName::new(ty), &name).expect("an address");
    Operation {
        id: OperationId(format!("{action:?} {id}")),
        owner: format!("{OWNER}/{address}"),
        address,
        ty: TypeName::new(ty),
        system: SystemName::new("iceberg", "default"),
        object: ObjectId::new(id),
        action,
        step: step.into(),
        prior: None,
        live: None,
        planned: None,
        incarnation: None,
    }
}

impl World {
    async fn apply(&self, op: Operation) -> Outcome {
        let out = Mutex::new(Vec::new());
        self.provider.apply(&self.cx, &[op], &out).await;
        let mut out = out.into_inner().expect("outcomes");
        assert_eq!(out.len(), 1);
        out.remove(0).outcome
    }

    async fn create(&self, ty: &str, id: &str, planned: Value) -> Outcome {
        self.apply(Operation { planned: Some(map(planned)), ..op(ty, id, OpAction::Create, "create") }).await
    }

    async fn made(&self, ty: &str, id: &str, planned: Value) -> LiveObject {
        match self.create(ty, id, planned).await {
            Outcome::Done(live) => live,
            other => panic!("{id} was not created: {other:?}"),
        }
    }

    async fn read(&self, ty: &str, id: &str) -> Option<LiveObject> {
        let want = ReadRequest::of(TypeName::new(ty), ObjectId::new(id)).with_incarnation();
        let out = Mutex::new(Vec::new());
        self.provider.read(&self.cx, &[want], &out).await;
        let mut out = out.into_inner().expect("answers");
        assert_eq!(out.len(), 1);
        out.remove(0).result.expect("readable")
    }

    fn update(&self, id: &str, live: &LiveObject, prior: Value, planned: Value) -> Operation {
        let (prior, planned) = (map(prior), map(planned));
        let view = View::Update { prior: &prior, live: &live.attributes, desired: &planned };
        let (spec, found) = ty("iceberg_table")
            .diff(view, &datamesh_provider::Facts::default(), &SpanMap::default())
            .expect("decodes");
        assert!(!found.has_errors(), "{found:?}");
        assert_eq!(spec.steps, ["update"]);
        Operation {
            prior: Some(prior),
            live: Some(live.attributes.clone()),
            planned: Some(planned),
            incarnation: live.incarnation.clone(),
            ..op("iceberg_table", id, OpAction::Update, "update")
        }
    }

    fn delete(&self, ty: &str, id: &str, live: &LiveObject) -> Operation {
        Operation {
            prior: Some(live.attributes.clone()),
            live: Some(live.attributes.clone()),
            incarnation: live.incarnation.clone(),
            ..op(ty, id, OpAction::Delete, "delete")
        }
    }
}

fn orders() -> Value {
    json!({
        "fields": [
            {"name": "order_id", "type": "string", "required": true, "doc": "Unique order number"},
            {"name": "amount", "type": "decimal(38, 9)", "required": false},
            {"name": "created_at", "type": "timestamptz", "required": true},
            {"name": "buyer", "type": {"type": "struct", "fields": [{"name": "id", "type": "long", "required": true}]},
             "required": false},
            {"name": "tags", "type": {"type": "list", "element": "string", "element_required": true}, "required": false},
        ],
        "identifier_fields": ["order_id"],
        "partition_by": [
            {"source": "created_at", "transform": "day", "name": "created_date"},
            {"source": "order_id", "transform": "bucket[16]", "name": "order_id_bucket"},
        ],
        "sort_by": [{"source": "created_at", "transform": "identity", "direction": "desc", "null_order": "nulls-last"}],
        "properties": {"write.format.default": "parquet"},
        "format_version": 2,
    })
}

fn sample(name: &str) -> Sample {
    let create = map(orders());
    let mut update = create.clone();
    let fields = update["fields"].as_array_mut().expect("columns");
    fields.push(json!({"name": "note", "type": "string", "required": false, "doc": "Free text"}));
    fields[0]["doc"] = json!("Number of the order");
    update["properties"] = json!({"write.format.default": "parquet", "commit.retry.num-retries": "7"});
    Sample { id: ObjectId::new(format!("sales.{name}")), create, update }
}

#[tokio::test]
async fn tables_conform() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({})).await;
    let broken = run(Suite {
        provider: world.provider.clone(),
        unreachable: None,
        system: SystemName::new("iceberg", "default"),
        ty: ty("iceberg_table"),
        sample: &sample,
        incarnations: true,
        batch: 20,
        context: world.cx.clone(),
    })
    .await;
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn namespaces_conform() {
    let world = world().await;
    let sample = |name: &str| Sample {
        id: ObjectId::new(format!("sales_{name}")),
        create: map(json!({"properties": {"description": "what is sold", "team": "a"}})),
        update: map(json!({"properties": {"description": "all that is sold", "tier": "1"}})),
    };
    let broken = run(Suite {
        provider: world.provider.clone(),
        unreachable: None,
        system: SystemName::new("iceberg", "default"),
        ty: ty("iceberg_namespace"),
        sample: &sample,
        incarnations: false,
        batch: 20,
        context: world.cx.clone(),
    })
    .await;
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn reading_makes_no_database_and_finds_nothing() {
    let world = world().await;
    let facts = world.provider.facts(&world.cx).await.expect("an empty catalog answers");
    assert!(facts.identity.starts_with("sql mesh sqlite:/"), "{facts:?}");
    assert_eq!(world.read("iceberg_table", "sales.orders").await, None);
    assert_eq!(world.read("iceberg_namespace", "sales").await, None);
    assert!(std::fs::read_dir(world.folder.path()).expect("the folder").next().is_none());
}

#[tokio::test]
async fn a_table_without_its_namespace_is_refused_with_the_way_out() {
    let world = world().await;
    let outcome = world.create("iceberg_table", "sales.orders", orders()).await;
    let Outcome::Rejected(refusal) = outcome else { panic!("{outcome:?}") };
    assert!(refusal.error.message.contains("the namespace sales does not exist"), "{refusal:?}");
    assert!(refusal.error.hint.is_some());
}

#[tokio::test]
async fn locations_lie_under_the_warehouse_and_are_compared_absolute() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({})).await;
    let with = |location: &str| {
        let mut planned = orders();
        planned["location"] = json!(location);
        planned
    };
    for bad in ["file:elsewhere/x", "file:warehouse", "s3://bucket/x", "file:warehouse/../x"] {
        let outcome = world.create("iceberg_table", "sales.orders", with(bad)).await;
        assert!(matches!(outcome, Outcome::Rejected(_)), "{bad}: {outcome:?}");
    }
    let made = world.made("iceberg_table", "sales.orders", with("file:warehouse/mine/orders/")).await;
    // The spelling of the declaration is kept, so that it compares equal; the fact is absolute.
    assert_eq!(made.attributes["location"], json!("file:warehouse/mine/orders"));
    let absolute = format!("file://{}/warehouse/mine/orders", world.folder.path().display());
    assert_eq!(made.computed["location"], json!(absolute));
    let read = world.read("iceberg_table", "sales.orders").await.expect("there");
    assert_eq!(read.attributes["location"], json!(absolute));
    assert!(world.folder.path().join("warehouse/mine/orders/metadata").is_dir());
}

#[tokio::test]
async fn the_owner_is_no_attribute_and_another_lineage_is_left_alone() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({"properties": {"team": "a"}})).await;
    let namespace = world.read("iceberg_namespace", "sales").await.expect("there");
    assert_eq!(namespace.attributes["properties"], json!({"team": "a"}));
    assert_eq!(namespace.owner.as_deref(), Some("lineage-a/d/p@1:iceberg_namespace.sales"));
    let live = world.made("iceberg_table", "sales.orders", orders()).await;
    assert_eq!(live.attributes["properties"], json!({"write.format.default": "parquet"}));
    assert_eq!(live.owner.as_deref(), Some("lineage-a/d/p@1:iceberg_table.sales-orders"));
    for foreign in [
        world.delete("iceberg_table", "sales.orders", &live),
        world.delete("iceberg_namespace", "sales", &namespace),
    ] {
        let owner = "lineage-b/d/p@1:iceberg_table.x".to_owned();
        let outcome = world.apply(Operation { owner, ..foreign }).await;
        let Outcome::Rejected(refusal) = outcome else { panic!("{outcome:?}") };
        assert!(refusal.error.message.contains("managed from another state"), "{refusal:?}");
    }
    assert!(world.read("iceberg_table", "sales.orders").await.is_some());
}

#[tokio::test]
async fn a_namespace_in_use_is_not_dropped() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({})).await;
    world.made("iceberg_namespace", "sales.eu", json!({})).await;
    let table = world.made("iceberg_table", "sales.eu.orders", orders()).await;
    for id in ["sales", "sales.eu"] {
        let live = world.read("iceberg_namespace", id).await.expect("there");
        let outcome = world.apply(world.delete("iceberg_namespace", id, &live)).await;
        let Outcome::Rejected(refusal) = outcome else { panic!("{id}: {outcome:?}") };
        assert!(refusal.error.message.contains("not empty") && refusal.error.hint.is_some(), "{refusal:?}");
    }
    assert_eq!(world.apply(world.delete("iceberg_table", "sales.eu.orders", &table)).await, Outcome::Deleted);
    for id in ["sales.eu", "sales"] {
        let live = world.read("iceberg_namespace", id).await.expect("there");
        assert_eq!(world.apply(world.delete("iceberg_namespace", id, &live)).await, Outcome::Deleted);
    }
    assert!(world.folder.path().join("warehouse/sales/eu/orders/metadata").is_dir(), "files stay: no purge");
}

#[tokio::test]
async fn what_others_added_survives_our_update_and_nothing_else_does_not() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({})).await;
    let first = json!({"fields": [{"name": "a", "type": "int"}], "properties": {"ours": "1", "old": "x"}});
    let live = world.made("iceberg_table", "sales.t", first.clone()).await;
    // Somebody else adds a column and a property, as another state's update would.
    let mut theirs = first.clone();
    theirs["fields"] = json!([{"name": "theirs", "type": "int"}, {"name": "a", "type": "int"}]);
    theirs["properties"]["theirs"] = json!("1");
    let outcome = world.apply(world.update("sales.t", &live, json!({}), theirs)).await;
    assert!(outcome.is_success(), "{outcome:?}");
    // The plan was made before that: still right, since nothing of ours moved.
    let desired = json!({"fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "long"}], "properties": {"ours": "2"}});
    let outcome = world.apply(world.update("sales.t", &live, first, desired)).await;
    let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
    let names: Vec<&str> = done.attributes["fields"]
        .as_array()
        .expect("columns")
        .iter()
        .filter_map(|f| f["name"].as_str())
        .collect();
    assert_eq!(names, ["theirs", "a", "b"]);
    assert_eq!(done.attributes["properties"], json!({"ours": "2", "theirs": "1"}));
    assert_eq!(done.incarnation, live.incarnation);
}

#[tokio::test]
async fn a_plan_that_something_of_ours_has_moved_under_is_stale() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({})).await;
    let first = json!({"fields": [{"name": "a", "type": "int"}], "properties": {"ours": "1"}});
    let live = world.made("iceberg_table", "sales.t", first.clone()).await;
    let set = |value: &str| json!({"fields": [{"name": "a", "type": "int"}], "properties": {"ours": value}});
    let planned = world.update("sales.t", &live, first.clone(), set("3"));
    assert!(world.apply(world.update("sales.t", &live, first.clone(), set("2"))).await.is_success());
    let outcome = world.apply(planned).await;
    assert!(
        matches!(&outcome, Outcome::Stale(Some(now)) if now.attributes["properties"] == json!({"ours": "2"}))
    );
    // What is already as planned needs nothing: a repeated apply is done.
    assert!(world.apply(world.update("sales.t", &live, first, set("2"))).await.is_success());
}

#[tokio::test]
async fn commits_at_the_same_moment_all_arrive() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({})).await;
    let fields = json!([{"name": "a", "type": "int"}]);
    let live = world.made("iceberg_table", "sales.t", json!({"fields": fields})).await;
    let mut work = Vec::new();
    for n in 0..6u64 {
        let planned = json!({"fields": [{"name": "a", "type": "int"}, {"name": format!("c{n}"), "type": "int"}],
                             "properties": {format!("p{n}"): "1"}});
        let op = world.update("sales.t", &live, json!({}), planned);
        let root = world.folder.path().to_owned();
        work.push(tokio::spawn(async move {
            let provider = connect(&root, 10 + n).await;
            let out = Mutex::new(Vec::new());
            provider.apply(&cx(100 + n), &[op], &out).await;
            out.into_inner().expect("outcomes").remove(0).outcome
        }));
    }
    for work in work {
        let outcome = work.await.expect("no panic");
        assert!(outcome.is_success(), "{outcome:?}");
    }
    let now = world.read("iceberg_table", "sales.t").await.expect("there");
    assert_eq!(now.attributes["fields"].as_array().map(Vec::len), Some(7));
    assert_eq!(now.attributes["properties"].as_object().map(|map| map.len()), Some(6));
    // One file for each version, none left behind by the losers.
    let files =
        std::fs::read_dir(world.folder.path().join("warehouse/sales/t/metadata")).expect("the folder");
    assert_eq!(files.count(), 7);
}

#[tokio::test]
async fn two_catalogs_share_a_database_and_see_nothing_of_each_other() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({"properties": {"of": "mesh"}})).await;
    let settings = json!({"catalog": "sql", "name": "other", "uri": "sqlite:deep/iceberg.db", "warehouse": "file:warehouse"});
    let request = ConnectRequest {
        name: "iceberg.other".into(),
        settings: Located { value: settings, ..Located::default() },
        root: world.folder.path().to_owned(),
        context: cx(3),
    };
    let other = (DEF.connect)(request).await.expect("connects");
    let out = Mutex::new(Vec::new());
    other.list(&world.cx, &TypeName::new("iceberg_namespace"), &out).await.expect("lists");
    assert!(out.into_inner().expect("ids").is_empty());
}

#[tokio::test]
async fn nothing_is_done_without_a_lease() {
    let mut world = world().await;
    world.cx.lease = Arc::new(ClosedGate);
    let outcome = world.create("iceberg_namespace", "sales", json!({})).await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert!(!world.folder.path().join("deep").exists());
}

#[tokio::test]
async fn a_broken_warehouse_is_an_error_not_an_absence() {
    let world = world().await;
    world.made("iceberg_namespace", "sales", json!({})).await;
    world.made("iceberg_table", "sales.t", json!({"fields": [{"name": "a", "type": "int"}]})).await;
    let metadata = world.folder.path().join("warehouse/sales/t/metadata");
    let file =
        std::fs::read_dir(&metadata).expect("the folder").next().expect("a file").expect("an entry").path();
    let read = async || {
        let want =
            ReadRequest::of(TypeName::new("iceberg_table"), ObjectId::new("sales.t")).with_incarnation();
        let out = Mutex::new(Vec::new());
        world.provider.read(&world.cx, &[want], &out).await;
        out.into_inner().expect("answers").remove(0).result.expect_err("an error").to_string()
    };
    std::fs::write(&file, "secret content").expect("written");
    let error = read().await;
    assert!(error.contains("no JSON document") && !error.contains("secret"), "{error}");
    std::fs::remove_file(&file).expect("removed");
    assert!(read().await.contains("load the table sales.t"));
}
