//! The example mesh, carried in the program.

use std::path::Path;

/// Every file of `examples/acme-mesh`, below its root.
pub(super) const FILES: &[(&str, &str)] = &[
    (".gitignore", include_str!("../../examples/acme-mesh/.gitignore")),
    ("README.md", include_str!("../../examples/acme-mesh/README.md")),
    ("datamesh.yaml", include_str!("../../examples/acme-mesh/datamesh.yaml")),
    ("domains/customers/domain.yaml", include_str!("../../examples/acme-mesh/domains/customers/domain.yaml")),
    (
        "domains/customers/customer-360.yaml",
        include_str!("../../examples/acme-mesh/domains/customers/customer-360.yaml"),
    ),
    (
        "domains/customers/customer-profiles.yaml",
        include_str!("../../examples/acme-mesh/domains/customers/customer-profiles.yaml"),
    ),
    ("domains/orders/domain.yaml", include_str!("../../examples/acme-mesh/domains/orders/domain.yaml")),
    (
        "domains/orders/order-events.yaml",
        include_str!("../../examples/acme-mesh/domains/orders/order-events.yaml"),
    ),
    (
        "domains/orders/order-facts.yaml",
        include_str!("../../examples/acme-mesh/domains/orders/order-facts.yaml"),
    ),
    ("domains/orders/shipments.yaml", include_str!("../../examples/acme-mesh/domains/orders/shipments.yaml")),
    ("domains/payments/domain.yaml", include_str!("../../examples/acme-mesh/domains/payments/domain.yaml")),
    (
        "domains/payments/daily-revenue.yaml",
        include_str!("../../examples/acme-mesh/domains/payments/daily-revenue.yaml"),
    ),
    (
        "domains/payments/payment-events.yaml",
        include_str!("../../examples/acme-mesh/domains/payments/payment-events.yaml"),
    ),
];

/// Where the example expects Kafka and the registry.
const KAFKA: &str = "127.0.0.1:19092";
const REGISTRY: &str = "http://127.0.0.1:19090/apis/ccompat/v7";

/// Writes the example below `folder`, with the endpoints of running servers. A file that is there already stays as
/// it is: somebody may have worked on it. Gives back how many files were written.
pub(super) fn write(folder: &Path, kafka: &str, registry: &str) -> std::io::Result<usize> {
    let mut written = 0;
    for (name, text) in FILES {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            continue;
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text.replace(KAFKA, kafka).replace(REGISTRY, registry))?;
        written += 1;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("the example") {
            let entry = entry.expect("an entry");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn the_program_carries_every_file_of_the_example() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/acme-mesh");
        let mut there = BTreeSet::new();
        below(&folder, "", &mut there);
        there.retain(|name| !name.starts_with(".datamesh/"));
        let carried: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(carried, there);
    }

    #[test]
    fn endpoints_are_put_in_and_edited_files_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(
            write(folder.path(), "127.0.0.1:5", "http://127.0.0.1:6/x").expect("written"),
            FILES.len()
        );
        let mesh = folder.path().join("datamesh.yaml");
        let text = std::fs::read_to_string(&mesh).expect("the mesh");
        assert!(
            text.contains("bootstrap_servers: 127.0.0.1:5") && text.contains("http://127.0.0.1:6/x"),
            "{text}"
        );
        assert!(!text.contains(KAFKA) && !text.contains(REGISTRY));
        std::fs::write(&mesh, "mine").expect("edited");
        assert_eq!(write(folder.path(), "a", "b").expect("again"), 0);
        assert_eq!(std::fs::read_to_string(&mesh).expect("the mesh"), "mine");
    }
}
