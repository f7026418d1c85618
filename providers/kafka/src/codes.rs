//! The findings of this provider.

use datamesh_provider::Code;

/// Settings of a cluster in the Mesh document that cannot work.
pub const BAD_SETTING: Code = Code::new("DM0510", "this setting of the Kafka cluster does not work");
/// A key that is no setting of a cluster, or no property of the client library.
pub const UNKNOWN_SETTING: Code = Code::new("DM0511", "the Kafka cluster has no such setting");
/// A client property that manifests may not set.
pub const REFUSED_PROPERTY: Code = Code::new("DM0512", "this Kafka client property may not be set");
/// A check of certificates is switched off.
pub const INSECURE: Code = Code::new("DM0513", "the Kafka cluster's certificates are not checked");
/// A declared attribute of a topic that no broker would take.
pub const BAD_TOPIC: Code = Code::new("DM0514", "this topic cannot be declared like that");
/// A topic config key that looks like a misspelled one.
pub const UNKNOWN_CONFIG: Code = Code::new("DM0515", "Kafka knows no such topic config");
/// Partitions cannot be taken away from a topic.
pub const SHRINK: Code = Code::new("DM0516", "a topic cannot have fewer partitions");
/// The replication factor needs a reassignment, which this version does not run.
pub const REPLICATION: Code = Code::new("DM0517", "the replication factor cannot be changed here");
/// The broker was asked in advance, and refused.
pub const WOULD_REFUSE: Code = Code::new("DM0518", "the broker would refuse this");
/// The broker could not be asked in advance.
pub const NOT_VALIDATED: Code = Code::new("DM0519", "the broker was not asked whether it would take this");
/// An access control binding that no broker would take, or would never apply.
pub const BAD_ACL: Code = Code::new("DM0520", "this access control binding cannot be declared like that");
/// The cluster has no authorizer.
pub const SECURITY_DISABLED: Code = Code::new("DM0521", "the Kafka cluster enforces no access control");
/// The first binding on a topic that everybody may use today.
pub const LOCKOUT: Code = Code::new("DM0522", "this takes access away from everybody else");
/// A topic that is to be deleted is written to or read.
pub const IN_USE: Code = Code::new("DM0523", "this topic is in use");
/// A topic that is to be deleted holds records nobody has added to for a while.
pub const HOLDS_RECORDS: Code = Code::new("DM0524", "this topic holds records");
