//! The Iceberg provider on a real REST catalog, and on both kinds of catalog with pyiceberg as the witness.

mod evolution;
mod guarded;
mod imports;
mod races;

use crate::support::python::python;
use crate::support::servers::servers;
use datamesh_conformance::testing::{RealClock, SeededEntropy, context};
use datamesh_conformance::{Sample, Suite};
use datamesh_iceberg::{DEF, TYPES};
use datamesh_provider::{
    Address, ChangeSpec, ConnectRequest, Context, Diagnostics, ErrorKind, Facts, LiveObject, Located,
    ObjectId, OpAction, Operation, OperationId, Outcome, Packed, Provider, ProviderError, ReadRequest,
    ResourceType, SpanMap, SystemName, TypeName, View,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const TABLE: &str = "iceberg_table";
const NAMESPACE: &str = "iceberg_namespace";

/// The REST catalogs that the suite runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Over its own S3, with credentials.
    SeaweedFs,
    /// Iceberg's own adapter, over a folder.
    Java,
}

const RESTS: [Rest; 2] = [Rest::SeaweedFs, Rest::Java];

impl Rest {
    /// Its settings, and how pyiceberg opens it; nothing where there are no real servers, or none of this kind.
    fn settings(self) -> Option<(Value, Value)> {
        let servers = servers()?;
        if self == Self::Java {
            let (uri, warehouse) = servers.iceberg_java()?;
            let settings = json!({"catalog": "rest", "uri": uri, "warehouse": warehouse});
            return Some((settings, json!({"type": "rest", "uri": uri, "warehouse": warehouse})));
        }
        servers.status.server("iceberg-rest")?;
        let (uri, warehouse, id, secret) = servers.iceberg_rest();
        let settings = json!({"catalog": "rest", "uri": uri, "warehouse": warehouse,
                              "auth": {"oauth2": {"client_id": id, "client_secret": secret}}});
        let properties = json!({
            "type": "rest", "uri": uri, "warehouse": warehouse, "credential": format!("{id}:{secret}"),
            "s3.endpoint": servers.s3(), "s3.access-key-id": id, "s3.secret-access-key": secret,
            "s3.region": "us-east-1",
        });
        Some((settings, properties))
    }
}

fn map(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn ty(name: &str) -> &'static dyn ResourceType {
    *TYPES.iter().find(|ty| ty.name() == name).expect("a type")
}

fn cx() -> Context {
    let entropy = SeededEntropy::new(u64::from(std::process::id()));
    Context { entropy: Arc::new(entropy), ..context(Arc::new(RealClock::default())) }
}

async fn connect(settings: Value, root: &Path) -> Arc<dyn Provider> {
    let settings = Located { value: settings, ..Located::default() };
    let found = (DEF.validate_config)(&settings);
    assert!(!found.has_errors(), "{found:?}");
    let name = "iceberg.default".to_owned();
    let request = ConnectRequest { name, settings, root: root.to_owned(), context: cx() };
    (DEF.connect)(request).await.expect("connects")
}

fn op(ty: &str, id: &str, action: OpAction) -> Operation {
    let name: String = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let address = Address::of_product("d", "p", 1, TypeName::new(ty), &name).expect("an address");
    Operation {
        id: OperationId(format!("{action:?} {id}")),
        owner: format!("lineage-a/{address}"),
        address,
        ty: TypeName::new(ty),
        system: SystemName::new("iceberg", "default"),
        object: ObjectId::new(id),
        action,
        step: format!("{action:?}").to_lowercase(),
        prior: None,
        live: None,
        planned: None,
        incarnation: None,
    }
}

fn changes(prior: &Packed, live: &LiveObject, desired: &Packed) -> (ChangeSpec, Diagnostics) {
    let view = View::Update { prior, live: &live.attributes, desired };
    ty(TABLE).diff(view, &Facts::default(), &SpanMap::default()).expect("decodes")
}

