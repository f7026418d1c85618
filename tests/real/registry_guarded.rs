//! A real registry behind a guard, as companies run it: a certificate asked of every client, and a login.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::certificates::both_sides;
use crate::support::guard::Guard;
use crate::support::servers::servers;
use crate::witness::Witness;
use serde_json::{Value, json};

/// A mesh with one topic and its subject, whose registry is behind the guard.
fn mesh(name: &str, guard: &Guard, auth: &Value, tls: &Value) -> (Mesh, String) {
    let servers = servers().expect("they run");
    let prefix = unique(name);
    let mesh = Mesh::with(&Systems::shared(servers, &prefix));
    let mut environment = Systems::shared(servers, &prefix).environment();
    environment["registry"]["default"] =
        json!({"url": guard.url(servers.registry()), "auth": auth, "tls": tls});
    mesh.mesh_document(&environment);
    mesh.product(
        "orders",
        "schema: { fields: [{ name: id, type: string, required: true }] }\noutput_ports: [{ technology: kafka }]\n",
    );
    (mesh, format!("{prefix}sales.orders.v1-value"))
}

#[test]
fn who_has_a_certificate_and_the_right_words_registers() {
    let Some(witness) = servers().and_then(Witness::of) else { return };
    let registry = servers().expect("they run").registry();
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    both_sides(folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let tls = |name: &str| json!({"ca_file": file("ours.pem"), "cert_file": file(&format!("{name}.pem")), "key_file": file(&format!("{name}.key"))});
    let basic = json!({"basic": {"username": "mesh", "password": "${env:REGISTRY_SECRET}"}});
    let bearer = json!({"bearer": "${env:REGISTRY_SECRET}"});
    for (name, auth, words) in
        [("basic", basic, "Basic bWVzaDp2ZXJ5IHNlY3JldA=="), ("bearer", bearer, "Bearer very secret")]
    {
        let Some(guard) = Guard::before(registry, folder, words) else { return };
        let (mut known, subject) = mesh(name, &guard, &auth, &tls("client"));
        let path = format!("/subjects/{subject}/versions/latest");
        known.set("REGISTRY_SECRET", "quite wrong");
        let refused = known.run(&["apply", "--auto-approve"]).exits(1);
        refused
            .says(&["registry.default at https://127.0.0.1", "Check `auth` of this registry"])
            .keeps_quiet_about(&["quite wrong"]);
        assert_eq!(witness.registry("GET", &path).0, 404);

        known.set("REGISTRY_SECRET", "very secret");
        known.apply_settles().keeps_quiet_about(&["very secret"]);
        let (status, found) = witness.registry("GET", &path);
        assert!(
            status == 200 && found["schema"].as_str().is_some_and(|text| text.contains("\"id\"")),
            "{found}"
        );
        known.destroy();
        assert_eq!(witness.registry("GET", &path).0, 404);

        let (mut stranger, _) = mesh(name, &guard, &auth, &tls("stranger"));
        stranger.set("REGISTRY_SECRET", "very secret");
        stranger.run(&["plan"]).exits(1).says(&["registry.default at https://127.0.0.1"]);
    }
}
