//! The findings of this provider.

use datamesh_provider::Code;

/// A setting of a registry in the Mesh document that cannot work.
pub const BAD_SETTING: Code = Code::new("DM0530", "this setting of the schema registry does not work");
/// A key that is no setting of a registry.
pub const UNKNOWN_SETTING: Code = Code::new("DM0531", "the schema registry has no such setting");
/// Unencrypted traffic was allowed.
pub const INSECURE: Code = Code::new("DM0532", "the schema registry is spoken to without encryption");
/// A subject that no registry would take as it is declared.
pub const BAD_SUBJECT: Code = Code::new("DM0533", "this subject cannot be declared like that");
/// A schema text that is not valid in its own language.
pub const BAD_SCHEMA: Code = Code::new("DM0534", "this schema is not valid");
/// A subject keeps the language of its schemas.
pub const TYPE_CHANGE: Code = Code::new("DM0535", "a subject cannot change the language of its schemas");
/// The registry judged the new version incompatible.
pub const INCOMPATIBLE: Code = Code::new("DM0536", "the new schema breaks the subject's compatibility level");
/// The text is an older version's: registering it again would change nothing.
pub const REVERT: Code = Code::new("DM0537", "the schema is an older version of its subject");
/// A mode is declared where there are none.
pub const NO_MODES: Code = Code::new("DM0540", "the schema registry has no modes");
/// The subject's mode forbids what is to change.
pub const READ_ONLY: Code = Code::new("DM0541", "the subject takes no changes");
/// The registry could not be asked in advance.
pub const NOT_JUDGED: Code = Code::new("DM0538", "the registry did not judge the new schema in advance");
/// The registry cuts its list of subjects.
pub const LIST_CUT: Code = Code::new("DM0539", "the registry's list of subjects may be incomplete");

/// Every code of this provider, for the documentation.
pub const ALL: &[Code] = &[
    BAD_SETTING,
    UNKNOWN_SETTING,
    INSECURE,
    BAD_SUBJECT,
    BAD_SCHEMA,
    TYPE_CHANGE,
    INCOMPATIBLE,
    REVERT,
    NO_MODES,
    READ_ONLY,
    NOT_JUDGED,
    LIST_CUT,
];
