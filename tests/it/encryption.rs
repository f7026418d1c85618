//! Where the state is encrypted, nothing that is kept can be read, and everything works as it did.

use crate::journal::overtaken;
use crate::world::{EVENTS, Mesh};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// In the description of a product, so that it is in shards, plans and catalogs.
const CANARY: &str = "quetzal-4711";
const TOPIC: &str = "orders/events@3:kafka_topic.kafka";
const PLAIN: &str = "state: {backend: local, path: state}";

fn key(byte: u8) -> String {
    format!("{byte:02x}").repeat(32) + "\n"
}

/// Writes the keys of these ids, and configures them in this order.
fn configure(mesh: &Mesh, ids: &[&str]) {
    let entry = |id: &&str| format!("{{id: {id}, ref: '${{file:keys/{id}}}'}}");
    let keys = ids.iter().map(entry).collect::<Vec<_>>().join(", ");
    for (id, byte) in ["k1", "k2"].into_iter().zip(1..) {
        mesh.write(&format!("keys/{id}"), &key(byte));
    }
    let text = mesh.read("datamesh.yaml");
    let line = text.lines().find(|line| line.contains("backend: local")).expect("a state").trim().to_owned();
    let state = format!("state: {{backend: local, path: state, encryption: {{keys: [{keys}]}}}}");
    mesh.replace("datamesh.yaml", &line, if ids.is_empty() { PLAIN } else { &state });
}

fn planted() -> Mesh {
    let mesh = Mesh::new();
    mesh.replace(EVENTS, "What happens to orders.", CANARY);
    mesh
}

fn encrypted() -> Mesh {
    let mesh = planted();
    configure(&mesh, &["k1"]);
    mesh
}

/// Every file of the state, of plans and of journals.
fn kept(mesh: &Mesh) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(folder: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => walk(&path, all),
                false => all.push((path.clone(), fs::read(&path).expect("read"))),
            }
        }
    }
    let mut all = Vec::new();
    for folder in ["state", ".datamesh"] {
        walk(&mesh.path(folder), &mut all);
    }
    for plan in ["saved.plan", "other.plan"] {
        all.extend(fs::read(mesh.path(plan)).ok().map(|bytes| (mesh.path(plan), bytes)));
    }
    all.retain(|(path, _)| !path.ends_with("lock"));
    all
}

fn showing(mesh: &Mesh) -> Vec<PathBuf> {
    let shows = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        [CANARY, "partitions", "kafka_topic", "inputs_digest"].iter().any(|word| text.contains(word))
    };
    kept(mesh).into_iter().filter(|(_, bytes)| shows(bytes)).map(|(path, _)| path).collect()
}

#[test]
fn nothing_that_is_kept_can_be_read() {
    let plain = planted();
    plain.run(&["plan", "--out", "saved.plan"]).ends(0);
    plain.apply();
    assert!(showing(&plain).len() > 3, "the check would see it");

    let mesh = encrypted();
    mesh.run(&["doctor"]).says(&["encrypted, key `k1` writes"]);
    mesh.run(&["plan", "--out", "saved.plan"]).ends(0);
    mesh.run(&["show", "saved.plan"]).ends(0).says(&["orders.events.v3 in kafka.default"]);
    mesh.run(&["apply", "saved.plan"]).ends(0);
    mesh.is_converged();
    mesh.replace(EVENTS, "retention: 7d", "retention: 14d");
    mesh.apply();
    mesh.run(&["history"]).ends(0).says(&["apply"]);
    mesh.run(&["audit", "verify"]).ends(0).says(&["unbroken"]);
    mesh.run(&["state", "mv", TOPIC, "orders/events@3:kafka_topic.x", "--auto-approve"]).ends(0);
    mesh.run(&["state", "mv", "orders/events@3:kafka_topic.x", TOPIC, "--auto-approve"]).ends(0);
    assert!(kept(&mesh).len() > 8, "{}", kept(&mesh).len());
    assert_eq!(showing(&mesh), Vec::<PathBuf>::new());
    // What is asked for is shown: that is what it is for.
    let pulled = mesh.run(&["state", "pull", "orders"]).ends(0);
    assert!(pulled.out.contains(TOPIC) && pulled.out.contains("partitions"));
    serde_json::from_str::<Value>(&pulled.out).expect("JSON");
    let exported = mesh.run(&["audit", "export"]).ends(0);
    assert!(exported.out.contains(TOPIC));
    mesh.run(&["plan", "--json"]).ends(0);
    mesh.is_converged();
}

