use super::{FIELDS, MESH, World, chosen, domain, load_files, product, world, world_in};
use crate::graph::{Recorded, codes as graph_codes, judge, resolve};
use datamesh_provider::{Diagnostic, Object};
use std::fmt::Write as _;

/// Everything that was found, loading and resolving, by place.
fn said(world: &World) -> String {
    let mut all = world.load.diagnostics.clone();
    all.extend(world.found.clone());
    all.sort();
    let mut out = String::new();
    for found in &all {
        let label = found.labels.first();
        let place = label.and_then(|label| world.load.sources.line_column(label.span)).unwrap_or_default();
        let scope = found.scope.as_deref().unwrap_or("-");
        writeln!(out, "{}:{} {} {scope} {}", place.0, place.1, found.code.id, found.detail).expect("text");
    }
    out
}

fn codes(world: &World) -> Vec<&'static str> {
    let all = world.load.diagnostics.iter().chain(&world.found);
    all.map(|found| found.code.id).filter(|id| *id != "DM0240").collect()
}

const MANY: &str = r#"apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata:
  name: Orders_Facts
  domain: orders
  ownr: me@example.com
spec:
  classification: intern
  schema:
    version: "3"
    primary_key: [id, price]
    fields:
      - name: id
        type: strng
        requird: yes
      - name: amount
        type: decimal(40,2)
      - { name: price, type: [double] }
      - { name: id, type: int }
  slo:
    availability: 101
    freshness: 15 lightyears
  output_ports:
    - technology: kafka
      topic: a b
      retention: 7d
      partitions: many
      config: { retention.ms: 5 }
    - technology: kafka
"#;

#[test]
fn errors_of_form_do_not_hide_errors_of_meaning() {
    let world = world(&[("p.yaml", MANY)]);
    let scope = "orders/Orders_Facts";
    let expected = format!(
        "\
4:9 DM0234 {scope} `Orders_Facts` cannot be the name of a product: lower-case letters, digits and hyphens only, since topics, tables and addresses are named after it.
6:3 DM0110 {scope} `metadata` has no key `ownr`.
8:19 DM0113 {scope} `spec.classification` is `intern`, which is not one of `public`, `internal`, `confidential`, `restricted`.
10:14 DM0111 {scope} `spec.schema.version` must be a whole number, but it is the text `3`.
14:15 DM0200 {scope} `strng` is not a type.
15:9 DM0110 {scope} `spec.schema.fields[0]` has no key `requird`.
17:15 DM0203 {scope} `decimal(40,2)` is not possible: the precision is between 1 and 38 digits.
18:30 DM0111 {scope} `spec.schema.fields[2].type` must be a text, but it is a list.
19:17 DM0205 {scope} The field `id` is declared twice.
21:19 DM0237 {scope} `availability: 101` is not possible: it is a percentage up to 100, such as `99.9%`.
22:16 DM0253 {scope} `freshness: 15 lightyears` is not possible: a duration is a number and a unit, such as `15m`, `7d`, `7_years`, `P7Y`, or `forever`.
25:14 DM0234 {scope} `a b` cannot be the name of a topic: letters, digits, `.`, `_` and `-` only.
26:18 DM0252 {scope} `retention` and `config.retention.ms` set the same thing.
27:19 DM0111 {scope} `spec.output_ports[0].partitions` must be a whole number, but it is the text `many`.
29:19 DM0250 {scope} Two ports would be named `kafka`: a port without `name` is named after its technology.
"
    );
    assert_eq!(said(&world), expected);
    assert!(!world.graph.complete);
    assert_eq!(world.addresses(), Vec::<String>::new());
    assert_eq!(world.held(), [scope]);
}

#[test]
fn what_is_left_out_causes_no_error() {
    let cases = [
        ("schema: { primary_key: [id], fields: [{ name: id }] }", "DM0112"),
        ("schema: { fields: [{ name: e, type: enum, values: 5 }, { name: f, type: enum }] }", "DM0111"),
        ("schema: { columns: [] }\n  output_ports: [{ technology: iceberg }]", "DM0110"),
        ("schema: []\n  output_ports: [{ technology: iceberg, partition_by: [day(at)] }]", "DM0111"),
        ("output_ports: [{ technology: rest, name: [a] }, { technology: rest, name: 1 }]", "DM0111"),
        (
            "output_ports: [{ technology: kafak, name: a }]\n  environments: { sandbox: { ports: { a: {} } } }",
            "DM0113",
        ),
        ("output_ports: [{ technology: kafka, cleanup: compact, key: { fieds: [id] } }]", "DM0110"),
        (
            "output_ports: [{ technology: kafka, clster: other }, { technology: kafka, cluster: 7, name: b }]",
            "DM0110",
        ),
        ("schema: { formt: json }\n  output_ports: [{ technology: kafka, format: json }]", "DM0110"),
    ];
    for (spec, first) in cases {
        let found = codes(&world(&[("p.yaml", &product("orders", "facts", &format!("  {spec}\n")))]));
        assert!(found.contains(&first), "{spec}: {found:?}");
        assert!(found.iter().all(|code| *code < "DM0200"), "{spec}: {found:?}");
    }
}

