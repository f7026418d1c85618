//! The state as its callers see it: the format on disk, the protocol over good and bad stores, races, recovery.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod across;
mod audit;
mod codec;
mod documents;
mod edit;
mod executor;
mod format;
mod journal;
mod lease;
mod local;
mod moves;
mod protocol;
mod reseal;
mod s3_answers;
mod shards;
mod stores;
mod support;
