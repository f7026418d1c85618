//! The diagnostics of this provider, DM0550 to DM0569.

use datamesh_provider::Code;

/// Settings of a catalog in the Mesh document that cannot work.
pub const SETTINGS: Code = Code::new("DM0550", "this setting of the Iceberg catalog does not work");
/// A column, or its type, that no table can have.
pub const COLUMN: Code = Code::new("DM0551", "a column cannot be declared like this");
/// A primary key needs required columns with plain values.
pub const IDENTIFIER: Code = Code::new("DM0552", "a column cannot be part of the primary key");
/// A partition field without a column, or with a transform that does not take its type.
pub const PARTITION: Code = Code::new("DM0553", "the partitioning does not fit the columns");
/// A sort field without a column, or with a transform that does not take its type.
pub const SORT: Code = Code::new("DM0554", "the sort order does not fit the columns");
/// A property that belongs to the catalog or to the tool.
pub const PROPERTY: Code = Code::new("DM0555", "a property cannot be declared");
/// A location that is none, or lies outside of the warehouse.
pub const LOCATION: Code = Code::new("DM0556", "a table cannot lie at this location");
/// A format version that is not known, or that a table cannot get.
pub const FORMAT_VERSION: Code = Code::new("DM0557", "a format version is not supported");
/// A change of a column that Iceberg forbids or this version does not do.
pub const COLUMN_CHANGE: Code = Code::new("DM0558", "a column cannot be changed like this");
/// Another primary key, partitioning or sort order than the table has.
pub const LAYOUT_CHANGE: Code = Code::new("DM0559", "the layout of a table cannot be changed like this");
/// Another location than the table has.
pub const LOCATION_CHANGE: Code = Code::new("DM0560", "a table cannot be moved");
/// A name that could not become a folder or a path segment.
pub const NAME: Code = Code::new("DM0561", "a name cannot be used in this catalog");
/// Plain `http` to another machine was allowed.
pub const INSECURE: Code = Code::new("DM0562", "an Iceberg catalog is spoken to without encryption");
/// A key that is no setting of a catalog.
pub const UNKNOWN_SETTING: Code = Code::new("DM0563", "the Iceberg catalog has no such setting");

/// Every code of this provider, for the documentation.
pub const ALL: &[Code] = &[
    SETTINGS,
    COLUMN,
    IDENTIFIER,
    PARTITION,
    SORT,
    PROPERTY,
    LOCATION,
    FORMAT_VERSION,
    COLUMN_CHANGE,
    LAYOUT_CHANGE,
    LOCATION_CHANGE,
    NAME,
    INSECURE,
    UNKNOWN_SETTING,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_within_their_range_and_used_once() {
        let ids: std::collections::BTreeSet<&str> = ALL.iter().map(|code| code.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ids.iter().all(|id| (*id >= "DM0550") && (*id <= "DM0569")));
    }
}