/// A connection, and a namespace of one test in it.
#[derive(Clone)]
struct Catalog {
    settings: Value,
    root: PathBuf,
    provider: Arc<dyn Provider>,
    cx: Context,
    namespace: String,
}

impl Catalog {
    /// Nothing where there is no such REST catalog.
    async fn rest(rest: Rest, name: &str) -> Option<Self> {
        let (settings, _) = rest.settings()?;
        let namespace = format!("ice_{}_{name}", std::process::id());
        Some(Self::connected(settings, Path::new("."), namespace).await)
    }

    async fn connected(settings: Value, root: &Path, namespace: String) -> Self {
        let provider = connect(settings.clone(), root).await;
        Self { settings, root: root.to_owned(), provider, cx: cx(), namespace }
    }

    /// The same catalog as another run sees it.
    async fn again(&self) -> Self {
        let provider = connect(self.settings.clone(), &self.root).await;
        Self { provider, ..self.clone() }
    }

    /// Where its tables may lie.
    fn warehouse(rest: Rest) -> String {
        let (settings, _) = rest.settings().expect("asked for before");
        settings["warehouse"].as_str().unwrap_or_default().to_owned()
    }

    fn id(&self, table: &str) -> String {
        format!("{}.{table}", self.namespace)
    }

    async fn apply(&self, op: Operation) -> Outcome {
        let out = Mutex::new(Vec::new());
        self.provider.apply(&self.cx, &[op], &out).await;
        let mut out = out.into_inner().expect("outcomes");
        assert_eq!(out.len(), 1);
        out.remove(0).outcome
    }

    async fn made(&self, ty: &str, id: &str, planned: Value) -> LiveObject {
        let op = Operation { planned: Some(map(planned)), ..op(ty, id, OpAction::Create) };
        match self.apply(op).await {
            Outcome::Done(live) => live,
            other => panic!("{id} was not created: {other:?}"),
        }
    }

    async fn try_read(&self, ty: &str, id: &str) -> Result<Option<LiveObject>, ProviderError> {
        let managed = Vec::new();
        let want = ReadRequest::of(TypeName::new(ty), ObjectId::new(id)).managed(managed).with_incarnation();
        let out = Mutex::new(Vec::new());
        self.provider.read(&self.cx, &[want], &out).await;
        let mut out = out.into_inner().expect("answers");
        assert_eq!(out.len(), 1);
        out.remove(0).result
    }

    async fn read(&self, ty: &str, id: &str) -> LiveObject {
        self.try_read(ty, id).await.expect("readable").expect("there")
    }

    fn update(&self, id: &str, live: &LiveObject, prior: Value, planned: Value) -> Operation {
        let (prior, planned) = (map(prior), map(planned));
        let known = ty(TABLE).recall(&prior, &live.computed).unwrap_or(prior);
        let (spec, found) = changes(&known, live, &planned);
        assert!(!found.has_errors(), "{found:?}");
        assert_eq!(spec.steps.len(), 1, "one commit");
        Operation {
            step: spec.steps[0].clone(),
            prior: Some(known),
            live: Some(live.attributes.clone()),
            planned: Some(planned),
            incarnation: live.incarnation.clone(),
            ..op(TABLE, id, OpAction::Update)
        }
    }

    async fn delete(&self, ty: &str, id: &str) -> Outcome {
        let live = self.read(ty, id).await;
        let incarnation = live.incarnation.clone();
        self.apply(Operation { prior: Some(live.attributes), incarnation, ..op(ty, id, OpAction::Delete) })
            .await
    }
}

