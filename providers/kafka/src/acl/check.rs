//! Who would be locked out.
//!
//! Where brokers let everybody in who finds no binding on a resource (`allow.everyone.if.no.acl.found`), the first
//! binding on a topic, or on a consumer group, takes that from all but the one it names.

use super::binding::{AclOperation, Binding, Permission, ResourceKind};
use super::read::{self, Bindings, Listed};
use crate::client::Cluster;
use crate::codes::LOCKOUT;
use datamesh_provider::{Context, Diagnostic, OpAction, OpDiagnostics, Operation, Sink};
use std::collections::{BTreeMap, BTreeSet};

const SETTING: &str = "allow.everyone.if.no.acl.found";

/// Tells of the first bindings on topics that are there already, and on groups that have members.
pub(crate) async fn check(cluster: &Cluster, cx: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>) {
    let new: Vec<(&Operation, Binding)> = ops.iter().filter_map(|op| Some((op, created(op)?))).collect();
    // A topic that is made by the same plan has nobody yet.
    let fresh: BTreeSet<&str> = ops
        .iter()
        .filter(|op| op.ty.as_str() == "kafka_topic" && op.action == OpAction::Create)
        .map(|op| op.object.as_str())
        .collect();
    let groups = groups_in_use(cluster, cx, &new).await;
    let mut first: First<'_> = BTreeMap::new();
    for (op, binding) in &new {
        match binding.resource {
            ResourceKind::Topic if !fresh.contains(binding.name.as_str()) => {
                first.entry((ResourceKind::Topic, &binding.name)).or_default().push((*op, binding));
            }
            ResourceKind::Group => {
                for group in groups.iter().filter(|group| binding.covers(ResourceKind::Group, group)) {
                    first.entry((ResourceKind::Group, group)).or_default().push((*op, binding));
                }
            }
            _ => {}
        }
    }
    if first.is_empty() {
        return;
    }
    let Ok(Listed::Bindings(live)) = read::all(cluster, cx).await else { return };
    first.retain(|resource, bindings| is_closed_by(*resource, bindings, &live));
    if first.is_empty() {
        return;
    }
    let open = match everybody_may(cluster, cx).await {
        Some(false) => return,
        Some(true) => "is true there",
        None => "cannot be read there, and may be true",
    };
    for ((kind, name), bindings) in first {
        let Some((op, _)) = bindings.first() else { continue };
        let diagnostics = finding(kind, name, &bindings, open).into();
        out.put(OpDiagnostics { id: op.id.clone(), about: Vec::new(), diagnostics });
    }
}

/// The first bindings on each thing that is there already.
type First<'a> = BTreeMap<(ResourceKind, &'a str), Vec<(&'a Operation, &'a Binding)>>;

/// Groups that have members, where bindings on groups are to be made. Where they cannot be listed, nothing is known.
async fn groups_in_use(cluster: &Cluster, cx: &Context, new: &[(&Operation, Binding)]) -> Vec<String> {
    if !new.iter().any(|(_, binding)| binding.resource == ResourceKind::Group) {
        return Vec::new();
    }
    let list = |left| cluster.ask(cx, cluster.handle().active_groups(left));
    cluster.again(cx, list).await.map(|groups| groups.active).unwrap_or_default()
}

fn finding(kind: ResourceKind, name: &str, bindings: &[(&Operation, &Binding)], open: &str) -> Diagnostic {
    let who: BTreeSet<&str> = bindings.iter().map(|(_, binding)| binding.principal.as_str()).collect();
    let who = Vec::from_iter(who).join(", ");
    let what = if kind == ResourceKind::Group { "consumer group" } else { "topic" };
    let detail = format!(
        "The {what} {name} has no access control binding yet, and `{SETTING}` {open}: today everybody may use it. The \
         first binding takes that from all but {who}."
    );
    let help = format!(
        "declare everybody who uses {name} first and say `--allow-lockout`, or add `principal: \"User:*\"` to let \
         everybody in as before"
    );
    Diagnostic::error(LOCKOUT, detail).help(help)
}

fn created(op: &Operation) -> Option<Binding> {
    if op.ty.as_str() != "kafka_acl" || op.action != OpAction::Create {
        return None;
    }
    op.planned.as_ref()?.decode().ok()
}

/// Whether these are the first bindings on something, and leave somebody out.
fn is_closed_by((kind, name): (ResourceKind, &str), new: &[(&Operation, &Binding)], live: &Bindings) -> bool {
    let covered = live.values().any(|binding| binding.covers(kind, name));
    let everybody = new.iter().any(|(_, binding)| {
        binding.principal == "User:*"
            && binding.permission == Permission::Allow
            && matches!(binding.operation, AclOperation::All | AclOperation::Read)
    });
    !covered && !everybody
}

/// Whether who finds no binding is let in; `None` where that cannot be read.
async fn everybody_may(cluster: &Cluster, cx: &Context) -> Option<bool> {
    // A setting that nobody made is false.
    Some(read::setting(cluster, cx, SETTING).await?.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::binding::Pattern;
    use datamesh_provider::{Address, ObjectId, OperationId, SystemName, TypeName};

    fn op() -> Operation {
        Operation {
            id: OperationId("x".into()),
            address: Address::of_product("d", "p", 1, TypeName::new("kafka_acl"), "x").expect("an address"),
            ty: TypeName::new("kafka_acl"),
            system: SystemName::new("kafka", "default"),
            object: ObjectId::new("x"),
            action: OpAction::Create,
            step: "create".into(),
            prior: None,
            live: None,
            planned: None,
            incarnation: None,
            owner: String::new(),
        }
    }

    #[test]
    fn the_first_binding_closes_a_topic_unless_everybody_is_let_in() {
        let op = op();
        let of = |principal: &str| Binding {
            name: "t".into(),
            principal: principal.into(),
            operation: AclOperation::Read,
            ..Binding::default()
        };
        let (one, all) = (of("User:a"), of("User:*"));
        let live =
            |bindings: &[Binding]| bindings.iter().map(|b| (b.canonical(), b.clone())).collect::<Bindings>();
        assert!(is_closed_by((ResourceKind::Topic, "t"), &[(&op, &one)], &live(&[])));
        assert!(!is_closed_by((ResourceKind::Topic, "t"), &[(&op, &one), (&op, &all)], &live(&[])));
        assert!(!is_closed_by((ResourceKind::Topic, "t"), &[(&op, &one)], &live(&[of("User:b")])));
        let prefix = Binding { name: "".into(), pattern: Pattern::Prefixed, ..of("User:b") };
        assert!(!is_closed_by((ResourceKind::Topic, "t"), &[(&op, &one)], &live(&[prefix])));
        let other = Binding { name: "u".into(), ..of("User:b") };
        assert!(is_closed_by((ResourceKind::Topic, "t"), &[(&op, &one)], &live(&[other])));
        let group = Binding { resource: ResourceKind::Group, pattern: Pattern::Prefixed, ..of("User:b") };
        assert!(is_closed_by(
            (ResourceKind::Group, "t-1"),
            &[(&op, &one)],
            &live(std::slice::from_ref(&one))
        ));
        assert!(!is_closed_by((ResourceKind::Group, "t-1"), &[(&op, &one)], &live(&[group])));
    }
}
