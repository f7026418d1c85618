//! Codes of what can be wrong with files, YAML, and the shape of manifests.

use datamesh_provider::Code;

// Files.
pub const UNREADABLE: Code = Code::new("DM0001", "a manifest file cannot be read");
pub const NOT_UTF8: Code = Code::new("DM0002", "a manifest is not UTF-8 text");
pub const FILE_TOO_LARGE: Code = Code::new("DM0003", "a manifest file is too large");
pub const TOO_MUCH: Code = Code::new("DM0004", "the manifests together are over a limit");
pub const SYMLINK: Code = Code::new("DM0005", "a manifest is a symbolic link");
pub const NOTHING_OF_OURS: Code = Code::new("DM0006", "a *.datamesh.yaml file holds no manifest");
pub const BAD_FILE_NAME: Code = Code::new("DM0007", "a file name is not UTF-8");
pub const NOT_A_FILE: Code = Code::new("DM0008", "a manifest path is not a regular file");
pub const GIT: Code = Code::new("DM0009", "the git repository cannot be read");

// YAML.
pub const YAML_SYNTAX: Code = Code::new("DM0010", "the YAML is malformed");
pub const DUPLICATE_KEY: Code = Code::new("DM0011", "a key stands twice in one map");
pub const TOO_DEEP: Code = Code::new("DM0012", "the YAML is nested too deeply");
pub const SCALAR_TOO_LONG: Code = Code::new("DM0013", "a value is too long");
pub const ALIASES: Code = Code::new("DM0014", "aliases cannot be followed");
pub const MERGE_KEY: Code = Code::new("DM0015", "merge keys are not supported");
pub const TAG: Code = Code::new("DM0016", "custom tags are not supported");
pub const KEY_NOT_TEXT: Code = Code::new("DM0017", "a key is not text");
pub const NUL: Code = Code::new("DM0018", "a manifest holds a NUL byte");

// Which documents are ours.
pub const UNKNOWN_GROUP: Code = Code::new("DM0100", "the apiVersion is almost one of datamesh's");
pub const UNKNOWN_KIND: Code = Code::new("DM0101", "the kind is unknown");
pub const FOREIGN_GROUP: Code = Code::new("DM0102", "a kind of datamesh without its apiVersion");
pub const UNKNOWN_VERSION: Code = Code::new("DM0103", "the version in apiVersion is unknown");
pub const WRONG_GROUP: Code = Code::new("DM0104", "the kind belongs to another apiVersion");
pub const NO_KIND: Code = Code::new("DM0105", "a document has no kind");

// Shape.
pub const UNKNOWN_KEY: Code = Code::new("DM0110", "a key is unknown");
pub const WRONG_TYPE: Code = Code::new("DM0111", "a value has the wrong type");
pub const MISSING_KEY: Code = Code::new("DM0112", "a key is missing");
pub const UNKNOWN_VALUE: Code = Code::new("DM0113", "a value is not one of those allowed");
pub const OUT_OF_RANGE: Code = Code::new("DM0114", "a number is out of range");
pub const MORE_ERRORS: Code = Code::new("DM0116", "a document has more errors than are listed");
pub const DOES_NOT_FIT: Code = Code::new("DM0115", "a document does not fit its kind");

// Limits of one product, and the Mesh document.
pub const TOO_MANY_FIELDS: Code = Code::new("DM0120", "a product has too many fields");
pub const FIELDS_TOO_DEEP: Code = Code::new("DM0121", "the fields of a product are nested too deeply");
pub const TOO_MANY_PARTITIONS: Code = Code::new("DM0122", "a topic has too many partitions");
pub const SECOND_MESH: Code = Code::new("DM0130", "there is more than one Mesh document");
pub const MESH_ELSEWHERE: Code = Code::new("DM0131", "the Mesh document is not at the root");
pub const BAD_LIMIT: Code = Code::new("DM0132", "a limit cannot be set to this");
pub const NO_MESH: Code = Code::new("DM0134", "there is no Mesh document");
pub const BAD_API_GROUP: Code = Code::new("DM0133", "the api_group cannot be used");
