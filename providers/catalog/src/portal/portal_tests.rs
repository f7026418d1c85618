use crate::DEF;
use crate::portal::names;
use crate::site::{Entities, site};
use datamesh_conformance::testing::{ClosedGate, RealClock, context};
use datamesh_conformance::{Sample, Suite};
use datamesh_provider::{
    Address, Attributes, ConnectRequest, Context, ErrorKind, Event, EventSink, LiveObject, Located, ObjectId,
    OpAction, OpOutcome, Operation, OperationId, Outcome, Packed, Provider, ReadRequest, ReadResult,
    SystemName, TypeName,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

fn cx() -> Context {
    let mut cx = context(Arc::new(RealClock::default()));
    // Two runs must not draw the same names.
    cx.entropy = Arc::new(Counting);
    cx
}

struct Counting;

impl datamesh_provider::Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst).to_le_bytes();
        bytes.iter_mut().zip(n.iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

async fn connect(root: &Path, path: &str) -> Arc<dyn Provider> {
    let settings = Located { value: json!({"backend": "portal", "path": path}), ..Located::default() };
    let request =
        ConnectRequest { name: "catalog.default".into(), settings, root: root.into(), context: cx() };
    (DEF.connect)(request).await.expect("connects")
}

fn attrs(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn domain(name: &str) -> Value {
    json!({"name": name, "owner": "somebody", "contacts": ["#orders"]})
}

fn op(action: OpAction, ty: &str, id: &str, live: Option<&LiveObject>, planned: Option<Value>) -> Operation {
    let step = match action {
        OpAction::Create => "create",
        OpAction::Update => "update",
        OpAction::Delete => "delete",
    };
    let ty = TypeName::new(ty);
    Operation {
        id: OperationId(format!("{action:?} {id}")),
        address: Address::of_domain("d", ty.clone(), "self").expect("an address"),
        ty,
        system: SystemName::new("catalog", "default"),
        object: ObjectId::new(id),
        action,
        step: step.into(),
        prior: live.map(|live| live.attributes.clone()),
        live: live.map(|live| live.attributes.clone()),
        planned: planned.map(attrs),
        incarnation: live.and_then(|live| live.incarnation.clone()),
        owner: "lineage/address".into(),
    }
}

async fn apply(provider: &dyn Provider, cx: &Context, ops: &[Operation]) -> Vec<Outcome> {
    let sink = Mutex::new(Vec::<OpOutcome>::new());
    provider.apply(cx, ops, &sink).await;
    sink.into_inner().expect("no panic").into_iter().map(|o| o.outcome).collect()
}

async fn create(provider: &dyn Provider, ty: &str, id: &str, value: Value) -> LiveObject {
    match apply(provider, &cx(), &[op(OpAction::Create, ty, id, None, Some(value))]).await.pop() {
        Some(Outcome::Done(live)) => live,
        other => panic!("{other:?}"),
    }
}

async fn read(provider: &dyn Provider, ty: &str, id: &str) -> ReadResult {
    let request = ReadRequest::of(TypeName::new(ty), ObjectId::new(id)).with_incarnation();
    let sink = Mutex::new(Vec::new());
    provider.read(&cx(), &[request], &sink).await;
    sink.into_inner().expect("no panic").remove(0)
}

/// Every file below a folder, by its path.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let path = entry.strip_prefix(root).expect("below").to_str().expect("text").to_owned();
                found.insert(path, fs::read(entry).expect("readable"));
            }
        }
    }
    found
}

