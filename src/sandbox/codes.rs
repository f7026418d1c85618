//! What can go wrong with the sandbox. Codes are never reused.

use datamesh_provider::Code;

pub const UNKNOWN_SERVER: Code = Code::new("DM0740", "The sandbox has no such server");
pub const PORTS: Code = Code::new("DM0741", "These ports cannot be used");
pub const PORT_TAKEN: Code = Code::new("DM0742", "A port of the sandbox is taken");
pub const TOOL_MISSING: Code = Code::new("DM0743", "A tool the sandbox needs is missing");
pub const UNSUPPORTED: Code = Code::new("DM0744", "Not available on this platform");
pub const FETCH: Code = Code::new("DM0745", "A server could not be fetched");
pub const TAMPERED: Code = Code::new("DM0746", "A fetched file is not the one that was pinned");
pub const NOT_PRIVATE: Code = Code::new("DM0747", "A folder is open to others");
pub const SERVER_FAILED: Code = Code::new("DM0748", "A server of the sandbox did not start");
pub const NOT_STOPPED: Code = Code::new("DM0749", "A server of the sandbox does not stop");
pub const FILES: Code = Code::new("DM0750", "A file of the sandbox cannot be used");
