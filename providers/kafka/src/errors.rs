//! What an error of librdkafka or of a broker means for a call.

use crate::sys::Coded;
use datamesh_provider::ErrorKind;

/// Numbers of Kafka's protocol ("Error Codes") and, below zero, of librdkafka.
pub(crate) mod code {
    pub(crate) const UNKNOWN_SERVER_ERROR: i32 = -1;
    pub(crate) const UNKNOWN_TOPIC: i32 = 3;
    pub(crate) const REQUEST_TIMED_OUT: i32 = 7;
    pub(crate) const NETWORK_EXCEPTION: i32 = 13;
    pub(crate) const TOPIC_FORBIDDEN: i32 = 29;
    pub(crate) const GROUP_FORBIDDEN: i32 = 30;
    pub(crate) const CLUSTER_FORBIDDEN: i32 = 31;
    pub(crate) const UNSUPPORTED_SASL_MECHANISM: i32 = 33;
    pub(crate) const UNSUPPORTED_VERSION: i32 = 35;
    pub(crate) const TOPIC_EXISTS: i32 = 36;
    pub(crate) const INVALID_PARTITIONS: i32 = 37;
    pub(crate) const INVALID_REPLICATION_FACTOR: i32 = 38;
    pub(crate) const NOT_CONTROLLER: i32 = 41;
    pub(crate) const POLICY_VIOLATION: i32 = 44;
    pub(crate) const SECURITY_DISABLED: i32 = 54;
    pub(crate) const SASL_FAILED: i32 = 58;
    pub(crate) const TOPIC_DELETION_DISABLED: i32 = 73;
    pub(crate) const THROTTLED: i32 = 89;

    pub(crate) const UNSUPPORTED_FEATURE: i32 = -165;
    pub(crate) const TIMED_OUT_IN_QUEUE: i32 = -166;
    pub(crate) const AUTHENTICATION: i32 = -169;
    pub(crate) const SSL: i32 = -181;
    pub(crate) const TIMED_OUT: i32 = -185;
    pub(crate) const INVALID_ARGUMENT: i32 = -186;
    pub(crate) const ALL_BROKERS_DOWN: i32 = -187;
    pub(crate) const RESOLVE: i32 = -193;
    pub(crate) const TRANSPORT: i32 = -195;
    pub(crate) const FAIL: i32 = -196;
    pub(crate) const DESTROYED: i32 = -197;
}

/// For whatever goes wrong with certificates.
pub(crate) const TLS_HINT: &str = "check `tls: { ca_file, cert_file, key_file }`, that the broker's certificate is for \
    the host that `bootstrap_servers` names, and that a TLS listener is there";

impl Coded {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self.code {
            code::TOPIC_FORBIDDEN | code::GROUP_FORBIDDEN | code::CLUSTER_FORBIDDEN => ErrorKind::Forbidden,
            code::AUTHENTICATION | code::SASL_FAILED | code::UNSUPPORTED_SASL_MECHANISM => {
                ErrorKind::Unauthenticated
            }
            code::NOT_CONTROLLER | code::THROTTLED => ErrorKind::Throttled,
            code::SSL => ErrorKind::Config,
            code::UNSUPPORTED_VERSION | code::UNSUPPORTED_FEATURE | code::UNKNOWN_SERVER_ERROR => {
                ErrorKind::Protocol
            }
            code::REQUEST_TIMED_OUT
            | code::NETWORK_EXCEPTION
            | code::TIMED_OUT
            | code::TIMED_OUT_IN_QUEUE
            | code::ALL_BROKERS_DOWN
            | code::RESOLVE
            | code::TRANSPORT
            | code::FAIL
            | code::DESTROYED => ErrorKind::Unreachable,
            _ => ErrorKind::Invalid,
        }
    }

    /// Whether the request may have had its effect all the same. Everything of librdkafka's own is such, except for
    /// what it refused to send; of the broker's answers, those that say the work may go on.
    pub(crate) fn leaves_doubt(&self) -> bool {
        match self.code {
            code::INVALID_ARGUMENT | code::UNSUPPORTED_FEATURE => false,
            code::REQUEST_TIMED_OUT | code::NETWORK_EXCEPTION => true,
            other => other < 0,
        }
    }

    /// Whether the broker refused for want of a permission.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.kind() == ErrorKind::Forbidden
    }

    /// What to try.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        Some(match self.code {
            code::TOPIC_FORBIDDEN | code::CLUSTER_FORBIDDEN => {
                "let the principal that the cluster's `properties` log in do this, by an ACL or a role"
            }
            code::AUTHENTICATION | code::SASL_FAILED | code::UNSUPPORTED_SASL_MECHANISM => {
                "check the mechanism and the credentials, `sasl.*`, in the cluster's `properties`"
            }
            code::SSL => TLS_HINT,
            code::INVALID_REPLICATION_FACTOR => {
                "the cluster has fewer brokers than that: declare a smaller `replication_factor`"
            }
            code::POLICY_VIOLATION => {
                "the cluster has a rule of its own against this: see the broker's words"
            }
            code::TOPIC_DELETION_DISABLED => "the brokers run with `delete.topic.enable=false`",
            code::THROTTLED => "the cluster limits how many topics may change at a time: apply again",
            code::REQUEST_TIMED_OUT => "the cluster is busy or has lost its controller: look at its brokers",
            _ if self.kind() == ErrorKind::Unreachable => {
                "check `bootstrap_servers` and `security.protocol`, and that the brokers run and can be reached from here"
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(code: i32) -> Coded {
        Coded { code, name: String::new(), message: String::new() }
    }

    #[test]
    fn only_a_broker_that_says_no_leaves_no_doubt() {
        for certain in [code::TOPIC_EXISTS, code::TOPIC_FORBIDDEN, code::INVALID_ARGUMENT, 44, 250] {
            assert!(!coded(certain).leaves_doubt(), "{certain}");
        }
        for doubtful in [code::TIMED_OUT, code::TRANSPORT, code::REQUEST_TIMED_OUT, -1, -4242] {
            assert!(coded(doubtful).leaves_doubt(), "{doubtful}");
        }
    }

    #[test]
    fn kinds_and_hints() {
        assert_eq!(coded(code::TRANSPORT).kind(), ErrorKind::Unreachable);
        assert_eq!(coded(code::SASL_FAILED).kind(), ErrorKind::Unauthenticated);
        assert_eq!(coded(code::CLUSTER_FORBIDDEN).kind(), ErrorKind::Forbidden);
        assert_eq!(coded(9999).kind(), ErrorKind::Invalid);
        assert!(coded(code::TRANSPORT).hint().is_some_and(|hint| hint.contains("bootstrap_servers")));
    }
}
