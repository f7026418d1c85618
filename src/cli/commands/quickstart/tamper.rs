//! Changes a live topic without the state knowing: what drift detection is for.

use crate::cli::codes;
use crate::cli::commands::open;
use crate::cli::invocation::Invocation;
use datamesh_provider::{
    Address, ConnectRequest, Diagnostic, OpAction, OpOutcome, Operation, OperationId, Outcome, Packed,
    ProviderError, SystemName, TypeName,
};
use serde_json::json;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const ADDRESS: &str = "orders/order-events@2:kafka_topic.kafka";

/// Sets the retention of a topic of the example to an hour. Gives back the topic's name.
pub(super) async fn shorten_retention(run: &Invocation, root: &Path) -> Result<String, Box<Diagnostic>> {
    let opened = open::open_at(run, &open::Wanted::default(), root.to_owned())
        .map_err(|_| failed("the mesh does not load"))?;
    let shards = opened.session.store().load(&opened.session.environment().name).await;
    let shards = shards.map_err(|error| failed(&error.to_string()))?.shards;
    let address: Address = ADDRESS.parse().map_err(|_| failed("the example has no such topic"))?;
    let record = shards.get(address.domain()).and_then(|found| found.shard.resources.get(&address));
    let record = record.ok_or_else(|| failed("the example's topic is not in the state"))?;
    let system = SystemName::new("kafka", "default");
    let settings = opened.session.environment().systems.get(&system).cloned().unwrap_or_default();
    let def = run.providers.get("kafka").ok_or_else(|| failed("there is no provider for Kafka"))?;
    let context = opened.context.clone();
    let request = ConnectRequest { name: system.to_string(), settings, root: root.to_owned(), context };
    let client = (def.connect)(request).await.map_err(|error| refused(&error))?;
    let operation = Operation {
        id: OperationId("by-hand".to_owned()),
        address,
        ty: TypeName::new("kafka_topic"),
        system,
        object: record.object.clone(),
        action: OpAction::Update,
        step: "config".to_owned(),
        prior: Some(record.attributes.clone()),
        live: Some(record.attributes.clone()),
        planned: Some(config("3600000")),
        incarnation: record.incarnation.clone(),
        owner: String::new(),
    };
    let outcomes: Mutex<Vec<OpOutcome>> = Mutex::default();
    client.apply(&opened.context, std::slice::from_ref(&operation), &outcomes).await;
    opened.progress.finish();
    match outcomes.into_inner().unwrap_or_else(PoisonError::into_inner).pop().map(|o| o.outcome) {
        Some(Outcome::Done(_)) => Ok(operation.object.0),
        Some(Outcome::Rejected(refusal)) => Err(refused(&refusal.error)),
        other => Err(failed(&format!("it ended as {other:?}"))),
    }
}

fn config(retention: &str) -> Packed {
    Packed::from_iter([("config".to_owned(), json!({"retention.ms": retention}))])
}

fn failed(why: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(codes::ENGINE, format!("The topic could not be changed: {why}.")))
}

fn refused(error: &ProviderError) -> Box<Diagnostic> {
    failed(&error.to_string())
}
