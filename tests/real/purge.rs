//! Subjects that are deleted for good, and those that are not.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::http::{http, latest};
use crate::support::servers::{Servers, servers, with_registry2};
use reqwest::Method;

fn product(mesh: &Mesh, lifecycle: &str) {
    mesh.product(
        "orders",
        &format!(
            "schema:\n  compatibility: FULL\n  fields:\n    - {{ name: id, type: string, required: true }}\n\
             output_ports: [{{ technology: kafka }}]\nlifecycle: {{ on_remove: destroy{lifecycle} }}\n"
        ),
    );
}

fn purges(servers: &Servers, name: &str, registry: &str) {
    let prefix = unique(name);
    let mesh = Mesh::with(&Systems { registry: registry.to_owned(), ..Systems::shared(servers, &prefix) });
    let subject = format!("{prefix}sales.orders.v1-value");
    let is_left = || {
        let all = http(Method::GET, &format!("{registry}/subjects?deleted=true"));
        all.as_array().expect("a list").iter().any(|one| *one == subject.as_str())
    };
    let is_there = || latest(registry, &subject)["version"].as_i64();
    let gone = || {
        mesh.remove("domains/sales/orders.yaml");
        mesh.run(&["plan"]).exits(0)
    };

    // Softly, as ever.
    product(&mesh, "");
    mesh.apply_settles();
    gone().keeps_quiet_about(&["for good"]);
    mesh.apply_settles();
    assert!(is_there().is_none() && is_left());

    // The name is used again, and what was deleted softly before is nobody's. Then the same, cut off after its first half.
    for cut_off in [false, true] {
        product(&mesh, ", purge: true");
        mesh.apply_settles();
        assert!(is_there().is_some());
        if cut_off {
            http(Method::DELETE, &format!("{registry}/subjects/{subject}"));
            assert!(is_there().is_none() && is_left());
        }
        gone().says(&["deleted for good once its topics are gone"]);
        mesh.apply_settles();
        assert!(!is_left());
    }

    // Deleted softly by somebody while it is declared: made again.
    product(&mesh, ", purge: true");
    mesh.apply_settles();
    http(Method::DELETE, &format!("{registry}/subjects/{subject}"));
    mesh.run(&["drift"]).exits(2).says(&["deleted"]);
    mesh.apply_settles();
    assert!(is_there().is_some());
    mesh.destroy();
    assert!(!is_left());
}

#[test]
fn subjects_are_deleted_for_good_where_that_is_asked_for() {
    let Some(servers) = servers() else { return };
    purges(servers, "purge", servers.registry());
}

#[test]
fn subjects_are_deleted_for_good_on_the_second_registry() {
    let Some((servers, registry)) = with_registry2() else { return };
    purges(servers, "purge2", registry);
}
