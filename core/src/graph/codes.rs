//! The codes of contract and resolve: `DM0200` to `DM0299`.

use datamesh_provider::Code;

// Contract.
pub const UNKNOWN_TYPE: Code = Code::new("DM0200", "unknown type");
pub const TYPE_INCOMPLETE: Code = Code::new("DM0201", "the type does not say what it holds");
pub const STRAY_TYPE_KEY: Code = Code::new("DM0202", "this key does not belong to this type");
pub const BAD_TYPE_NUMBERS: Code = Code::new("DM0203", "the numbers of this type are out of range");
pub const BARE_DECIMAL: Code = Code::new("DM0204", "decimal without precision");
pub const DUPLICATE_FIELD: Code = Code::new("DM0205", "two fields have the same name");
pub const BAD_FIELD_NAME: Code = Code::new("DM0206", "this name cannot be used for a field");
pub const BAD_DEFAULT: Code = Code::new("DM0207", "the default does not fit its type");
pub const ENUM_AS_STRING: Code = Code::new("DM0208", "enum kept as a string");
pub const BAD_ENUM_VALUES: Code = Code::new("DM0209", "the values of an enum are wrong");
pub const BAD_PRIMARY_KEY: Code = Code::new("DM0210", "the primary key is wrong");
pub const BAD_PARTITION: Code = Code::new("DM0211", "the partitioning is wrong");
pub const BAD_SORT: Code = Code::new("DM0212", "the sort order is wrong");
pub const CONTRACT_TOO_LARGE: Code = Code::new("DM0213", "the contract is over a limit");
pub const NESTED_NAME_TAKEN: Code = Code::new("DM0214", "two nested types would share a name");
pub const BAD_RECORD_NAME: Code = Code::new("DM0215", "the record name is wrong");
pub const BAD_RETENTION: Code = Code::new("DM0217", "a retention of a policy is wrong");
pub const BAD_RENAME: Code = Code::new("DM0216", "an earlier name is wrong");

// Environments.
pub const UNKNOWN_ENVIRONMENT: Code = Code::new("DM0220", "unknown environment");
pub const SHARED_SYSTEM: Code = Code::new("DM0221", "two environments would claim the same names");
pub const BAD_SETTING: Code = Code::new("DM0222", "a setting of the environment is wrong");
pub const UNKNOWN_SYSTEM: Code = Code::new("DM0223", "the environment has no such system");
pub const BAD_ADDRESS: Code = Code::new("DM0224", "this is not an address that can be used");
pub const UNMAPPED_ADDRESS: Code = Code::new("DM0225", "the environment does not map this address");
pub const OUTSIDE_SYSTEM: Code = Code::new("DM0226", "the address is not within the environment's systems");
pub const PLAIN_SECRET: Code = Code::new("DM0228", "a secret is written out");
pub const NO_CATALOG: Code = Code::new("DM0227", "no data catalog in this environment");

// Domains and products.
pub const UNKNOWN_DOMAIN: Code = Code::new("DM0230", "unknown domain");
pub const DOMAIN_TAKEN: Code = Code::new("DM0231", "two domains have the same name or alias");
pub const WRONG_FOLDER: Code = Code::new("DM0232", "the manifest lies in another domain's folder");
pub const DUPLICATE_PRODUCT: Code = Code::new("DM0233", "one product version is declared twice");
pub const BAD_NAME: Code = Code::new("DM0234", "this name cannot be used");
pub const BAD_VERSION: Code = Code::new("DM0235", "this version cannot be used");
pub const BAD_DATE: Code = Code::new("DM0236", "this is not a date");
pub const BAD_SLO: Code = Code::new("DM0237", "a service level is out of range");
pub const BAD_REFERENCE: Code = Code::new("DM0238", "nothing is declared under this name");
pub const NOT_SUPPORTED: Code = Code::new("DM0239", "not supported by this version");
pub const PII_TYPE_ALONE: Code = Code::new("DM0241", "a field has a PII type and is not PII");
pub const NOT_ENFORCED: Code = Code::new("DM0240", "declared, not enforced by this version");

// Ports and physical names.
pub const DUPLICATE_PORT: Code = Code::new("DM0250", "two ports have the same name");
pub const STRAY_PORT_KEY: Code = Code::new("DM0251", "this key does not belong to this technology");
pub const TWIN_KEYS: Code = Code::new("DM0252", "the same setting is spelled twice");
pub const BAD_DURATION: Code = Code::new("DM0253", "this is not a duration");
pub const BAD_PORT_VALUE: Code = Code::new("DM0254", "a value of this port is wrong");
pub const COMPACT_WITHOUT_KEY: Code = Code::new("DM0255", "a compacted topic needs a key");
pub const NO_FIELDS: Code = Code::new("DM0256", "the contract has no fields");
pub const CLAIMED_TWICE: Code = Code::new("DM0257", "two declarations claim the same object");
pub const BAD_TEMPLATE: Code = Code::new("DM0258", "the topic template is wrong");
pub const BAD_SOURCE: Code = Code::new("DM0259", "this file cannot be the contract");

// References between schemas.
pub const BAD_SCHEMA_REFERENCE: Code = Code::new("DM0265", "this schema cannot be referred to");

// Lineage.
pub const UNKNOWN_SOURCE: Code = Code::new("DM0260", "a lineage source is not declared");

// Decisions.
pub const BAD_MOVE: Code = Code::new("DM0270", "this move is not possible");
pub const BAD_SELECTOR: Code = Code::new("DM0271", "this selects no resource");
pub const STALE_DOCUMENT: Code = Code::new("DM0272", "nothing is left for this document to do");
pub const CONTRADICTION: Code = Code::new("DM0273", "two documents contradict each other");
