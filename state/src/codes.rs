//! The codes of the state.

use datamesh_provider::Code;

pub const LOCKED: Code = Code::new("DM0401", "the state is locked by another run");
pub const FENCED: Code = Code::new("DM0402", "another run changed the state");
pub const CORRUPT: Code = Code::new("DM0403", "the state cannot be read");
pub const UNSUPPORTED: Code = Code::new("DM0404", "the state has a format this version does not know");
pub const FOREIGN: Code = Code::new("DM0405", "the state belongs to another repository");
pub const UNKNOWN: Code = Code::new("DM0406", "nobody knows whether the state was written");
pub const IO: Code = Code::new("DM0407", "the state's storage failed");
pub const INVALID: Code = Code::new("DM0408", "a change would break the state");
pub const NAME: Code = Code::new("DM0409", "a name cannot be used in the state");
pub const CANCELLED: Code = Code::new("DM0410", "the wait for the lock was interrupted");
pub const NOT_LOCKED: Code = Code::new("DM0411", "no lock has this id");
pub const LIVING: Code = Code::new("DM0412", "a living process holds the lock");
pub const UNFIT: Code = Code::new("DM0413", "the storage does not keep conditions");
pub const PLAINTEXT: Code = Code::new("DM0414", "what has to be encrypted is not");
pub const NO_KEY: Code = Code::new("DM0415", "the key of something encrypted is not configured");
pub const SEALED: Code = Code::new("DM0416", "something encrypted cannot be decrypted");
pub const UNPROVEN: Code = Code::new("DM0417", "nobody vouches for who runs this");
