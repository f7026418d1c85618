//! What planning can find.

use datamesh_provider::Code;

pub const BAD_ATTRIBUTES: Code = Code::new("DM0301", "attributes do not fit their type");
pub const UNKNOWN_TYPE: Code = Code::new("DM0302", "unknown resource type");
pub const EXISTS_AND_DIFFERS: Code = Code::new("DM0303", "exists already and differs");
pub const FOREIGN_OWNER: Code = Code::new("DM0304", "managed by another mesh");
pub const OWNED_ELSEWHERE: Code = Code::new("DM0305", "owned by another resource");
pub const REPLACED_OUTSIDE: Code = Code::new("DM0306", "replaced outside");
pub const NAME_IS_FIXED: Code = Code::new("DM0307", "physical names are fixed at creation");
pub const UNREADABLE: Code = Code::new("DM0308", "live objects cannot be read");
pub const OTHER_SYSTEM: Code = Code::new("DM0309", "not the system the state was written for");
pub const NO_REPLACE: Code = Code::new("DM0310", "replacing is not supported by this version");
pub const PREVENT_DESTROY: Code = Code::new("DM0311", "protected by prevent_destroy");
pub const STILL_USED: Code = Code::new("DM0312", "still used");
pub const VERSION_VANISHED: Code = Code::new("DM0313", "one version vanished while another appeared");
pub const DATA_LOSS_BRAKED: Code = Code::new("DM0314", "loses data in a protected environment");
pub const NOTHING_MATCHES: Code = Code::new("DM0315", "matches nothing");
pub const BAD_IMPORT: Code = Code::new("DM0316", "nothing to import");
pub const BEING_CHANGED: Code = Code::new("DM0317", "being changed by another run");
pub const INTERRUPTED: Code = Code::new("DM0318", "left over from an interrupted apply");
pub const CYCLE: Code = Code::new("DM0319", "resources depend on each other in a circle");
