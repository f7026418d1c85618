//! Access control bindings in the words of Kafka's documentation ("Authorization and ACLs").

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a binding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResourceKind {
    Topic,
    Group,
    TransactionalId,
}

/// How a binding's name is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pattern {
    /// The very name; `*` stands for all.
    Literal,
    /// Every name that begins like this.
    Prefixed,
}

/// What may be done, or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AclOperation {
    All,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    DescribeConfigs,
    AlterConfigs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Permission {
    Allow,
    Deny,
}

/// One line of an access control list. All of it is its identity: none of it can be changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Binding {
    pub(crate) resource: ResourceKind,
    pub(crate) name: String,
    pub(crate) pattern: Pattern,
    /// `User:orders`.
    pub(crate) principal: String,
    /// An address, or `*`.
    pub(crate) host: String,
    pub(crate) operation: AclOperation,
    pub(crate) permission: Permission,
}

/// What nobody declares: everybody who has a name, from everywhere.
impl Default for Binding {
    fn default() -> Self {
        Self {
            resource: ResourceKind::Topic,
            name: String::new(),
            pattern: Pattern::Literal,
            principal: String::new(),
            host: "*".to_owned(),
            operation: AclOperation::Describe,
            permission: Permission::Allow,
        }
    }
}

impl ResourceKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Group => "group",
            Self::TransactionalId => "transactional-id",
        }
    }
}

impl AclOperation {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Alter => "alter",
            Self::Describe => "describe",
            Self::DescribeConfigs => "describe-configs",
            Self::AlterConfigs => "alter-configs",
        }
    }
}

impl Binding {
    /// Its one name, in addresses and in the state: `read@topic=orders.facts.v1@User:orders`. A prefix is
    /// `group-prefix=…`, a host is added where it is not all of them, and a denial begins with `deny-`.
    pub fn canonical(&self) -> String {
        let deny = if self.permission == Permission::Deny { "deny-" } else { "" };
        let prefix = if self.pattern == Pattern::Prefixed { "-prefix" } else { "" };
        let (operation, kind) = (self.operation.word(), self.resource.word());
        let (name, principal) = (encoded(&self.name), encoded(&self.principal));
        let host = if self.host == "*" { String::new() } else { format!("@{}", encoded(&self.host)) };
        format!("{deny}{operation}@{kind}{prefix}={name}@{principal}{host}")
    }

    /// Whether it says something about a resource of this name.
    pub(crate) fn covers(&self, resource: ResourceKind, name: &str) -> bool {
        let named = match self.pattern {
            Pattern::Literal => self.name == "*" || self.name == name,
            Pattern::Prefixed => name.starts_with(&self.name),
        };
        self.resource == resource && named
    }
}

/// `User:orders may READ the topic orders.facts.v1`, without a verb.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.word().to_ascii_uppercase().replace('-', "_");
        let kind = self.resource.word().replace('-', " ");
        match self.pattern {
            Pattern::Literal => write!(f, "{operation} on the {kind} {}", self.name)?,
            Pattern::Prefixed => write!(f, "{operation} on every {kind} that begins with {}", self.name)?,
        }
        if self.host != "*" {
            write!(f, " from {}", self.host)?;
        }
        Ok(())
    }
}

/// Separators, and what an address may not hold, as `%` and two digits.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'=' | b',' | b'/');
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(name: &str) -> Binding {
        Binding {
            resource: ResourceKind::Topic,
            name: name.into(),
            pattern: Pattern::Literal,
            principal: "User:orders".into(),
            host: "*".into(),
            operation: AclOperation::Read,
            permission: Permission::Allow,
        }
    }

    #[test]
    fn a_binding_has_one_name() {
        let plain = read_of("orders.facts.v1");
        assert_eq!(plain.canonical(), "read@topic=orders.facts.v1@User:orders");
        let other = Binding {
            resource: ResourceKind::TransactionalId,
            name: "a@b*".into(),
            pattern: Pattern::Prefixed,
            principal: "User:CN=Ä b".into(),
            host: "::1".into(),
            operation: AclOperation::DescribeConfigs,
            permission: Permission::Deny,
        };
        assert_eq!(
            other.canonical(),
            "deny-describe-configs@transactional-id-prefix=a%40b%2A@User:CN=%C3%84%20b@::1"
        );
        // Two different ones never share a name, however their parts are cut.
        let tricky = Binding { name: "a@User:x".into(), principal: "User:y".into(), ..plain.clone() };
        let turned = Binding { name: "a".into(), principal: "User:x".into(), host: "User:y".into(), ..plain };
        assert_ne!(tricky.canonical(), turned.canonical());
    }

    #[test]
    fn names_prefixes_and_the_star_cover() {
        let literal = read_of("orders");
        assert!(
            literal.covers(ResourceKind::Topic, "orders") && !literal.covers(ResourceKind::Group, "orders")
        );
        assert!(!literal.covers(ResourceKind::Topic, "orders.facts"));
        assert!(read_of("*").covers(ResourceKind::Topic, "anything"));
        let prefix = Binding { pattern: Pattern::Prefixed, ..read_of("orders") };
        assert!(
            prefix.covers(ResourceKind::Topic, "orders.facts")
                && !prefix.covers(ResourceKind::Topic, "order")
        );
    }
}
