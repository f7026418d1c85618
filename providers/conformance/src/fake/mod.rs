//! A provider over a small JSON world.

pub(crate) mod json;
pub(crate) mod plain;
pub(crate) mod thing;
pub(crate) mod world;

use crate::kill;
use async_trait::async_trait;
use datamesh_provider::{
    Attributes, Context, ErrorKind, Facts, Interruption, Listed, LiveObject, ObjectId, OpAction,
    OpDiagnostics, OpOutcome, Operation, Outcome, Provider, ProviderError, ReadRequest, ReadResult, Refusal,
    Sink, TypeName,
};
use serde_json::{Value, json};
use std::time::Duration;
use world::{Effect, Faults, Store, System, Thing, World};

/// Whether objects of a type carry something that tells them from a later one of the same name.
pub fn has_incarnations(ty: &str) -> bool {
    matches!(ty, "kafka_topic" | "iceberg_table" | "fake_thing")
}

/// One fake system. Clones share its world.
#[derive(Clone, Debug)]
pub struct FakeSystem {
    name: String,
    store: Store,
}

impl FakeSystem {
    /// A system of its own in memory. `name` is its full name: `kafka.default`.
    pub fn in_memory(name: impl Into<String>) -> Self {
        Self::new(name, Store::memory())
    }

    /// A system in a file, which it may share with other systems and other processes.
    pub fn in_file(name: impl Into<String>, path: impl Into<std::path::PathBuf>) -> Self {
        Self::new(name, Store::file(path))
    }

    pub fn new(name: impl Into<String>, store: Store) -> Self {
        Self { name: name.into(), store }
    }

    /// The same system where nobody answers.
    pub fn unreachable(name: impl Into<String>) -> Self {
        let system = Self::in_memory(name);
        // A world in memory can always be had.
        let _ = system.edit(|system| system.faults.unreachable = true);
        system
    }

    /// Changes the system behind everybody's back: drift, faults, somebody else's objects.
    pub fn edit<T>(&self, change: impl FnOnce(&mut System) -> T) -> Result<T, ProviderError> {
        self.store
            .transact(|world| change(world.systems.entry(self.name.clone()).or_default()))
            .map_err(|error| self.error(ErrorKind::Protocol).message(error.to_string()))
    }

    /// What is there now.
    pub fn look(&self) -> Result<System, ProviderError> {
        let mut world =
            self.store.load().map_err(|error| self.error(ErrorKind::Protocol).message(error.to_string()))?;
        Ok(world.systems.remove(&self.name).unwrap_or_default())
    }

    fn error(&self, kind: ErrorKind) -> ProviderError {
        ProviderError::new(kind, self.name.clone(), self.store.endpoint())
    }

    fn gone(&self) -> ProviderError {
        self.error(ErrorKind::Unreachable)
            .message("nobody answers")
            .hint("take `unreachable` out of the fake's world file")
    }

    fn answering(&self) -> Result<System, ProviderError> {
        let system = self.look()?;
        if system.faults.unreachable { Err(self.gone()) } else { Ok(system) }
    }

    /// One call: what its answer is, and whether that answer arrives.
    fn call(&self, op: &Operation) -> Outcome {
        let number = kill::before_call();
        let outcome = self.store.transact(|world| {
            let faults = world.systems.entry(self.name.clone()).or_default().faults.clone();
            if faults.unreachable {
                return rejected(self.gone());
            }
            if faults.rejected.contains(op.object.as_str()) {
                return rejected(
                    self.error(ErrorKind::Invalid)
                        .code("REFUSED")
                        .message("refused on purpose")
                        .hint("ask for it again"),
                );
            }
            let outcome = change(world, &self.name, op);
            let system = world.systems.entry(self.name.clone()).or_default();
            if outcome.is_success() {
                note(system, op);
            }
            if outcome.is_success() && faults.lost.contains(op.object.as_str()) {
                let error = self.error(ErrorKind::Unreachable).message("the answer was lost on purpose");
                return Outcome::Indeterminate(Interruption::NoAnswer(error));
            }
            outcome
        });
        kill::after_call(number);
        outcome.unwrap_or_else(|error| {
            // The file may have been replaced before the error: nobody knows.
            let error = self.error(ErrorKind::Protocol).message(error.to_string());
            Outcome::Indeterminate(Interruption::NoAnswer(error))
        })
    }
}

fn rejected(error: ProviderError) -> Outcome {
    Outcome::Rejected(Refusal { error })
}

fn note(system: &mut System, op: &Operation) {
    system.effects.push(Effect {
        action: op.action,
        ty: op.ty.as_str().to_owned(),
        id: op.object.as_str().to_owned(),
        step: op.step.clone(),
    });
    if let Faults { dies_after: Some(left), .. } = &mut system.faults {
        *left = left.saturating_sub(1);
        system.faults.unreachable = *left == 0;
    }
}

fn live(id: &str, thing: &Thing) -> LiveObject {
    LiveObject {
        id: ObjectId::new(id),
        incarnation: thing.incarnation.clone(),
        attributes: thing.attributes.clone().into(),
        computed: thing.computed.clone().into(),
        owner: thing.owner.clone(),
    }
}

