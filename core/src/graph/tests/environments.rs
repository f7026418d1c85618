use super::{MESH, load_files};
use crate::graph::environment;
use crate::manifest::model::OnRemove;
use datamesh_provider::SystemName;

fn codes(mesh: &str, name: Option<&str>) -> (bool, Vec<&'static str>, String) {
    let load = load_files(&[("datamesh.yaml", mesh)]);
    let mesh = load.mesh().unwrap_or_else(|| panic!("{:#?}", load.diagnostics));
    let (chosen, found) = environment(mesh, name, "/mesh");
    let help = found.iter().filter_map(|d| d.help.clone()).collect();
    (chosen.is_some(), found.iter().map(|d| d.code.id).collect(), help)
}

#[test]
fn one_environment_needs_no_name() {
    let load = load_files(&[("datamesh.yaml", MESH)]);
    let environment = environment(load.mesh().unwrap(), None, "/mesh").0.unwrap();
    assert_eq!(environment.name, "sandbox");
    assert_eq!(
        (environment.on_remove, environment.protected, environment.parallelism),
        (OnRemove::Hold, false, 10)
    );
    assert_eq!(environment.defaults.partitions, Some(3));
    let systems: Vec<_> = environment.systems.keys().map(ToString::to_string).collect();
    assert_eq!(systems, ["catalog.default", "iceberg.default", "kafka.default", "registry.default"]);
    let kafka = &environment.systems[&SystemName::new("kafka", "default")];
    assert_eq!(kafka.value["bootstrap_servers"], "127.0.0.1:19092");
}

#[test]
fn an_unknown_environment_is_told_the_known_ones() {
    let (some, found, help) = codes(MESH, Some("sandbxo"));
    assert_eq!((some, found), (false, vec!["DM0220"]));
    assert_eq!(help, "Did you mean `sandbox`?");
    let two = format!("{MESH}    prod: {{ state: {{ backend: local }} }}\n");
    let (some, found, help) = codes(&two, None);
    assert_eq!((some, found), (false, vec!["DM0220"]));
    assert!(help.contains("`sandbox`, `prod`"), "{help}");
}

#[test]
fn two_environments_on_one_system_need_a_prefix() {
    let with = |extra: &str| {
        format!(
            "{MESH}    prod: {{ state: {{ backend: local }}, kafka: {{ main: {{ bootstrap_servers: '127.0.0.1:19092' }} }}, {extra} }}\n"
        )
    };
    assert_eq!(codes(&with(""), Some("prod")).1, ["DM0221"]);
    assert_eq!(codes(&with("names: { topic_prefix: 'prod.' }"), Some("prod")).1, Vec::<&str>::new());
    let registry =
        "registry: { r: { url: 'http://127.0.0.1:18081/apis/ccompat/v7/' } }, names: { topic_prefix: 'p.' }";
    assert_eq!(codes(&with(registry), Some("prod")).1, ["DM0221"]);
    let catalog = "catalog: { backend: portal, path: .datamesh/catalog }, names: { topic_prefix: 'p.' }";
    assert_eq!(codes(&with(catalog), Some("prod")).1, ["DM0221"]);
}

#[test]
fn settings_without_effect_warn() {
    let mesh = MESH.replace(
        "      endpoints:",
        "      principals: { a: 'User:a' }\n      plan_credentials: { }\n      drift: { ignore: [{ address: x }] }\n      parallelism: 0\n      endpoints:",
    );
    let (_, mut found, _) = codes(&mesh, None);
    found.sort_unstable();
    assert_eq!(found, ["DM0222", "DM0240"]);
    let mesh =
        MESH.replace("      endpoints:", "      principals: { a: nobody, b: 'User:b' }\n      endpoints:");
    assert_eq!(codes(&mesh, None).1, ["DM0222"], "a principal has a type and a name");
}

#[test]
fn an_environment_and_a_domain_have_names_the_state_can_be_kept_under() {
    for name in ["_runs", "a/b", "a b", "\"\"", "ü"] {
        let mesh = format!("{MESH}    {name}: {{ state: {{ backend: local }} }}\n");
        let (_, found, help) = codes(&mesh, Some("sandbox"));
        assert_eq!(found, ["DM0234"], "{name}");
        assert!(help.contains("no `_` in front"), "{help}");
    }
    for (name, is) in [("orders", true), ("order_management", true), ("_orders", false), ("_", false)] {
        assert_eq!(crate::graph::domains::is_domain_name(name), is, "{name}");
    }
}