#[test]
fn a_run_that_was_killed_is_settled() {
    for at in 1..6 {
        let mesh = encrypted();
        let kill = [("DATAMESH_FAKE_KILL", format!("{at}:after-call"))];
        let kill = kill.each_ref().map(|(name, value)| (*name, value.as_str()));
        mesh.run_with(&["apply", "--auto-approve"], &kill);
        mesh.apply();
        mesh.is_converged();
        assert_eq!(showing(&mesh), Vec::<PathBuf>::new());
    }
}

#[test]
fn what_the_state_refused_is_kept_encrypted_and_merged() {
    let mesh = encrypted();
    mesh.write("state/_recovery", "in the way");
    let run = overtaken(&mesh);
    let journal = fs::read(mesh.path(&format!(".datamesh/recovery/test-{run}.json"))).expect("a journal");
    let head = format!("datamesh-frame 1 _recovery-file/test/{run} ");
    assert!(journal.starts_with(head.as_bytes()));
    assert_eq!(showing(&mesh), Vec::<PathBuf>::new());
    mesh.remove("state/_recovery");
    mesh.run(&["recover", &run]).ends(0).says(&["stored"]);
    mesh.apply();
    mesh.is_converged();
}

#[test]
fn a_journal_of_before_is_encrypted_with_the_rest() {
    let mesh = planted();
    mesh.write("state/_recovery", "in the way");
    let run = overtaken(&mesh);
    mesh.remove("state/_recovery");
    configure(&mesh, &["k1"]);
    mesh.run(&["recover", &run]).ends(1).says(&["is not encrypted"]);
    mesh.write(".datamesh/recovery/other-20260101T000000Z-00000000.json", "another environment's");
    mesh.run(&["state", "upgrade", "--auto-approve"]).ends(0).says(&["Encrypted"]);
    mesh.run(&["state", "upgrade"]).ends(0).says(&["Nothing to do"]);
    assert_eq!(showing(&mesh), Vec::<PathBuf>::new());
    mesh.run(&["recover", &run]).ends(0).says(&["stored"]);
    mesh.apply();
    mesh.is_converged();
}

#[test]
fn what_was_kept_in_plain_is_refused_until_it_is_encrypted() {
    let mesh = planted();
    mesh.run(&["plan", "--out", "saved.plan"]).ends(0);
    mesh.apply();
    mesh.replace(EVENTS, "retention: 7d", "retention: 14d");
    mesh.apply();
    let before = mesh.run(&["state", "pull", "orders"]).ends(0).out;
    let records = mesh.run(&["audit", "export"]).ends(0).out;
    configure(&mesh, &["k1"]);
    for args in [&["plan"][..], &["apply", "--auto-approve"], &["state", "list"], &["history"]] {
        mesh.run(args).ends(1).says(&["is not encrypted", "datamesh state upgrade"]);
    }
    mesh.run(&["state", "upgrade"]).ends(1).says(&["needs an approval"]);
    mesh.run(&["state", "upgrade", "--auto-approve"])
        .ends(0)
        .says(&["Encrypted", "documents with the first key"]);
    mesh.run(&["state", "upgrade"]).ends(0).says(&["Nothing to do: 2 domains of format 1"]);
    for args in [&["show", "saved.plan"][..], &["apply", "saved.plan"]] {
        mesh.run(args).ends(1).says(&["saved.plan is not encrypted", "make it again"]);
    }
    mesh.remove("saved.plan");
    assert_eq!(showing(&mesh), Vec::<PathBuf>::new());
    assert_eq!(mesh.run(&["state", "pull", "orders"]).ends(0).out, before);
    let exported = mesh.run(&["audit", "export"]).ends(0).out;
    assert!(records.lines().count() >= 4 && records.lines().all(|record| exported.contains(record)));
    mesh.run(&["audit", "verify"]).ends(0).says(&["unbroken"]);
    mesh.run(&["history"]).ends(0).says(&["state upgrade", "tester"]);
    let history: Value =
        serde_json::from_str(&mesh.run(&["state", "history", "orders", "--json"]).ends(0).out)
            .expect("an object");
    for serial in history["serials"].as_array().expect("a list") {
        mesh.run(&["state", "pull", "orders", "--serial", &serial.to_string()]).ends(0);
    }
    mesh.is_converged();
}

