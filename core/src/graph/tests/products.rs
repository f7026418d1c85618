use super::{FIELDS, MESH, Recorded, domain, product, recorded, world, world_in};

#[test]
fn with_domains_declared_every_product_needs_one() {
    let orders = domain("orders", "{ aliases: [sales] }");
    let of = |name: &str| world(&[("d.yaml", &orders), ("p.yaml", &product(name, "facts", ""))]);
    assert_eq!(of("orders").codes(), Vec::<&str>::new());
    let typo = of("ordres");
    assert_eq!(typo.codes(), ["DM0230"]);
    assert!(typo.details().contains("Did you mean `orders`?"), "{}", typo.details());
    assert!(!typo.graph.complete, "who knows what the product was called before");
    assert_eq!(of("sales").codes(), ["DM0230"]);
    // Without any Domain document a name is enough.
    assert_eq!(world(&[("p.yaml", &product("ordres", "facts", ""))]).codes(), Vec::<&str>::new());
}

#[test]
fn domain_names_compare_with_hyphen_as_underscore() {
    let files =
        [("d.yaml", domain("order-management", "{}")), ("p.yaml", product("order_management", "facts", ""))];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let world = world(&files);
    assert_eq!(world.codes(), Vec::<&str>::new());
    assert!(world.addresses().contains(&"order-management/facts@1:catalog_product.self".to_owned()));
}

#[test]
fn a_name_or_alias_belongs_to_one_domain() {
    let of = |a: &str, b: &str| world(&[("a.yaml", a), ("b.yaml", b)]);
    let twice = of(&domain("a-b", "{}"), &domain("a_b", "{}"));
    assert_eq!(twice.codes(), ["DM0231"]);
    let alias =
        of(&domain("orders", "{ aliases: [pay-ments] }"), &domain("payments", "{ aliases: [pay_ments] }"));
    assert_eq!(alias.codes(), ["DM0231"]);
    assert_eq!(alias.found.errors().next().unwrap().labels.len(), 2);
    assert_eq!(
        of(&domain("orders", "{ aliases: [payments] }"), &domain("payments", "{}")).codes(),
        ["DM0231"]
    );
}

#[test]
fn a_folder_belongs_to_its_domain() {
    let facts = product("orders", "facts", "");
    assert_eq!(world(&[("domains/orders/p.yaml", &facts)]).codes(), Vec::<&str>::new());
    assert_eq!(world(&[("domains/payments/p.yaml", &facts)]).codes(), ["DM0232"]);
    let payments = domain("payments", "{}");
    assert_eq!(world(&[("domains/orders/d.yaml", &payments)]).codes(), ["DM0232"]);
}

#[test]
fn a_version_is_declared_once_and_versions_live_side_by_side() {
    let v = |version: u32| {
        product(
            "orders",
            "facts",
            &format!(
                "  schema: {{ version: {version}, fields: [{{ name: id, type: int }}] }}\n  output_ports: [{{ technology: kafka }}]\n"
            ),
        )
    };
    let both = world(&[("a.yaml", &v(1)), ("b.yaml", &v(2))]);
    assert_eq!(both.codes(), Vec::<&str>::new());
    assert_eq!(both.id("orders/facts@1:kafka_topic.kafka"), "orders.facts.v1");
    assert_eq!(both.id("orders/facts@2:kafka_topic.kafka"), "orders.facts.v2");
    let twice = world(&[("a.yaml", &v(1)), ("b.yaml", &v(1))]);
    assert_eq!(twice.codes(), ["DM0233"]);
    assert!(twice.found.errors().next().unwrap().labels.len() >= 2);
    assert_eq!(twice.held(), ["orders/facts@1"]);
    assert_eq!(world(&[("a.yaml", &v(0))]).codes(), ["DM0235"]);
}

