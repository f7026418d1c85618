//! The findings of this provider.

use datamesh_provider::Code;

/// A setting of the catalog in the Mesh document that cannot work.
pub const BAD_SETTING: Code = Code::new("DM0570", "this setting of the catalog does not work");
/// A key that is no setting of a catalog.
pub const UNKNOWN_SETTING: Code = Code::new("DM0571", "the catalog has no such setting");
/// A backend that is known, but not built yet.
pub const NO_BACKEND: Code = Code::new("DM0572", "this catalog backend is not supported by this version");
/// An entity without what every entity of its type has.
pub const BAD_ENTITY: Code = Code::new("DM0573", "this catalog entity cannot be declared like that");
/// The pages could not be written; the entities are.
pub const SITE_FAILED: Code = Code::new("DM0574", "the catalog's pages could not be rebuilt");
/// A file of somebody else stands where a page would.
pub const NOT_OUR_PAGE: Code =
    Code::new("DM0575", "a file that is not ours stands where a catalog page would");

/// Every code of this provider, for the documentation.
pub const ALL: &[Code] = &[BAD_SETTING, UNKNOWN_SETTING, NO_BACKEND, BAD_ENTITY, SITE_FAILED, NOT_OUR_PAGE];