/// Cut off anywhere, it goes on where it was.
#[test]
fn an_upgrade_that_was_killed_is_finished_by_the_next() {
    let plain = planted();
    plain.apply();
    plain.replace(EVENTS, "retention: 7d", "retention: 14d");
    plain.apply();
    let before = plain.run(&["state", "pull", "orders"]).ends(0).out;
    let mut killed = 0;
    for at in 1..10 {
        for moment in ["before", "after"] {
            let mesh = plain.copy();
            configure(&mesh, &["k1"]);
            let kill = format!("{at}:{moment}");
            let upgrade = ["state", "upgrade", "--auto-approve"];
            let run = mesh.run_with(&upgrade, &[("DATAMESH_FAKE_KILL_WRITE", kill.as_str())]);
            killed += u32::from(run.signal.is_some());
            mesh.run(&upgrade).ends(0);
            assert_eq!(showing(&mesh), Vec::<PathBuf>::new(), "{kill}");
            assert_eq!(mesh.run(&["state", "pull", "orders"]).ends(0).out, before, "{kill}");
            mesh.is_converged();
        }
    }
    assert!(killed > 10, "{killed}");
}

#[test]
fn a_new_key_takes_over_and_the_old_one_can_go() {
    let mesh = encrypted();
    mesh.run(&["plan", "--out", "saved.plan"]).ends(0);
    mesh.apply();
    configure(&mesh, &["k2", "k1"]);
    mesh.is_converged();
    mesh.run(&["show", "saved.plan"]).ends(0);
    configure(&mesh, &["k2"]);
    mesh.run(&["plan"]).ends(1).says(&["is encrypted with the key `k1`", "configured are `k2`"]);
    configure(&mesh, &["k2", "k1"]);
    mesh.run(&["state", "upgrade", "--json", "--auto-approve"]).ends(0).says(&["\"encrypted\""]);
    configure(&mesh, &["k2"]);
    mesh.is_converged();
    mesh.run(&["audit", "verify"]).ends(0).says(&["unbroken"]);
    // A plan that was made before is not.
    mesh.run(&["show", "saved.plan"]).ends(1).says(&["is encrypted with the key `k1`"]);
    configure(&mesh, &[]);
    mesh.run(&["plan"]).ends(1).says(&["is encrypted with the key `k2`", "no keys are configured"]);
}

#[test]
fn another_key_under_the_same_id_opens_nothing() {
    let mesh = encrypted();
    mesh.run(&["plan", "--out", "saved.plan"]).ends(0);
    mesh.apply();
    mesh.write("keys/k1", &key(9));
    for args in [&["plan"][..], &["show", "saved.plan"], &["state", "pull", "orders"], &["history"]] {
        mesh.run(args).ends(1).says(&["cannot be decrypted", "the key `k1` is not the one"]);
    }
    mesh.write("keys/k1", &key(1));
    mesh.is_converged();
}

