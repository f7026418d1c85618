//! Reading bindings: one list of all of them.

use super::binding::{AclOperation, Binding, Pattern, Permission, ResourceKind};
use crate::client::{Cluster, Failure};
use crate::codes::SECURITY_DISABLED;
use crate::errors::code;
use crate::sys::{Kinds, NewBinding, RawBinding};
use datamesh_provider::{
    Context, Diagnostic, ErrorKind, Event, LiveObject, ObjectId, Packed, ProviderError, ReadRequest,
    ReadResult, Sink,
};
use rdkafka_sys as sys;
use serde_json::Value;
use std::collections::HashMap;
use sys::rd_kafka_AclOperation_t as NativeOperation;
use sys::rd_kafka_AclPermissionType_t as NativePermission;
use sys::rd_kafka_ResourcePatternType_t as NativePattern;
use sys::rd_kafka_ResourceType_t as NativeResource;

/// The broker's setting that says who judges access; empty: nobody does.
const AUTHORIZER: &str = "authorizer.class.name";

/// Every binding of a cluster, by its canonical name.
pub(crate) type Bindings = HashMap<String, Binding>;

/// What a cluster says when it is asked for its bindings.
#[derive(Debug)]
pub(crate) enum Listed {
    Bindings(Bindings),
    /// It has no authorizer: everybody may do everything.
    Disabled,
}

pub(crate) async fn read(cluster: &Cluster, cx: &Context, want: &[&ReadRequest], out: &dyn Sink<ReadResult>) {
    if want.is_empty() {
        return;
    }
    let listed = all(cluster, cx).await;
    if matches!(listed, Ok(Listed::Disabled)) {
        cx.events.event(Event::Diagnostic { diagnostic: disabled(cluster, want.len()) });
    }
    for request in want {
        let result = match &listed {
            Ok(Listed::Bindings(all)) => Ok(all.get(request.id.as_str()).map(object)),
            Ok(Listed::Disabled) => Ok(unenforced(request)),
            Err(failure) => Err(explain(cluster, failure)),
        };
        out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result });
    }
}

/// Where there is no access control, what is declared holds as far as it can: it is recorded, and nothing is made.
fn unenforced(request: &ReadRequest) -> Option<LiveObject> {
    let attributes = request.managed.first()?.clone();
    let computed = [("enforced".to_owned(), Value::Bool(false))].into_iter().collect();
    Some(LiveObject { id: request.id.clone(), incarnation: None, attributes, computed, owner: None })
}

fn disabled(cluster: &Cluster, count: usize) -> Diagnostic {
    let detail = format!(
        "{} has no authorizer: everybody may do everything there. {count} declared access control bindings are \
         recorded, and not enforced.",
        cluster.name()
    );
    let help = "set `authorizer.class.name` on its brokers, or declare no consumers and producers there";
    Diagnostic::warning(SECURITY_DISABLED, detail).help(help)
}

pub(crate) async fn all(cluster: &Cluster, cx: &Context) -> Result<Listed, Failure> {
    let call = |left| cluster.ask(cx, cluster.handle().describe_acls(left));
    match cluster.again(cx, call).await {
        // librdkafka answers with an empty list where the broker refuses to list any for want of an authorizer.
        Ok(raw) if raw.is_empty() && setting(cluster, cx, AUTHORIZER).await == Some(String::new()) => {
            Ok(Listed::Disabled)
        }
        Ok(raw) => Ok(Listed::Bindings(
            raw.into_iter().filter_map(known).map(|binding| (binding.canonical(), binding)).collect(),
        )),
        Err(Failure::Error(error)) if error.code == code::SECURITY_DISABLED => Ok(Listed::Disabled),
        Err(failure) => Err(failure),
    }
}

