//! A binding is there or not: who gains what, and who loses what.

use super::binding::{Binding, Permission};
use datamesh_provider::{AttributeChange, ChangeSpec, Planned, View};
use serde_json::Value;

pub(super) const STEP_CREATE: &str = "create";
pub(super) const STEP_DELETE: &str = "delete";

pub(super) fn diff(view: View<'_, Binding>) -> ChangeSpec {
    match view {
        View::Create { desired } | View::Gone { desired: Some(desired), .. } => {
            let changes = attributes(desired);
            let verb = if desired.permission == Permission::Allow { "gains" } else { "is denied" };
            told(ChangeSpec::in_place(changes, &[STEP_CREATE]), desired, verb)
        }
        View::Remove { live, .. } => {
            let verb = if live.permission == Permission::Allow { "loses" } else { "is no longer denied" };
            told(ChangeSpec::in_place(Vec::new(), &[STEP_DELETE]), live, verb)
        }
        // All of a binding is its name: one of the same name is the same.
        View::Gone { desired: None, .. } | View::Adopt { .. } | View::Update { .. } => ChangeSpec::no_op(),
    }
}

fn told(mut spec: ChangeSpec, binding: &Binding, verb: &str) -> ChangeSpec {
    spec.notes.push(format!("{} {verb} {binding}", binding.principal));
    spec
}

fn attributes(binding: &Binding) -> Vec<AttributeChange> {
    let Ok(Value::Object(map)) = serde_json::to_value(binding) else { return Vec::new() };
    map.into_iter().map(|(name, value)| AttributeChange::new(&[&name], None, Planned::Value(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::binding::{AclOperation, Pattern, ResourceKind};

    #[test]
    fn who_gains_and_who_loses_is_told() {
        let binding = Binding {
            resource: ResourceKind::Group,
            name: "billing".into(),
            pattern: Pattern::Prefixed,
            principal: "User:billing".into(),
            operation: AclOperation::Read,
            ..Binding::default()
        };
        let made = diff(View::Create { desired: &binding });
        assert_eq!(made.notes, ["User:billing gains READ on every group that begins with billing"]);
        assert_eq!((made.changes.len(), made.steps), (7, vec!["create".to_owned()]));
        let gone = diff(View::Remove { prior: &binding, live: &binding });
        assert_eq!(gone.notes, ["User:billing loses READ on every group that begins with billing"]);
        assert!(diff(View::Update { prior: &binding, live: &binding, desired: &binding }).is_no_op());
        assert!(diff(View::Adopt { live: &binding, desired: &binding }).is_no_op());
    }
}
