//! What the program itself can find while it plans and applies.

use datamesh_provider::Code;

pub const STATE: Code = Code::new("DM0720", "the state cannot be used");
pub const MIXED: Code = Code::new("DM0721", "attributes recorded in the state do not decode");
pub const RECORDED_UNREAD: Code = Code::new("DM0722", "a recorded manifest cannot be read");
pub const UNSETTLED: Code = Code::new("DM0723", "an interrupted operation needs a decision");
pub const NOT_CHECKED: Code = Code::new("DM0724", "not checked by its system");
pub const NO_MATCH: Code = Code::new("DM0725", "a selector matches nothing");
pub const RESTLESS: Code = Code::new("DM0727", "the state changes while it is read");
pub const BACKEND: Code = Code::new("DM0726", "the state cannot be kept there");
