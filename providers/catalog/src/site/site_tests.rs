use super::*;
use serde_json::{Value, json};

fn attrs(value: Value) -> Attributes {
    value.as_object().cloned().expect("a map")
}

fn of(pairs: Vec<(&str, Value)>) -> BTreeMap<String, Attributes> {
    pairs.into_iter().map(|(id, value)| (id.to_owned(), attrs(value))).collect()
}

/// Two domains, one product made from another, every kind of attribute.
pub(crate) fn sample() -> Entities {
    let facts = json!({
        "domain": "order-management", "name": "orders-facts", "version": 3, "owner": "order-team@example.com",
        "description": "Order lifecycle facts.\n\nUpdated within 15 minutes.", "classification": "internal",
        "labels": {"tier": "gold"}, "annotations": {"runbook": "wiki"}, "tags": ["orders"],
        "contract": {
            "format": "avro", "compatibility": "BACKWARD", "subjects": ["orders-facts"], "primary_key": ["order_id"],
            "registry": "https://schema-registry.internal",
            "fields": [
                {"name": "order_id", "type": "string", "description": "Unique order identifier", "required": true},
                {"name": "email", "type": "string", "required": false, "pii": true, "pii_type": "email", "governance": "encrypt"},
                {"name": "status", "type": "enum", "required": false, "values": ["placed", "shipped"]},
            ],
        },
        "slo": {"freshness": "15m", "availability": "99.9%", "quality_score": 0.95, "completeness": 0.99, "quality_checks": ["order_id IS NOT NULL"]},
        "ports": [
            {"name": "kafka", "type": "streaming", "technology": "kafka", "topic": "orders-domain.orders-facts.v3", "format": "avro", "system": "kafka.default"},
            {"name": "iceberg", "type": "batch", "technology": "iceberg", "table": "order_management.orders_facts", "location": "s3://data-lake/orders"},
            {"name": "rest", "type": "api", "technology": "rest", "endpoint": "https://data-api.internal/orders", "auth": "oauth2"},
        ],
    });
    let old = json!({"domain": "order-management", "name": "orders-facts", "version": 2,
        "deprecated": {"since": "2026-01-01", "sunset": "2026-06-01", "replaced_by": "order-management/orders-facts@3"}});
    let c360 = json!({"domain": "customer-success", "name": "customer-360", "version": 1, "classification": "restricted"});
    Entities {
        domains: of(vec![(
            "order-management",
            json!({"name": "order-management", "description": "Orders.", "owner": "o", "aliases": ["orders-domain"], "contacts": ["#orders"], "code_owners": ["@acme/orders"]}),
        )]),
        products: of(vec![
            ("order-management/orders-facts@3", facts),
            ("order-management/orders-facts@2", old),
            ("customer-success/customer-360@1", c360),
        ]),
        lineage: of(vec![
            (
                "order-management/orders-facts@3#lineage",
                json!({"product": "order-management/orders-facts@3", "sources": [{"name": "orders-db.public.orders"}], "transformation": "dbt://orders/models/orders.sql"}),
            ),
            (
                "customer-success/customer-360@1#lineage",
                json!({"product": "customer-success/customer-360@1", "sources": [{"name": "orders-domain.orders-facts.v3", "product": "order-management/orders-facts@3"}, {"name": "gone", "product": "a/b@1"}]}),
            ),
        ]),
    }
}

const FACTS: &str = "products/order-management/orders-facts-v3.html";

#[test]
fn every_declared_word_is_on_a_page() {
    let files = site(&sample());
    assert_eq!(
        files.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "index.html",
            "products/customer-success/customer-360-v1.html",
            "products/order-management/orders-facts-v2.html",
            FACTS,
            "style.css",
        ]
    );
    for words in [
        "orders-facts",
        "v3",
        "order-team@example.com",
        "Updated within 15 minutes.",
        "internal",
        "tier: gold",
        "runbook: wiki",
        "avro",
        "BACKWARD",
        "order_id",
        "Unique order identifier",
        "required",
        "PII: email",
        "encrypt",
        "placed",
        "shipped",
        "15m",
        "99.9%",
        "0.95",
        "0.99",
        "order_id IS NOT NULL",
        "orders-domain.orders-facts.v3",
        "order_management.orders_facts",
        "s3://data-lake/orders",
        "https://data-api.internal/orders",
        "auth: oauth2",
        "kafka.default",
        "orders-db.public.orders",
        "dbt://orders/models/orders.sql",
        "Other versions",
        "https://schema-registry.internal",
    ] {
        assert!(files[FACTS].contains(words), "{words}");
    }
    for words in [
        "order-management",
        "customer-success",
        "orders-domain",
        "@acme/orders",
        "#orders",
        "deprecated",
        "1 personal field",
        "restricted",
    ] {
        assert!(files["index.html"].contains(words), "{words}");
    }
    let customer = &files["products/customer-success/customer-360-v1.html"];
    assert!(customer.contains("href=\"../../products/order-management/orders-facts-v3.html\""), "upstream");
    assert!(
        files[FACTS].contains("href=\"../../products/customer-success/customer-360-v1.html\""),
        "downstream"
    );
    assert!(customer.contains("<li>gone</li>"), "a source that has no page is only named");
    let old = &files["products/order-management/orders-facts-v2.html"];
    assert!(old.contains("goes away on 2026-06-01") && old.contains("Use <a href="));
}