#[test]
fn two_versions_that_derive_one_table_are_told_the_exact_line() {
    let v = |version: u32| {
        product(
            "orders",
            "facts",
            &format!(
                "  schema: {{ version: {version}, fields: [{{ name: id, type: int }}] }}\n  output_ports: [{{ technology: iceberg, location: s3://data-lake/orders/facts }}]\n"
            ),
        )
    };
    let both = world(&[("a.yaml", &v(2)), ("b.yaml", &v(1))]);
    assert_eq!(both.codes(), ["DM0257", "DM0257"]);
    let text = both.details();
    assert!(text.contains("`table: orders.facts_v2`"), "{text}");
    assert!(text.contains("`location: s3://data-lake/orders/facts-v2/`"), "{text}");
    assert_eq!(both.held(), ["orders/facts@1", "orders/facts@2"]);
    assert!(both.found.errors().all(|d| d.labels.len() == 2));
}

#[test]
fn one_table_never_lies_within_another() {
    let at = |name: &str, location: &str| {
        product(
            "orders",
            name,
            &format!(
                "{FIELDS}  output_ports: [{{ technology: iceberg, location: s3://data-lake/{location} }}]\n"
            ),
        )
    };
    let inside = world(&[("a.yaml", &at("a", "x")), ("b.yaml", &at("b", "x/y/z"))]);
    assert_eq!(inside.codes(), ["DM0257"]);
    let beside = world(&[("a.yaml", &at("a", "x")), ("b.yaml", &at("b", "x-y"))]);
    assert_eq!(beside.codes(), Vec::<&str>::new());
}

#[test]
fn an_error_holds_back_its_product_and_what_depends_on_it() {
    let broken = product("orders", "bad", "  schema: { fields: [{ name: id, type: strng }] }\n");
    let user = product("orders", "user", "  lineage: { sources: [orders.bad.v1] }\n");
    let user_of_user = product("sales", "report", "  lineage: { sources: [orders.user.v1] }\n");
    let other = product("sales", "other", "");
    let world =
        world(&[("a.yaml", &broken), ("b.yaml", &user), ("c.yaml", &user_of_user), ("d.yaml", &other)]);
    assert_eq!(world.codes(), ["DM0200"]);
    assert_eq!(world.held(), ["orders/bad@1", "orders/user@1", "sales/report@1"]);
    assert_eq!(world.graph.held_back["sales/report@1"], "depends on orders/user@1, which is held back");
    assert!(world.addresses().contains(&"sales/other@1:catalog_product.self".to_owned()));
    assert!(world.graph.complete, "every manifest was read");
}

#[test]
fn a_namespace_stays_while_one_of_its_products_is_held_back() {
    let spec = "  schema: { fields: [{ name: id, type: strng }] }\n  output_ports: [{ technology: iceberg, table: odd.facts, cluster: gone }]\n";
    let state = recorded(&[("orders:iceberg_namespace.odd", "odd", None)]);
    let files = [("p.yaml", product("orders", "facts", spec)), ("datamesh.yaml", MESH.to_owned())];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let world = world_in(&files, None, &state);
    assert_eq!(world.held(), ["orders/facts@1"]);
    assert_eq!(world.id("orders:iceberg_namespace.odd"), "odd");
}

#[test]
fn a_namespace_has_one_domain_however_many_use_it() {
    let at = |domain: &str, table: &str| {
        product(
            domain,
            "facts",
            &format!("{FIELDS}  output_ports: [{{ technology: iceberg, table: {table} }}]\n"),
        )
    };
    let world = world(&[("a.yaml", &at("audit", "sales.audit")), ("b.yaml", &at("sales", "sales.facts"))]);
    let namespaces: Vec<_> = world.addresses().into_iter().filter(|a| a.contains("namespace")).collect();
    assert_eq!(namespaces, ["sales:iceberg_namespace.sales"]);
    let table = world.resource("audit/facts@1:iceberg_table.iceberg");
    assert_eq!(table.depends_on.iter().next().unwrap().to_string(), "sales:iceberg_namespace.sales");
}

#[test]
fn environments_limit_where_a_product_exists() {
    let here = product("orders", "here", "  only_environments: [sandbox]\n");
    let there = product("orders", "there", "  only_environments: [prod]\n");
    let mesh = format!("{MESH}    prod: {{ state: {{ backend: local }} }}\n");
    let files = [("a.yaml", here.as_str()), ("b.yaml", there.as_str()), ("datamesh.yaml", mesh.as_str())];
    let world = world_in(&files, Some("sandbox"), &Recorded::default());
    assert_eq!(world.codes(), Vec::<&str>::new());
    assert_eq!(world.graph.owners.keys().collect::<Vec<_>>(), ["orders", "orders/here@1"]);
    let typo = product("orders", "x", "  only_environments: [sandbxo]\n");
    let world =
        world_in(&[("a.yaml", &typo), ("datamesh.yaml", &mesh)], Some("sandbox"), &Recorded::default());
    assert_eq!(world.codes(), ["DM0220"]);
    assert!(world.details().contains("Did you mean `sandbox`?"));
}