/// The attributes one step is about: a step named like an attribute, or like a registry's two calls, is about
/// those; any other is about all.
fn part_of(step: &str, attributes: &Attributes) -> Attributes {
    let keep = |names: &[&str]| {
        let of_step = attributes.iter().filter(|(key, _)| names.contains(&key.as_str()));
        of_step.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    match step {
        "level" => keep(&["compatibility"]),
        "schema" => keep(&["schema", "schema_type", "references"]),
        "partitions" | "config" | "size" | "properties" => keep(&[step]),
        _ => attributes.clone(),
    }
}

fn change(world: &mut World, name: &str, op: &Operation) -> Outcome {
    let next = world.next + 1;
    let system = world.systems.entry(name.to_owned()).or_default();
    let things = system.objects.entry(op.ty.as_str().to_owned()).or_default();
    let id = op.object.as_str();
    let found = things.get(id);
    let planned = part_of(&op.step, op.planned.as_deref().unwrap_or(&Attributes::new()));
    let prior = part_of(&op.step, op.prior.as_deref().unwrap_or(&Attributes::new()));
    let mut thing = match (op.action, found) {
        (OpAction::Create, None) => Thing {
            incarnation: has_incarnations(op.ty.as_str()).then(|| format!("{}-{next}", op.ty)),
            computed: computed(op.ty.as_str(), id, next),
            ..Thing::default()
        },
        // A later step of the same creation; what another one made already holds these attributes.
        (OpAction::Create, Some(thing)) if !whole(&planned, op) && later_step(thing, &planned) => {
            thing.clone()
        }
        // Several may own one of these: who comes second finds what the first one made.
        (OpAction::Create, Some(thing)) if op.ty.as_str() == "kafka_acl" => {
            return Outcome::Done(live(id, thing));
        }
        (OpAction::Create, Some(thing)) => return Outcome::Stale(Some(live(id, thing))),
        (OpAction::Update | OpAction::Delete, None) => return Outcome::Stale(None),
        (OpAction::Update | OpAction::Delete, Some(thing)) => {
            if op.incarnation.is_some() && op.incarnation != thing.incarnation {
                return Outcome::Stale(Some(live(id, thing)));
            }
            thing.clone()
        }
    };
    if op.action == OpAction::Delete {
        if op.step == "level" {
            thing.attributes.remove("compatibility");
            let answer = Outcome::Done(live(id, &thing));
            things.insert(id.to_owned(), thing);
            return answer;
        }
        things.remove(id);
        return Outcome::Deleted;
    }
    json::withdraw(&mut thing.attributes, &prior, &planned);
    json::merge(&mut thing.attributes, &planned);
    thing.owner = Some(op.owner.clone()).filter(|owner| !owner.is_empty());
    if op.action == OpAction::Update
        && planned.contains_key("schema")
        && let Some(version) = thing.computed.get("version").and_then(Value::as_u64)
    {
        thing.computed.insert("version".into(), (version + 1).into());
        thing.computed.insert("id".into(), next.into());
    }
    let answer = Outcome::Done(live(id, &thing));
    things.insert(id.to_owned(), thing);
    world.next = next;
    answer
}

fn whole(planned: &Attributes, op: &Operation) -> bool {
    op.planned.as_ref().is_none_or(|all| all.len() == planned.len())
}

fn later_step(thing: &Thing, planned: &Attributes) -> bool {
    planned.keys().all(|key| !thing.attributes.contains_key(key))
}

fn computed(ty: &str, id: &str, next: u64) -> Attributes {
    let value = match ty {
        "schema_subject" => json!({"id": next, "version": 1}),
        "iceberg_table" => {
            json!({"uuid": format!("iceberg_table-{next}"), "location": format!("fake:/{id}")})
        }
        _ => json!({}),
    };
    value.as_object().cloned().unwrap_or_default()
}

#[async_trait]
impl Provider for FakeSystem {
    async fn facts(&self, _: &Context) -> Result<Facts, ProviderError> {
        let system = self.answering()?;
        let identity = system.identity.unwrap_or_else(|| format!("{}#{}", self.store.endpoint(), self.name));
        Ok(Facts { identity, ..Facts::default() })
    }

    async fn read(&self, _: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        let system = self.answering();
        for request in want {
            let id = request.id.as_str();
            let result = match &system {
                Err(error) => Err(error.clone().during(format!("read {} objects", want.len()))),
                Ok(system) if system.faults.forbidden.contains(id) => {
                    Err(self.error(ErrorKind::Forbidden).during(format!("read {id}")).message("not allowed"))
                }
                Ok(system) => {
                    let things = system.objects.get(request.ty.as_str());
                    Ok(things.and_then(|things| things.get(id)).map(|thing| live(id, thing)))
                }
            };
            out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result });
        }
    }

    async fn list(&self, _: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        let system = self.answering().map_err(|error| error.during(format!("list every {ty}")))?;
        for id in system.objects.get(ty.as_str()).into_iter().flat_map(|things| things.keys()) {
            out.put(ObjectId::new(id.clone()).into());
        }
        Ok(())
    }

    async fn check(&self, _: &Context, _: &[Operation], _: &dyn Sink<OpDiagnostics>) {}

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        for op in ops {
            let outcome = if cx.cancel.is_draining() {
                rejected(
                    self.error(ErrorKind::Cancelled).message("the run is being stopped; nothing was sent"),
                )
            } else if let Err(lost) = cx.lease.permit(cx.budget.call_timeout) {
                rejected(self.error(ErrorKind::Cancelled).message(lost.to_string()))
            } else {
                self.call(op)
            };
            out.put(OpOutcome { id: op.id.clone(), outcome });
        }
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }
}