/// What a broker is set to: empty where nobody set it, `None` where that cannot be read. Brokers keep the values of
/// settings that they do not know themselves, such as an authorizer's, for secrets and do not tell them.
pub(crate) async fn setting(cluster: &Cluster, cx: &Context, name: &str) -> Option<String> {
    let timeout = cx.budget.call_timeout;
    let (_, broker) = cluster.ask(cx, cluster.handle().describe_cluster(timeout)).await.ok()?;
    let answer = cluster.handle().describe_broker_config(broker?, name, timeout);
    let answers = cluster.ask(cx, answer).await.ok()?;
    let (_, entries) = answers.into_iter().next()?;
    let entry = entries.ok()?.into_iter().find(|entry| entry.name == name);
    entry.map_or(Some(String::new()), |entry| Some(entry.value?.trim().to_owned()))
}

pub(crate) fn explain(cluster: &Cluster, failure: &Failure) -> ProviderError {
    let problem = cluster.failure(failure, "read the access control bindings");
    if problem.kind == ErrorKind::Forbidden {
        problem.hint("the principal needs DESCRIBE on the cluster")
    } else {
        problem
    }
}

pub(crate) fn object(binding: &Binding) -> LiveObject {
    LiveObject {
        id: ObjectId::new(binding.canonical()),
        incarnation: None,
        // Texts and words always encode as a map.
        attributes: Packed::encode(binding).unwrap_or_default(),
        computed: Packed::default(),
        owner: None,
    }
}

/// Our words beside librdkafka's, which are the protocol's numbers ("ACL" in Kafka's protocol guide).
const RESOURCES: [(ResourceKind, NativeResource); 3] = [
    (ResourceKind::Topic, NativeResource::RD_KAFKA_RESOURCE_TOPIC),
    (ResourceKind::Group, NativeResource::RD_KAFKA_RESOURCE_GROUP),
    (ResourceKind::TransactionalId, NativeResource::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID),
];
const PATTERNS: [(Pattern, NativePattern); 2] = [
    (Pattern::Literal, NativePattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL),
    (Pattern::Prefixed, NativePattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED),
];
const OPERATIONS: [(AclOperation, NativeOperation); 9] = [
    (AclOperation::All, NativeOperation::RD_KAFKA_ACL_OPERATION_ALL),
    (AclOperation::Read, NativeOperation::RD_KAFKA_ACL_OPERATION_READ),
    (AclOperation::Write, NativeOperation::RD_KAFKA_ACL_OPERATION_WRITE),
    (AclOperation::Create, NativeOperation::RD_KAFKA_ACL_OPERATION_CREATE),
    (AclOperation::Delete, NativeOperation::RD_KAFKA_ACL_OPERATION_DELETE),
    (AclOperation::Alter, NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER),
    (AclOperation::Describe, NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE),
    (AclOperation::DescribeConfigs, NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS),
    (AclOperation::AlterConfigs, NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS),
];
const PERMISSIONS: [(Permission, NativePermission); 2] = [
    (Permission::Deny, NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY),
    (Permission::Allow, NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW),
];

fn native<A: PartialEq, B: Copy>(table: &[(A, B)], word: &A) -> Option<B> {
    table.iter().find(|(ours, _)| ours == word).map(|(_, theirs)| *theirs)
}

/// A binding of a kind that we have no word for can be none that we made.
fn known(raw: RawBinding) -> Option<Binding> {
    let resource = RESOURCES.iter().find(|(_, number)| *number as i32 == raw.resource)?.0;
    let pattern = PATTERNS.iter().find(|(_, number)| *number as i32 == raw.pattern)?.0;
    let operation = OPERATIONS.iter().find(|(_, number)| *number as i32 == raw.operation)?.0;
    let permission = PERMISSIONS.iter().find(|(_, number)| *number as i32 == raw.permission)?.0;
    let RawBinding { name, principal, host, .. } = raw;
    Some(Binding { resource, name, pattern, principal, host, operation, permission })
}

pub(super) fn new_binding(binding: &Binding) -> Option<NewBinding<'_>> {
    let kinds = Kinds {
        resource: native(&RESOURCES, &binding.resource)?,
        pattern: native(&PATTERNS, &binding.pattern)?,
        operation: native(&OPERATIONS, &binding.operation)?,
        permission: native(&PERMISSIONS, &binding.permission)?,
    };
    Some(NewBinding { kinds, name: &binding.name, principal: &binding.principal, host: &binding.host })
}