/// The struct comes first: where a server numbers columns in another order than ours, everything that refers to a
/// column by number shows whether it was numbered anew with it.
fn orders() -> Value {
    json!({
        "fields": [
            {"name": "buyer", "type": {"type": "struct", "fields": [{"name": "id", "type": "long", "required": true}]},
             "required": false},
            {"name": "order_id", "type": "string", "required": true, "doc": "Unique order number"},
            {"name": "amount", "type": "decimal(38, 9)", "required": false},
            {"name": "created_at", "type": "timestamptz", "required": true},
            {"name": "tags", "type": {"type": "list", "element": "string", "element_required": true}, "required": false},
        ],
        "identifier_fields": ["order_id"],
        "partition_by": [{"source": "created_at", "transform": "day", "name": "created_date"}],
        "sort_by": [{"source": "order_id", "transform": "identity", "direction": "desc", "null_order": "nulls-last"}],
        "properties": {"write.format.default": "parquet"},
    })
}

/// With a column, a comment and a property more, and a property less.
fn more_orders() -> Value {
    let mut more = orders();
    let fields = more["fields"].as_array_mut().expect("columns");
    fields.push(json!({"name": "note", "type": "string", "required": false, "doc": "Free text"}));
    fields[1]["doc"] = json!("Number of the order");
    let buyer = fields[0]["type"]["fields"].as_array_mut().expect("a struct");
    buyer.push(json!({"name": "tier", "type": "int", "required": false}));
    more["properties"] = json!({"commit.retry.num-retries": "7"});
    more
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_conform() {
    for rest in RESTS {
        let Some(catalog) = Catalog::rest(rest, "tables").await else { continue };
        catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
        let id = |name: &str| ObjectId::new(catalog.id(name));
        let sample = |name: &str| Sample { id: id(name), create: map(orders()), update: map(more_orders()) };
        let broken = datamesh_conformance::run(suite(&catalog, TABLE, &sample, true).await).await;
        assert!(broken.is_empty(), "{broken:#?}");
        assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_conform() {
    for rest in RESTS {
        let Some(catalog) = Catalog::rest(rest, "namespaces").await else { continue };
        let sample = |name: &str| Sample {
            id: ObjectId::new(format!("{}_{name}", catalog.namespace)),
            create: map(json!({"properties": {"description": "what is sold", "team": "a"}})),
            update: map(json!({"properties": {"description": "all that is sold", "tier": "1"}})),
        };
        let broken = datamesh_conformance::run(suite(&catalog, NAMESPACE, &sample, false).await).await;
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

async fn suite<'a>(
    catalog: &Catalog,
    name: &str,
    sample: &'a (dyn Fn(&str) -> Sample + Send + Sync),
    incarnations: bool,
) -> Suite<'a> {
    // A port of this machine where nobody listens.
    let nowhere = json!({"catalog": "rest", "uri": "http://127.0.0.1:9", "warehouse": "s3://warehouse"});
    Suite {
        provider: catalog.provider.clone(),
        unreachable: Some(connect(nowhere, Path::new(".")).await),
        system: SystemName::new("iceberg", "default"),
        ty: ty(name),
        sample,
        incarnations,
        batch: 20,
        context: catalog.cx.clone(),
    }
}

/// The files of the reference catalog lie in a folder, where they can be looked for.
#[tokio::test(flavor = "multi_thread")]
async fn files_stay_unless_a_table_is_purged() {
    let Some(catalog) = Catalog::rest(Rest::Java, "purge").await else { return };
    catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
    for purge in [false, true] {
        let id = catalog.id(if purge { "purged" } else { "kept" });
        let live = catalog.made(TABLE, &id, orders()).await;
        let location = live.computed["location"].as_str().expect("a place").to_owned();
        let metadata = Path::new(location.trim_start_matches("file:")).join("metadata");
        // Checksums beside them are the file system's own affair.
        let is_json = |file: &std::io::Result<std::fs::DirEntry>| {
            file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".json"))
        };
        let files = || std::fs::read_dir(&metadata).map_or(0, |files| files.filter(is_json).count());
        assert!(files() > 0, "{}", metadata.display());
        let mut prior = orders();
        prior["purge"] = json!(purge);
        let incarnation = live.incarnation.clone();
        let gone = Operation { prior: Some(map(prior)), incarnation, ..op(TABLE, &id, OpAction::Delete) };
        assert_eq!(catalog.apply(gone).await, Outcome::Deleted);
        assert_eq!(files() == 0, purge, "{}", metadata.display());
    }
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_never_an_absence() {
    let Some(mut catalog) = Catalog::rest(Rest::SeaweedFs, "credentials").await else { return };
    let Some((settings, _)) = Rest::SeaweedFs.settings() else { return };
    let id = &settings["auth"]["oauth2"]["client_id"];
    for (auth, kinds) in [
        (json!({"bearer": "not-a-token"}), vec![ErrorKind::Forbidden, ErrorKind::Unauthenticated]),
        (
            json!({"oauth2": {"client_id": id, "client_secret": "hunter2-wrong"}}),
            vec![ErrorKind::Forbidden, ErrorKind::Unauthenticated, ErrorKind::Invalid],
        ),
    ] {
        let mut settings = settings.clone();
        settings["auth"] = auth;
        catalog.provider = connect(settings, Path::new(".")).await;
        let error = catalog.try_read(TABLE, "nobody.nothing").await.expect_err("refused");
        assert!(kinds.contains(&error.kind), "{error:?}");
        assert!(error.server_code.is_some() && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_no_catalog_is_never_an_absence() {
    for rest in RESTS {
        let Some(mut catalog) = Catalog::rest(rest, "address").await else { continue };
        let Some((mut settings, _)) = rest.settings() else { continue };
        settings["uri"] = json!(format!("{}/no/catalog/here", settings["uri"].as_str().unwrap_or_default()));
        catalog.provider = connect(settings, Path::new(".")).await;
        let error = catalog.try_read(TABLE, "nobody.nothing").await.expect_err("refused");
        assert!(error.hint.is_some(), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_in_use_is_not_dropped() {
    for rest in RESTS {
        let Some(catalog) = Catalog::rest(rest, "in_use").await else { continue };
        catalog.made(NAMESPACE, &catalog.namespace, json!({"properties": {"team": "a"}})).await;
        let live = catalog.read(NAMESPACE, &catalog.namespace).await;
        assert_eq!(live.owner.as_deref().map(|owner| owner.starts_with("lineage-a/")), Some(true));
        let child = catalog.id("child");
        catalog.made(NAMESPACE, &child, json!({})).await;
        catalog.made(TABLE, &format!("{child}.t"), json!({"fields": [{"name": "a", "type": "int"}]})).await;
        for id in [&catalog.namespace, &child] {
            let outcome = catalog.delete(NAMESPACE, id).await;
            let Outcome::Rejected(refusal) = outcome else { panic!("{id}: {outcome:?}") };
            assert!(refusal.error.message.contains("not empty"), "{refusal:?}");
        }
        assert_eq!(catalog.delete(TABLE, &format!("{child}.t")).await, Outcome::Deleted);
        assert_eq!(catalog.delete(NAMESPACE, &child).await, Outcome::Deleted);
        assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_location_is_where_the_table_lies() {
    for rest in RESTS {
        let Some(catalog) = Catalog::rest(rest, "location").await else { continue };
        catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
        let id = catalog.id("t");
        let mut planned = orders();
        let warehouse = Catalog::warehouse(rest);
        for bad in ["s3://elsewhere/t", &warehouse] {
            planned["location"] = json!(bad);
            let op = Operation { planned: Some(map(planned.clone())), ..op(TABLE, &id, OpAction::Create) };
            let outcome = catalog.apply(op).await;
            assert!(matches!(outcome, Outcome::Rejected(_)), "{bad}: {outcome:?}");
        }
        let location = format!("{warehouse}/{}/own", catalog.namespace);
        planned["location"] = json!(format!("{location}/"));
        let live = catalog.made(TABLE, &id, planned).await;
        assert_eq!(live.attributes["location"], json!(location));
        assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
        assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
    }
}

/// What pyiceberg says of a table.
fn witness(properties: &Value, table: &str, action: &str) -> Value {
    let python = python().expect("asked for before");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/iceberg/witness.py");
    let output = std::process::Command::new(python)
        .args([script, &properties.to_string(), "mesh", table, action])
        .output()
        .expect("python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pyiceberg refuses the table: {errors}");
    serde_json::from_slice(&output.stdout).expect("the witness speaks JSON")
}

/// We make a table, pyiceberg sees it exactly, adds a column, a property and a row, we change it after that, and
/// everything of everybody is there.
async fn seen_by_pyiceberg(catalog: &Catalog, properties: &Value) {
    let id = catalog.id("orders");
    catalog.made(NAMESPACE, &catalog.namespace, json!({"properties": {"team": "a"}})).await;
    let made = catalog.made(TABLE, &id, orders()).await;
    let seen = witness(properties, &id, "show");
    assert_eq!(seen["tables"], json!([id]));
    assert_eq!(seen["namespace"]["team"], json!("a"));
    assert_eq!(
        seen["columns"],
        json!([
            ["buyer", "struct<id: required long>", false, null],
            ["order_id", "string", true, "Unique order number"],
            ["amount", "decimal(38, 9)", false, null],
            ["created_at", "timestamptz", true, null],
            ["tags", "list<string>", false, null],
        ])
    );
    assert_eq!(seen["identifiers"], json!(["order_id"]));
    assert_eq!(seen["partitions"], json!([[1000, "created_date", "day", "created_at"]]));
    assert_eq!(seen["sort"], json!([["identity", "order_id", "desc", "nulls-last"]]));
    assert_eq!((&seen["version"], &seen["rows"]), (&json!(2), &json!(0)));
    assert_eq!(seen["location"], made.computed["location"]);
    assert_eq!(Some(&seen["uuid"]), made.computed.get("uuid"));
    assert_eq!(seen["properties"]["datamesh.owner"], json!(made.owner));

    let written = witness(properties, &id, "write");
    assert_eq!(written["rows"], json!(1));
    let live = catalog.read(TABLE, &id).await;
    let outcome = catalog.apply(catalog.update(&id, &live, orders(), more_orders())).await;
    assert!(outcome.is_success(), "{outcome:?}");
    let seen = witness(properties, &id, "show");
    let names: Vec<&str> =
        seen["columns"].as_array().expect("columns").iter().filter_map(|column| column[0].as_str()).collect();
    assert_eq!(names, ["buyer", "order_id", "amount", "created_at", "tags", "theirs", "note"]);
    assert_eq!(seen["columns"][0][1], json!("struct<id: required long, tier: optional int>"));
    assert_eq!(seen["columns"][1][3], json!("Number of the order"));
    assert_eq!(seen["rows"], json!(1), "the row is still there");
    let (ours, theirs) = (&seen["properties"]["commit.retry.num-retries"], &seen["properties"]["theirs"]);
    assert_eq!((ours, theirs), (&json!("7"), &json!("1")));
    assert_eq!(seen["properties"].get("write.format.default"), None);
    assert_eq!(seen["uuid"], written["uuid"]);

    assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

/// pyiceberg makes a table with a row; we adopt it, and change nothing of it but what we add.
async fn adopted_from_pyiceberg(catalog: &Catalog, properties: &Value) {
    let id = catalog.id("made");
    let theirs = witness(properties, &id, "make");
    assert_eq!(catalog.read(NAMESPACE, &catalog.namespace).await.owner, None);
    let live = catalog.read(TABLE, &id).await;
    assert_eq!((live.owner.as_deref(), &live.attributes["properties"]["theirs"]), (None, &json!("1")));
    assert_eq!(live.incarnation.as_deref(), theirs["uuid"].as_str());

    // As it is: nothing to do, but to say what is not ours.
    let same = map(json!({"fields": [{"name": "id", "type": "long", "required": true}]}));
    let view = View::Adopt { live: &live.attributes, desired: &same };
    let (spec, found) = ty(TABLE).diff(view, &Facts::default(), &SpanMap::default()).expect("decodes");
    assert!(spec.is_no_op() && !found.has_errors(), "{spec:?} {found:?}");
    assert_eq!(spec.notes, ["1 column not ours"]);

    let more = json!({"fields": [{"name": "id", "type": "long", "required": true, "doc": "Key"}, {"name": "tier", "type": "int"}]});
    let op = Operation { prior: None, ..catalog.update(&id, &live, json!({}), more) };
    let outcome = catalog.apply(op).await;
    let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
    assert!(
        done.owner.is_some_and(|owner| owner.starts_with("lineage-a/")),
        "the first real change says whose it is"
    );
    let seen = witness(properties, &id, "show");
    let expected =
        json!([["id", "long", true, "Key"], ["name", "string", false, null], ["tier", "int", false, null]]);
    assert_eq!((&seen["columns"], &seen["rows"], &seen["uuid"]), (&expected, &json!(1), &theirs["uuid"]));

    assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

/// A REST catalog for us and for pyiceberg; nothing where either is missing.
async fn rest(rest: Rest, name: &str) -> Option<(Catalog, Value)> {
    python()?;
    Some((Catalog::rest(rest, name).await?, rest.settings()?.1))
}

/// A SQL catalog in a folder, and how pyiceberg opens it: with a scheme before the warehouse's path, or without.
async fn sql(folder: &Path, scheme: &str) -> Option<(Catalog, Value)> {
    python()?;
    let settings =
        json!({"catalog": "sql", "name": "mesh", "uri": "sqlite:iceberg.db", "warehouse": "file:w"});
    let catalog = Catalog::connected(settings, folder, "sales".into()).await;
    let root = folder.display();
    let uri = format!("sqlite:///{root}/iceberg.db");
    Some((catalog, json!({"type": "sql", "uri": uri, "warehouse": format!("{scheme}{root}/w")})))
}

#[tokio::test(flavor = "multi_thread")]
async fn pyiceberg_sees_a_rest_table_exactly() {
    for kind in RESTS {
        let Some((catalog, properties)) = rest(kind, "witness").await else { continue };
        seen_by_pyiceberg(&catalog, &properties).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pyiceberg_sees_a_sql_table_exactly() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((catalog, properties)) = sql(folder.path(), "file://").await else { return };
    seen_by_pyiceberg(&catalog, &properties).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_table_of_pyiceberg_is_adopted() {
    for kind in RESTS {
        let Some((catalog, properties)) = rest(kind, "adopted").await else { continue };
        adopted_from_pyiceberg(&catalog, &properties).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sql_table_of_pyiceberg_is_adopted() {
    for scheme in ["file://", ""] {
        let folder = tempfile::tempdir().expect("a folder");
        let Some((catalog, properties)) = sql(folder.path(), scheme).await else { return };
        adopted_from_pyiceberg(&catalog, &properties).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_format_version_3_is_one_for_pyiceberg_too() {
    let planned = json!({"fields": [{"name": "at", "type": "timestamptz_ns"}], "format_version": 3});
    let folder = tempfile::tempdir().expect("a folder");
    let catalogs = [
        sql(folder.path(), "file://").await,
        rest(Rest::SeaweedFs, "v3").await,
        rest(Rest::Java, "v3").await,
    ];
    for (catalog, properties) in catalogs.into_iter().flatten() {
        let id = catalog.id("t");
        catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
        let live = catalog.made(TABLE, &id, planned.clone()).await;
        assert_eq!(live.attributes["format_version"], json!(3));
        let seen = witness(&properties, &id, "show");
        assert_eq!((&seen["version"], &seen["columns"][0][1]), (&json!(3), &json!("timestamptz_ns")));
        assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
        assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
    }
}