#[test]
fn service_levels_out_of_range_are_told_what_is_probably_meant() {
    let of = |slo: &str| world(&[("p.yaml", &product("orders", "facts", &format!("  slo: {{ {slo} }}\n")))]);
    for (slo, meaning) in [
        ("availability: 0.999", "`99.9%`"),
        ("availability: 101", "`99.9%`"),
        ("quality_score: 95", "`0.95`"),
        ("completeness: 99%", "`0.99`"),
        ("completeness: -1", "from 0 to 1"),
        ("quality_score: nan", "from 0 to 1"),
    ] {
        let world = of(slo);
        assert_eq!(world.codes(), ["DM0237"], "{slo}");
        assert!(world.details().contains(meaning), "{slo}: {}", world.details());
    }
    assert_eq!(of("freshness: '15'").codes(), ["DM0253"]);
    let good = of("freshness: 15m, availability: 99.9%, quality_score: 0.95, completeness: 1");
    assert_eq!(good.codes(), Vec::<&str>::new());
}

#[test]
fn deprecations_are_checked() {
    let of = |deprecated: &str| {
        world(&[("p.yaml", &product("orders", "facts", &format!("  deprecated: {{ {deprecated} }}\n")))])
    };
    assert_eq!(
        of("since: 2026-01-31, sunset: 2026-06-30, replaced_by: orders/facts@1").codes(),
        Vec::<&str>::new()
    );
    assert_eq!(of("since: 31.1.2026").codes(), ["DM0236"]);
    assert_eq!(of("since: 2026-02-30").codes(), ["DM0236"]);
    assert_eq!(of("since: 2026-02-01, sunset: 2026-01-01").codes(), ["DM0236"]);
    assert_eq!(of("replaced_by: facts-v2").codes(), ["DM0238"]);
    assert_eq!(of("replaced_by: orders/facts@2").codes(), ["DM0238"]);
}

#[test]
fn keys_without_effect_warn_on_their_line() {
    let spec = "  data_class: logs\n  lifecycle: { ignore_changes: [config] }\n  schema: { fields: [{ name: id, type: int, optional: true, pii: true, pii_reason: names a person }] }\n  output_ports: [{ technology: kafka }]\n";
    let grant = "apiVersion: datamesh.example.com/v1\nkind: AccessGrant\nmetadata: { name: g }\nspec: { product: orders/facts@1, consumer: x }\n";
    let world = world(&[("p.yaml", &product("orders", "facts", spec)), ("g.yaml", grant)]);
    let warned: Vec<_> =
        world.found.iter().filter(|d| d.code.id == "DM0240").map(|d| d.detail.as_str()).collect();
    for key in ["data_class", "ignore_changes", "optional", "pii_reason", "AccessGrant"] {
        assert!(warned.iter().any(|detail| detail.contains(key)), "{key}: {warned:?}");
    }
    assert!(world.found.iter().all(|d| !d.labels.is_empty() && !d.is_error()), "{}", world.details());
    assert!(world.held().is_empty());
}

#[test]
fn a_domain_with_an_error_holds_back_its_products_and_no_others() {
    let files = [
        ("a.yaml", domain("orders", "{ onwer: x }")),
        ("b.yaml", domain("sales", "{}")),
        ("c.yaml", product("orders", "facts", "")),
        ("d.yaml", product("sales", "facts", "")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let world = world(&files);
    assert!(world.load.diagnostics.has_errors() && world.found.is_empty(), "{}", world.details());
    assert_eq!(world.held(), ["orders", "orders/facts@1"]);
    assert_eq!(world.addresses(), ["sales:catalog_domain.self", "sales/facts@1:catalog_product.self"]);
    assert!(!world.graph.complete && world.graph.unread_paths.contains("a.yaml"));
}