#[test]
fn a_version_that_cannot_be_read_conflicts_with_nothing() {
    let spec =
        |version: &str| format!("  schema: {{ version: {version}, fields: [{{ name: id, type: int }}] }}\n");
    let (one, two) = (product("orders", "facts", &spec("1")), product("orders", "facts", &spec("\"2\"")));
    assert_eq!(codes(&world(&[("a.yaml", &one), ("b.yaml", &two)])), ["DM0111"]);
    let twice = product("orders", "facts", &format!("{}  descripton: x\n", spec("1")));
    let world = world(&[("a.yaml", &one), ("b.yaml", &twice)]);
    assert_eq!(codes(&world), ["DM0110", "DM0233"]);
    assert_eq!(world.held(), ["orders/facts@1"]);
}

#[test]
fn objects_are_claimed_by_what_is_left() {
    let port = "  output_ports: [{ technology: kafka, topic: shared }]\n";
    let good = product("orders", "a", &format!("{FIELDS}{port}"));
    let broken = product("orders", "b", &format!("{FIELDS}{port}  descripton: x\n"));
    let world = world(&[("a.yaml", &good), ("b.yaml", &broken)]);
    assert_eq!(codes(&world), ["DM0110", "DM0257", "DM0257"]);
    assert_eq!(world.held(), ["orders/a@1", "orders/b@1"]);
}

#[test]
fn whoever_names_a_broken_product_waits_for_it() {
    let broken =
        |version: &str| product("orders", "bad", &format!("  schema: {{ version: {version} }}\n  x: 1\n"));
    let user = product(
        "sales",
        "user",
        "  lineage: { sources: [orders.bad.v2] }\n  deprecated: { replaced_by: orders/bad@2 }\n",
    );
    for version in ["2", "two"] {
        let world = world(&[("a.yaml", &broken(version)), ("b.yaml", &user)]);
        assert!(world.found.is_empty(), "{:#?}", world.found);
        assert!(world.held().contains(&"sales/user@1"), "{version}: {:?}", world.held());
        assert_eq!(world.addresses(), ["sales:catalog_domain.self"]);
    }
}

#[test]
fn a_broken_domain_is_judged_and_says_nothing_by_silence() {
    let orders = domain("orders", "{ aliases: [sales, o], external: 5, complete: true }");
    let sales = domain("sales", "{}");
    let user = product("sales", "user", "  lineage: { sources: [o.elsewhere.v2] }\n");
    let world = world(&[("a.yaml", &orders), ("b.yaml", &sales), ("c.yaml", &user)]);
    assert_eq!(codes(&world), ["DM0111", "DM0231"]);
    assert_eq!(world.held(), ["orders"]);
}

#[test]
fn what_has_no_name_is_judged_all_the_same() {
    let bad = product("no-such-domain", "Facts", "  schema: { fields: [{ name: id, type: strng }] }\n");
    let twin = product("orders", "facts", "");
    let other = product("orders", "facts", "  slo: { availability: 101 }\n");
    let files = [
        ("a.yaml", bad.as_str()),
        ("b.yaml", twin.as_str()),
        ("c.yaml", other.as_str()),
        ("d.yaml", &domain("orders", "{}")),
        ("datamesh.yaml", MESH),
    ];
    let world = world_in(&files, None, &Recorded::default());
    assert_eq!(codes(&world), ["DM0234", "DM0230", "DM0200", "DM0233", "DM0237"]);
    assert_eq!(world.held(), ["no-such-domain/Facts@1", "orders/facts@1"]);
    assert_eq!(world.addresses(), ["orders:catalog_domain.self"]);
}

#[test]
fn objects_are_judged_whoever_is_held_back() {
    let broken =
        product("orders", "a", &format!("{FIELDS}  output_ports: [{{ technology: kafka }}]\n  x: 1\n"));
    let wrong =
        product("orders", "b", "  slo: { availability: 101 }\n  output_ports: [{ technology: kafka }]\n");
    let files = [("a.yaml", broken.as_str()), ("b.yaml", wrong.as_str()), ("datamesh.yaml", MESH)];
    let load = load_files(&files);
    let topics = |object: &Object| {
        let topic = object.address.ty().as_str() == "kafka_topic";
        let found = topic.then(|| Diagnostic::error(graph_codes::BAD_SETTING, object.id.as_str()));
        assert!(!topic || object.on_create.contains_key("partitions"));
        found.into_iter().collect()
    };
    let found = judge(&load, &chosen(&load, None), &topics);
    let said: Vec<_> = found.iter().map(|d| (d.detail.as_str(), d.scope.as_deref().unwrap_or("-"))).collect();
    let owned = [("orders.a.v1", "orders/a@1"), ("orders.b.v1", "orders/b@1")];
    assert!(owned.iter().all(|finding| said.contains(finding)), "{said:?}");
    let (_, resolved) = resolve(&load, &chosen(&load, None), &Recorded::default());
    assert_eq!(found.len(), resolved.len() + 2, "nothing else differs");
}