/// The attribute values of this name in a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_link_leads_to_a_page_and_nothing_comes_from_elsewhere() {
    let files = site(&sample());
    let pages = || files.iter().filter(|(path, _)| path.ends_with(".html"));
    for (path, page) in pages() {
        for href in values(page, "href") {
            let (file, place) = href.split_once('#').unwrap_or((href, ""));
            let target = match file.strip_prefix("../../") {
                Some(rest) => rest,
                None if file.is_empty() => path,
                None => file,
            };
            let found = files.get(target).unwrap_or_else(|| panic!("{path}: {href}"));
            assert!(place.is_empty() || found.contains(&format!(" id=\"{place}\"")), "{path}: {href}");
        }
        assert!(!page.contains("<script") && !page.contains(" src=") && !page.contains(" style="), "{path}");
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("http"));
    for (path, content) in &files {
        assert!(content.get(..600.min(content.len())).is_some_and(|start| start.contains(MARK)), "{path}");
    }
}

#[test]
fn equal_entities_give_equal_bytes() {
    assert_eq!(site(&sample()), site(&sample()));
}

/// Puts a text into every place of a tree that holds one.
fn poison(value: &mut Value, with: &str) {
    match value {
        Value::String(text) => *text = with.to_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, with)),
        Value::Object(map) => {
            for (_, item) in map.iter_mut() {
                poison(item, with);
            }
            let labelled = map.contains_key("tier");
            if labelled {
                map.insert(with.to_owned(), json!("x"));
            }
        }
        _ => {}
    }
}

#[test]
fn hostile_words_stay_words() {
    let clean = site(&sample());
    let tags = |page: &str| page.matches('<').count();
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='x",
        "javascript:alert(1)",
        "</title></style></textarea><svg/onload=x>",
        "]]><!-- --><!--",
        "\u{202e}gnp.exe\u{1b}[31m\u{0}",
        "../../../etc/passwd",
        "&lt;b&gt;",
    ] {
        let mut entities = sample();
        for (group, _) in
            [(&mut entities.domains, 0), (&mut entities.products, 1), (&mut entities.lineage, 2)]
        {
            let hostile_group = std::mem::take(group).into_iter().map(|(id, attributes)| {
                let mut value = Value::Object(attributes);
                poison(&mut value, hostile);
                (format!("{hostile}{id}"), attrs(value))
            });
            *group = hostile_group.collect();
        }
        let files = site(&entities);
        assert_eq!(files.len(), clean.len(), "{hostile}");
        for (path, page) in files.iter().filter(|(path, _)| *path != "style.css") {
            assert!(
                path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b))
                    && !path.contains(".."),
                "{path}"
            );
            assert!(
                !page.contains("<script")
                    && !page.contains("<img")
                    && !page.contains("<svg")
                    && !page.contains("<!--"),
                "{path}"
            );
            assert!(!page.contains(['\u{202e}', '\u{1b}', '\u{0}']), "{path}");
            for href in values(page, "href") {
                assert!(!href.contains("script") && !href.contains("etc"), "{href}");
            }
            assert_eq!(tags(page), page.matches('>').count(), "{path}: every tag is one of ours");
        }
    }
}

#[test]
fn only_line_breaks_that_mean_something_stay() {
    let page = |description: &str| {
        let product = json!({"domain": "d", "name": "p", "version": 1, "description": description});
        let entities = Entities { products: of(vec![("d/p@1", product)]), ..Entities::default() };
        site(&entities)["products/d/p-v1.html"].clone()
    };
    assert!(
        page("one\ntwo\r\n\r\nthree").contains("<p class=\"lead\">one\ntwo</p>\n<p class=\"lead\">three</p>")
    );
    assert!(page("two:\n- a\n- b").contains("<span class=\"lines\">two:\n- a\n- b</span>"));
}

#[test]
fn an_empty_catalog_has_a_page_too() {
    let files = site(&Entities::default());
    assert_eq!(files.len(), 2);
    assert!(files["index.html"].contains("Nothing is here yet"));
}

#[test]
fn pages_never_share_a_name() {
    let ids = [
        "a/b@1",
        "a/b@2",
        "a/b-v1@2",
        "a/b-v1-v2@1",
        "A/b@1",
        "a/b@1 ",
        "a/b",
        "by-id/b@1",
        "a/../b@1",
        "a/b/c@1",
        "",
        "a/b@-1",
    ];
    let pages: std::collections::BTreeSet<String> = ids.iter().map(|id| model::page_of(id)).collect();
    assert_eq!(pages.len(), ids.len(), "{pages:?}");
}
