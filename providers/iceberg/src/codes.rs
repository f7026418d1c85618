//! Diagnostic codes of this provider: DM0550 to DM0569.

use datamesh_provider::Code;

pub(crate) const SETTINGS: Code = Code::new("DM0550", "settings of an Iceberg catalog are not valid");
pub(crate) const COLUMN: Code = Code::new("DM0551", "a column cannot be declared like this");
pub(crate) const IDENTIFIER: Code = Code::new("DM0552", "a column cannot be part of the primary key");
pub(crate) const PARTITION: Code = Code::new("DM0553", "the partitioning does not fit the columns");
pub(crate) const SORT: Code = Code::new("DM0554", "the sort order does not fit the columns");
pub(crate) const PROPERTY: Code = Code::new("DM0555", "a property cannot be declared");
pub(crate) const LOCATION: Code = Code::new("DM0556", "a table cannot lie at this location");
pub(crate) const FORMAT_VERSION: Code = Code::new("DM0557", "a format version is not supported");
pub(crate) const COLUMN_CHANGE: Code = Code::new("DM0558", "a column cannot be changed like this");
pub(crate) const LAYOUT_CHANGE: Code =
    Code::new("DM0559", "the layout of a table cannot be changed like this");
pub(crate) const LOCATION_CHANGE: Code = Code::new("DM0560", "a table cannot be moved");
pub(crate) const NAME: Code = Code::new("DM0561", "a name cannot be used in this catalog");