#[test]
fn plan_files_cannot_be_changed_or_made_up() {
    let mesh = encrypted();
    mesh.run(&["plan", "--out", "saved.plan"]).ends(0);
    let good = fs::read(mesh.path("saved.plan")).expect("read");
    assert!(good.starts_with(b"datamesh-frame 1 _plan-file/test "));
    for at in [0, 8, 20, 40, 70, 90, good.len() / 2, good.len() - 1] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        fs::write(mesh.path("saved.plan"), changed).expect("written");
        for args in [&["apply", "saved.plan"][..], &["show", "saved.plan"]] {
            mesh.run(args).ends(1);
        }
    }
    // A shard is no plan.
    let shard = mesh.path("state/test/orders/1.json");
    mesh.apply();
    let shard = fs::read_dir(shard.parent().expect("a folder")).expect("a folder");
    let shard = shard.map(|entry| entry.expect("an entry").path()).find(|path| !path.ends_with("lock"));
    fs::copy(shard.expect("a shard"), mesh.path("saved.plan")).expect("copied");
    mesh.run(&["show", "saved.plan"]).ends(1).says(&["in the place of"]);
    // Read elsewhere, without the key.
    fs::write(mesh.path("saved.plan"), &good).expect("written");
    configure(&mesh, &[]);
    for args in [&["apply", "saved.plan"][..], &["show", "saved.plan"]] {
        mesh.run(args).ends(1).says(&["is encrypted with the key `k1`"]);
    }
}

#[test]
fn a_passphrase_serves_as_well() {
    let mesh = planted();
    let keys = "{keys: [{id: p1, passphrase: '${env:STATE_PASSPHRASE}'}]}";
    mesh.replace(
        "datamesh.yaml",
        PLAIN,
        &format!("state: {{backend: local, path: state, encryption: {keys}}}"),
    );
    let right = [("STATE_PASSPHRASE", "correct horse battery staple")];
    mesh.run_with(&["apply", "--auto-approve"], &right).ends(0);
    mesh.run_with(&["plan", "--detailed-exitcode"], &right).ends(0).says(&["No changes."]);
    assert_eq!(showing(&mesh), Vec::<PathBuf>::new());
    let wrong = [("STATE_PASSPHRASE", "incorrect horse battery")];
    mesh.run_with(&["plan"], &wrong).ends(1).says(&["cannot be decrypted"]);
    mesh.run_with(&["plan"], &[("STATE_PASSPHRASE", "short")]).ends(1).says(&["at least 16 characters"]);
    mesh.run(&["plan"]).ends(1).says(&["the environment variable STATE_PASSPHRASE is not set"]);
    // Nothing is read for this one.
    mesh.run(&["validate"]).ends(0);
}

#[test]
fn wrong_settings_are_told_apart() {
    for (encryption, code, words) in [
        ("{keys: []}", "DM0726", "without a key"),
        ("{}", "DM", "keys"),
        ("{keyz: [{id: k1, ref: '${env:K}'}]}", "DM", "did you mean `keys`"),
        ("{keys: [{id: k1, reff: '${env:K}'}]}", "DM", "did you mean `ref`"),
        ("{keys: [{id: k1}]}", "DM0726", "neither"),
        ("{keys: [{id: k1, ref: '${env:K}', passphrase: '${env:K}'}]}", "DM0726", "both"),
        ("{keys: [{id: 'k 1', ref: '${env:K}'}]}", "DM0726", "cannot be the id"),
        ("{keys: [{id: k1, ref: '${env:K}'}, {id: k1, ref: '${env:K}'}]}", "DM0726", "have the id `k1`"),
        ("{keys: [{id: k1, ref: '${vault:K}'}]}", "DM0222", "${env:NAME}"),
        ("{keys: [{id: k1, ref: hunter2}]}", "DM0228", "everybody can read it"),
        ("{keys: [{id: k1, passphrase: hunter2}]}", "DM0228", "everybody can read it"),
        ("{keys: [{id: k1, ref: '${env:K}'}]}", "DM0726", "is 32 bytes"),
    ] {
        let mesh = Mesh::new();
        let state = format!("state: {{backend: local, path: state, encryption: {encryption}}}");
        mesh.replace("datamesh.yaml", PLAIN, &state);
        let run = mesh.run_with(&["plan"], &[("K", "canary-of-a-key")]).ends(1).says(&[code, words]);
        assert!(!run.text().contains("canary-of-a-key"), "{}", run.text());
    }
}
