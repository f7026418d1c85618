//! What the command line itself can find wrong.

use datamesh_provider::Code;

pub const WHICH_ENVIRONMENT: Code = Code::new("DM0701", "which environment?");
pub const BAD_SELECTOR: Code = Code::new("DM0702", "not a selector");
pub const FILE: Code = Code::new("DM0703", "a file cannot be used");
pub const EXISTS: Code = Code::new("DM0704", "exists already");
pub const BAD_NAME: Code = Code::new("DM0705", "not a name");
pub const UNKNOWN_PRODUCT: Code = Code::new("DM0706", "no such product");
pub const NO_APPROVAL: Code = Code::new("DM0707", "nobody approved");
pub const NOT_A_PLAN: Code = Code::new("DM0708", "not a plan file");
pub const NOT_IN_STATE: Code = Code::new("DM0709", "not in the state");
pub const DESTROY_WHAT: Code = Code::new("DM0710", "destroy what?");
pub const STALE: Code = Code::new("DM0713", "stale plan");
pub const ENGINE: Code = Code::new("DM0711", "the run could not go on");
pub const NOT_EDITED: Code = Code::new("DM0714", "the state was not edited");
pub const NOT_PUBLISHED: Code = Code::new("DM0715", "no such published plan");
pub const NOT_THERE: Code = Code::new("DM0716", "not in its system");
pub const NOTHING_SELECTED: Code = Code::new("DM0712", "nothing is selected");
