use super::{domain, product, world};

fn consumer(source: &str) -> String {
    product("reports", "daily", &format!("  lineage: {{ sources: ['{source}'] }}\n"))
}

fn codes(orders: &str, source: &str) -> Vec<&'static str> {
    let orders = domain("orders", orders);
    let reports = domain("reports", "{}");
    let facts = product("orders", "facts", "");
    world(&[("a.yaml", &orders), ("b.yaml", &reports), ("c.yaml", &facts), ("d.yaml", &consumer(source))])
        .codes()
}

#[test]
fn a_source_in_a_declared_domain_must_exist() {
    assert_eq!(codes("{}", "orders.facts.v1"), Vec::<&str>::new());
    assert_eq!(codes("{}", "orders.facts.v2"), ["DM0260"]);
    assert_eq!(codes("{ aliases: [orders-domain] }", "orders_domain.facts.v1"), Vec::<&str>::new());
    // Domains nobody declares, and names of another form, are datasets outside of the mesh.
    assert_eq!(codes("{}", "warehouse.facts.v1"), Vec::<&str>::new());
    assert_eq!(codes("{ complete: true }", "orders.public.facts.v1"), Vec::<&str>::new());
}

#[test]
fn a_complete_domain_makes_it_an_error_but_for_its_externals() {
    let of = |orders: &str| {
        let files = [
            ("a.yaml", domain("orders", orders)),
            ("b.yaml", domain("reports", "{}")),
            ("c.yaml", product("orders", "facts", "")),
            ("d.yaml", consumer("orders.fcts.v1")),
        ];
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        world(&files)
    };
    let open = of("{}");
    assert!(open.held().is_empty() && open.details().contains("Did you mean `facts`?"), "{}", open.details());
    let complete = of("{ complete: true }");
    assert_eq!(complete.held(), ["reports/daily@1"]);
    assert_eq!(of("{ complete: true, external: [fcts] }").codes(), Vec::<&str>::new());
    assert_eq!(of("{ complete: true, external: [fcts.v1] }").codes(), Vec::<&str>::new());
}
