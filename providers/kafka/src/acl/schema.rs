//! What a binding is made of, and what can be told about a declaration without a broker.

use super::binding::{Binding, Pattern};
use crate::codes::BAD_ACL;
use datamesh_provider::{AttributeSchema, Diagnostic, Diagnostics, Schema, SpanMap};

const fn attribute(name: &'static str, doc: &'static str) -> AttributeSchema {
    AttributeSchema { name, required: true, computed: false, immutable: true, doc }
}

pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    attributes: &[
        attribute("resource", "What it is about: `topic`, `group` or `transactional_id`."),
        attribute("name", "The name of that, or how it begins."),
        attribute("pattern", "`literal` or `prefixed`."),
        attribute("principal", "Who: `User:orders`."),
        attribute("host", "From where; `*` for everywhere."),
        attribute("operation", "What: `read`, `write`, `describe`."),
        attribute("permission", "`allow` or `deny`."),
    ],
    data_bearing: false,
    rank: 40,
    step_ranks: &[],
    batch: 250,
    late: &[],
};

/// What every broker would refuse, or would take and never apply.
pub(super) fn validate(binding: &Binding, at: &SpanMap) -> Diagnostics {
    let mut found = Diagnostics::default();
    let mut wrong = |attribute: &str, detail: String, help: &str| {
        found.push(Diagnostic::error(BAD_ACL, detail).at(at.at(&[attribute]), "here").help(help));
    };
    let principal = &binding.principal;
    if principal.split_once(':').is_none_or(|(kind, name)| kind.is_empty() || name.is_empty()) {
        let detail = format!("`{principal}` is no principal: brokers know them by a type and a name.");
        wrong(
            "principal",
            detail,
            "write `User:<name>`, or give it an alias under the environment's `principals`",
        );
    }
    if binding.name.is_empty() || (binding.name == "*" && binding.pattern == Pattern::Prefixed) {
        let detail = format!("`{}` cannot be the name in an access control binding.", binding.name);
        wrong("name", detail, "give the name of the group, or how the names of the groups begin");
    }
    if binding.host != "*" && binding.host.parse::<std::net::IpAddr>().is_err() {
        let detail = format!("`{}` is no address: brokers compare addresses, not names.", binding.host);
        wrong("host", detail, "write an IP address, or leave `host` out for all of them");
    }
    found
}