#[test]
fn every_type_has_a_folder() {
    for ty in DEF.types {
        assert!(names::folder(&TypeName::new(ty.name())).is_some(), "{ty:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_conforms() {
    let samples: [(usize, Value, Value); 3] = [
        (0, domain("orders"), json!({"name": "orders", "owner": "another", "contacts": []})),
        (
            1,
            json!({"domain": "d", "name": "p", "version": 1, "labels": {"a": 1}, "ports": [{"name": "kafka", "topic": "t"}]}),
            json!({"domain": "d", "name": "p", "version": 1, "labels": {"a": 2}, "ports": [{"name": "kafka", "topic": "u"}]}),
        ),
        (
            2,
            json!({"product": "d/p@1", "sources": [{"name": "a"}]}),
            json!({"product": "d/p@1", "sources": [{"name": "b"}]}),
        ),
    ];
    for (at, before, after) in samples {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("file"), "in the way").expect("writes");
        let sample = |name: &str| Sample {
            id: ObjectId::new(format!("d/{name} Ü@1#x")),
            create: attrs(before.clone()),
            update: attrs(after.clone()),
        };
        let broken = datamesh_conformance::run(Suite {
            provider: connect(folder.path(), "a/portal").await,
            unreachable: Some(connect(folder.path(), "file/portal").await),
            system: SystemName::new("catalog", "default"),
            ty: DEF.types[at],
            sample: &sample,
            incarnations: true,
            batch: 20,
            context: cx(),
        })
        .await;
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_lease_makes_no_file() {
    let folder = TempDir::new().expect("a folder");
    let provider = connect(folder.path(), "portal").await;
    let closed = Context { lease: Arc::new(ClosedGate), ..cx() };
    let ops = [op(OpAction::Create, "catalog_domain", "d", None, Some(domain("d")))];
    assert!(matches!(apply(provider.as_ref(), &closed, &ops).await[..], [Outcome::Rejected(_)]));
    assert_eq!(files(folder.path()), BTreeMap::new());
    assert_eq!(provider.facts(&cx()).await.expect("facts").identity, "portal:portal");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_is_drift_and_stops_a_plan_made_before_it() {
    let folder = TempDir::new().expect("a folder");
    let provider = connect(folder.path(), "portal").await;
    let live = create(provider.as_ref(), "catalog_domain", "d", domain("d")).await;
    assert_eq!(live.owner.as_deref(), Some("lineage/address"));
    let file = folder.path().join("portal/entities/domain/d.json");
    let text = fs::read_to_string(&file).expect("text");
    fs::write(&file, text.replace("somebody", "an intruder").replace("\"name\"", "\"stars\": 5, \"name\""))
        .expect("writes");
    let edited =
        read(provider.as_ref(), "catalog_domain", "d").await.result.expect("readable").expect("there");
    assert_eq!(edited.attributes["owner"], "an intruder");
    assert_eq!(edited.incarnation, live.incarnation);
    assert_ne!(edited.computed, live.computed);
    for action in [OpAction::Update, OpAction::Delete] {
        let planned = (action == OpAction::Update).then(|| json!({"name": "d", "owner": "new"}));
        let outcome =
            apply(provider.as_ref(), &cx(), &[op(action, "catalog_domain", "d", Some(&live), planned)]).await;
        assert!(
            matches!(&outcome[..], [Outcome::Stale(Some(found))] if found.attributes["owner"] == "an intruder")
        );
    }
    // The plan may record only what it manages: an edit beside that stops nothing.
    let mut narrow = op(OpAction::Update, "catalog_domain", "d", Some(&edited), Some(json!({"name": "e"})));
    (narrow.prior, narrow.live) = (Some(attrs(json!({"name": "d"}))), Some(attrs(json!({"name": "d"}))));
    assert!(matches!(apply(provider.as_ref(), &cx(), &[narrow]).await[..], [Outcome::Done(_)]));
    let edited =
        read(provider.as_ref(), "catalog_domain", "d").await.result.expect("readable").expect("there");
    assert_eq!(
        (&edited.attributes["name"], &edited.attributes["owner"]),
        (&json!("e"), &json!("an intruder"))
    );
    // With the edit seen, it goes through; the key nobody knows is somebody's, and stays.
    let repair = op(OpAction::Update, "catalog_domain", "d", Some(&edited), Some(domain("d")));
    assert!(matches!(apply(provider.as_ref(), &cx(), &[repair]).await[..], [Outcome::Done(_)]));
    let text = fs::read_to_string(&file).expect("text");
    assert!(text.contains("\"stars\": 5") && text.contains("somebody") && !text.contains("intruder"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_document_is_an_error_and_never_an_absence() {
    let folder = TempDir::new().expect("a folder");
    let provider = connect(folder.path(), "portal").await;
    let entities = folder.path().join("portal/entities/domain");
    fs::create_dir_all(&entities).expect("a folder");
    fs::create_dir(entities.join("e.json")).expect("a folder");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", entities.join("f.json")).expect("a link");
    fs::write(entities.join("d.json"), "{\"format\": 2}").expect("writes");
    let other = r#"{"format":1,"type":"catalog_domain","id":"x","attributes":{}}"#;
    fs::write(entities.join("g.json"), other).expect("writes");
    for (id, words) in
        [("d", "format 2"), ("e", "regular file"), ("f", "regular file"), ("g", "holds catalog_domain x")]
    {
        let result = read(provider.as_ref(), "catalog_domain", id).await.result;
        assert!(result.as_ref().is_err_and(|error| error.message.contains(words)), "{id}: {result:?}");
        let ops = [op(OpAction::Create, "catalog_domain", id, None, Some(domain("d")))];
        assert!(matches!(apply(provider.as_ref(), &cx(), &ops).await[..], [Outcome::Rejected(_)]), "{id}");
    }
    let long = "x".repeat(300);
    let error = read(provider.as_ref(), "catalog_domain", &long).await.result.expect_err("too long");
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_survive_everything() {
    let folder = TempDir::new().expect("a folder");
    let portal = folder.path().join("portal");
    fs::create_dir_all(portal.join("entities/domain")).expect("a folder");
    fs::create_dir_all(portal.join("products/d")).expect("a folder");
    let theirs = [
        "README.md",
        "index.html",
        "entities/domain/notes.txt",
        "entities/domain/.keep",
        "products/d/own.html",
    ];
    for path in theirs {
        fs::write(portal.join(path), "theirs").expect("writes");
    }
    let provider = connect(folder.path(), "portal").await;
    let told = Arc::new(Told::default());
    let listening = Context { events: told.clone(), ..cx() };
    let product = json!({"domain": "d", "name": "p", "version": 1});
    let ops = [op(OpAction::Create, "catalog_product", "d/p@1", None, Some(product))];
    let Some(Outcome::Done(live)) = apply(provider.as_ref(), &listening, &ops).await.pop() else {
        panic!("not done")
    };
    assert_eq!(told.codes(), ["DM0575"]);
    assert!(portal.join("products/d/p-v1.html").is_file());
    let ops = [op(OpAction::Delete, "catalog_product", "d/p@1", Some(&live), None)];
    assert_eq!(apply(provider.as_ref(), &listening, &ops).await, [Outcome::Deleted]);
    let left: BTreeSet<String> = files(&portal).into_keys().collect();
    let ours = [".lock", "site.json", "style.css"];
    assert_eq!(left, theirs.iter().chain(&ours).map(|s| (*s).to_owned()).collect());
    for path in theirs {
        assert_eq!(fs::read(portal.join(path)).expect("there"), b"theirs", "{path}");
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<&'static str>>);

impl Told {
    fn codes(&self) -> Vec<&'static str> {
        self.0.lock().expect("no panic").clone()
    }
}

impl EventSink for Told {
    fn event(&self, event: Event) {
        if let Event::Diagnostic { diagnostic } = event {
            self.0.lock().expect("no panic").push(diagnostic.code.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_follow_the_entities() {
    let folder = TempDir::new().expect("a folder");
    let portal = folder.path().join("portal");
    let provider = connect(folder.path(), "portal").await;
    let product =
        |version: u32| json!({"domain": "d", "name": "p", "version": version, "description": "first"});
    let live = create(provider.as_ref(), "catalog_product", "d/p@1", product(1)).await;
    create(provider.as_ref(), "catalog_product", "d/p@2", product(2)).await;
    let expected = |products: &[(&str, Value)]| {
        let products = products
            .iter()
            .map(|(id, value)| ((*id).to_owned(), Attributes::clone(&attrs(value.clone()))))
            .collect();
        site(&Entities { products, ..Entities::default() })
    };
    let pages = || -> BTreeMap<String, String> {
        let page = |path: &String| path.ends_with(".html") || path.ends_with(".css");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        files(&portal)
            .into_iter()
            .filter(|(path, _)| page(path))
            .map(|(path, bytes)| (path, text(bytes)))
            .collect()
    };
    assert_eq!(pages(), expected(&[("d/p@1", product(1)), ("d/p@2", product(2))]));
    // The list of pages is lost: they are still known as ours, by their mark.
    fs::remove_file(portal.join("site.json")).expect("there");
    let style = fs::metadata(portal.join("style.css")).and_then(|meta| meta.modified()).expect("there");
    let changed = json!({"domain": "d", "name": "p", "version": 1, "description": "second"});
    let update = op(OpAction::Update, "catalog_product", "d/p@1", Some(&live), Some(changed.clone()));
    let Some(Outcome::Done(live)) = apply(provider.as_ref(), &cx(), &[update]).await.pop() else {
        panic!("not done")
    };
    assert_eq!(pages(), expected(&[("d/p@1", changed.clone()), ("d/p@2", product(2))]));
    // Another process, which has read nothing yet.
    let other = connect(folder.path(), "portal").await;
    let delete = op(OpAction::Delete, "catalog_product", "d/p@1", Some(&live), None);
    assert_eq!(apply(other.as_ref(), &cx(), &[delete]).await, [Outcome::Deleted]);
    assert_eq!(pages(), expected(&[("d/p@2", product(2))]));
    create(provider.as_ref(), "catalog_product", "e/q@1", json!({"domain": "e", "name": "q", "version": 1}))
        .await;
    let now = fs::metadata(portal.join("style.css")).and_then(|meta| meta.modified()).expect("there");
    assert!(now > style, "written again once, after the list was lost");
    create(provider.as_ref(), "catalog_domain", "e", domain("e")).await;
    assert_eq!(fs::metadata(portal.join("style.css")).and_then(|meta| meta.modified()).expect("there"), now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_pages_cannot_name_a_file_outside() {
    let folder = TempDir::new().expect("a folder");
    let portal = folder.path().join("portal");
    let provider = connect(folder.path(), "portal").await;
    create(provider.as_ref(), "catalog_domain", "d", domain("d")).await;
    let outside = folder.path().join("outside.html");
    fs::write(&outside, "x").expect("writes");
    let print = datamesh_provider::digest(b"x");
    let entity = datamesh_provider::digest(&fs::read(portal.join("entities/domain/d.json")).expect("there"));
    let absolute = outside.to_str().expect("text");
    let list = json!({"format": 1, "files": {"../outside.html": print, absolute: print, "entities/domain/d.json": entity, "x/../../outside.html": print}});
    fs::write(portal.join("site.json"), list.to_string()).expect("writes");
    create(provider.as_ref(), "catalog_domain", "e", domain("e")).await;
    assert!(outside.is_file() && portal.join("entities/domain/d.json").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_one_entity_one_wins() {
    let folder = TempDir::new().expect("a folder");
    let mut runs = Vec::new();
    for n in 0..16 {
        // A connection of its own, as another process would have.
        let provider = connect(folder.path(), "portal").await;
        runs.push(tokio::spawn(async move {
            let ops = [op(OpAction::Create, "catalog_domain", "d", None, Some(domain(&format!("d{n}"))))];
            apply(provider.as_ref(), &cx(), &ops).await.pop()
        }));
    }
    let mut done = 0;
    for run in runs {
        match run.await.expect("no panic") {
            Some(Outcome::Done(_)) => done += 1,
            Some(Outcome::Stale(Some(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(done, 1);
    let left = files(folder.path()).into_keys().filter(|path| path.ends_with(".tmp")).count();
    assert_eq!(left, 0);
}
