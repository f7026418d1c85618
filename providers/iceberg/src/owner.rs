//! The mark of ownership that tables and namespaces carry as a property.

use datamesh_provider::lineage_of;
use std::collections::{BTreeMap, BTreeSet};

/// The property that says who manages an object: `<lineage>/<address>`. Never part of the attributes.
pub(crate) const PROPERTY: &str = "datamesh.owner";

/// Properties the catalog keeps for itself: never attributes, never a difference.
///
/// Those of tables are reserved by the table specification's implementations (`TableProperties` of the reference
/// implementation); `exists` is how SQL catalogs mark a namespace without properties.
const RESERVED_OF_TABLES: &[&str] = &[
    "format-version",
    "uuid",
    "snapshot-count",
    "current-snapshot-summary",
    "current-snapshot-id",
    "current-snapshot-timestamp-ms",
    "current-schema",
    "default-partition-spec",
    "default-sort-order",
];

/// Properties catalogs are known to add by themselves: nobody's work, so not worth a remark.
const ADDED_BY_CATALOGS: &[&str] =
    &["location", "schema.name-mapping.default", "write.parquet.compression-codec"];

pub(crate) fn added_by_catalogs(key: &str) -> bool {
    ADDED_BY_CATALOGS.contains(&key)
}

pub(crate) fn reserved_of_tables(key: &str) -> bool {
    RESERVED_OF_TABLES.contains(&key)
}

/// Splits a live property map into what counts as attributes and the owner.
pub(crate) fn split(
    mut properties: BTreeMap<String, String>,
    reserved: impl Fn(&str) -> bool,
) -> (BTreeMap<String, String>, Option<String>) {
    let owner = properties.remove(PROPERTY);
    properties.retain(|key, _| !reserved(key));
    (properties, owner)
}

/// Whether the mark names a lineage that is neither in ours nor one of this mesh. A missing mark never does.
pub(crate) fn is_foreign(live: Option<&str>, ours: &str, mesh: &BTreeSet<String>) -> bool {
    live.map(lineage_of).is_some_and(|lineage| lineage != lineage_of(ours) && !mesh.contains(lineage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_lineage_is_foreign() {
        let mesh = BTreeSet::from(["l3".to_owned()]);
        assert!(!is_foreign(None, "l1/a:t.x", &mesh));
        assert!(!is_foreign(Some("l1/b:t.y"), "l1/a:t.x", &mesh));
        assert!(!is_foreign(Some("l3/b:t.y"), "l1/a:t.x", &mesh));
        assert!(is_foreign(Some("l2/a:t.x"), "l1/a:t.x", &mesh));
    }
}
