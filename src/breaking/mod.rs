//! What changed in the contracts between two revisions of the manifests, and what of it breaks a promise.
//!
//! Pure: two desired graphs in, a changelog out. A product's resources are compared by the same code that compares
//! manifests with live systems; its schemas in both directions, whatever level it promises.

mod references;

use datamesh_core::graph::{DesiredGraph, DesiredResource};
use datamesh_core::plan::Types;
use datamesh_provider::{Address, AttributeChange, Attributes, Class, Facts, Span, View};
use datamesh_schema_registry::Level;
use datamesh_schema_registry::compat::{self, Direction, Schema};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that changed, by product (`domain/product@version`) or domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changelog {
    pub owners: Vec<OwnerChange>,
}

/// How a product differs between the two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    New,
    Changed,
    Gone,
}

/// Who notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Those who read with the contract as it was.
    Consumers,
    /// Those who write with the contract as it was, and what they have written.
    Producers,
}

/// Something that works before and not after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub party: Party,
    /// A sentence without its full stop.
    pub what: String,
    /// The rule of schema resolution, where one is broken.
    pub rule: Option<&'static str>,
    /// Whether the product promises that this does not happen.
    pub promised: bool,
    /// In the newer revision.
    pub span: Option<Span>,
}

/// One resource that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceChange {
    pub address: Address,
    pub id: String,
    pub fate: Fate,
    pub attributes: Vec<AttributeChange>,
    pub notes: Vec<String>,
}

/// What changed in one product, or in what belongs to a domain.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnerChange {
    pub owner: String,
    pub fate: Fate,
    pub broken: Vec<Broken>,
    pub changes: Vec<ResourceChange>,
    /// The version that could be published beside this one instead.
    pub suggested: Option<u32>,
}

impl OwnerChange {
    /// Whether a promise is broken.
    pub fn breaks(&self) -> bool {
        self.broken.iter().any(|broken| broken.promised)
    }
}

impl Changelog {
    /// Compares what two revisions declare.
    pub fn between(base: &DesiredGraph, head: &DesiredGraph, types: &Types) -> Self {
        let addresses: BTreeSet<&Address> = base.resources.keys().chain(head.resources.keys()).collect();
        let mut by_owner: BTreeMap<String, Vec<&Address>> = BTreeMap::new();
        for address in addresses {
            by_owner.entry(address.owner()).or_default().push(address);
        }
        let compared = by_owner.into_iter().map(|(owner, addresses)| {
            let mut comparison = Comparison { base, head, types, broken: Vec::new(), changes: Vec::new() };
            addresses.iter().for_each(|address| comparison.resource(address));
            comparison.finish(owner, &addresses)
        });
        Self { owners: compared.flatten().collect() }
    }

    /// The products whose promises are broken.
    pub fn breaking(&self) -> usize {
        self.owners.iter().filter(|owner| owner.breaks()).count()
    }
}

struct Comparison<'a> {
    base: &'a DesiredGraph,
    head: &'a DesiredGraph,
    types: &'a Types,
    broken: Vec<Broken>,
    changes: Vec<ResourceChange>,
}

impl Comparison<'_> {
    fn resource(&mut self, address: &Address) {
        match (self.base.resources.get(address), self.head.resources.get(address)) {
            (None, Some(new)) => self.change(address, new, Fate::New, Vec::new(), Vec::new()),
            (Some(old), None) => self.gone(address, old),
            (Some(old), Some(new)) => self.both(address, old, new),
            (None, None) => {}
        }
    }

    fn change(
        &mut self,
        address: &Address,
        resource: &DesiredResource,
        fate: Fate,
        attributes: Vec<AttributeChange>,
        notes: Vec<String>,
    ) {
        let (address, id) = (address.clone(), resource.object.id.as_str().to_owned());
        self.changes.push(ResourceChange { address, id, fate, attributes, notes });
    }

    fn gone(&mut self, address: &Address, old: &DesiredResource) {
        if self.head.moves.iter().any(|moved| moved.from == *address) {
            return;
        }
        if let Some(word) = port_word(address) {
            self.consumers_lose(format!("the {word} {} goes away", old.object.id.as_str()), None);
        }
        self.change(address, old, Fate::Gone, Vec::new(), Vec::new());
    }

    fn consumers_lose(&mut self, what: String, span: Option<Span>) {
        self.broken.push(Broken { party: Party::Consumers, what, rule: None, promised: true, span });
    }

    fn both(&mut self, address: &Address, old: &DesiredResource, new: &DesiredResource) {
        let (was, is) = (old.object.id.as_str(), new.object.id.as_str());
        if was != is {
            let word = port_word(address).unwrap_or("resource");
            self.consumers_lose(
                format!("the {word} {was} becomes {is}: who uses the old name finds nothing new there"),
                new.span,
            );
        }
        let Some(ty) = self.types.get(address.ty()) else { return };
        let normal = |resource: &DesiredResource| ty.normalize(&resource.object.attributes).ok();
        let (Some(before), Some(after)) = (normal(old), normal(new)) else { return };
        let view = View::Update { prior: &before, live: &before, desired: &after };
        let Ok((mut spec, found)) = ty.diff(view, &Facts::default(), &new.object.spans) else { return };
        // With the types that it uses: another version of them counts from the next version of this one on.
        let another = |change: &AttributeChange| is_schema(change) || change.path == ["references"];
        if is_subject(address) && spec.changes.iter().any(another) {
            let unknown = match language(new) {
                "AVRO" => self.schemas(old, new).err(),
                _ => Some("whether it breaks anybody is for the registry to say, in the plan".to_owned()),
            };
            spec.notes.extend(unknown.map(|why| format!("the {} schema changes: {why}", language(new))));
        }
        // What the pure half forbids cannot be done to the object that is there, so it is another one.
        for error in
            found.errors().filter(|error| error.code != datamesh_schema_registry::codes::INCOMPATIBLE)
        {
            let span = error.labels.first().map(|label| label.span);
            self.consumers_lose(error.detail.trim_end_matches('.').to_owned(), span);
        }
        for change in spec.changes.iter().filter(|change| change.class != Class::Safe && !is_schema(change)) {
            let reason =
                change.reason.clone().unwrap_or_else(|| format!("{} changes", change.path.join(".")));
            let path: Vec<&str> = change.path.iter().map(String::as_str).collect();
            let what = format!("{} {was}: {reason}", port_word(address).unwrap_or("resource"));
            self.consumers_lose(what, new.object.spans.at(&path));
        }
        if !spec.changes.is_empty() || !found.is_empty() {
            let attributes = spec.changes.into_iter().filter(|change| !is_schema(change)).collect();
            self.change(address, new, Fate::Changed, attributes, spec.notes);
        }
    }

    /// Both directions, and which of them are promised: by the level before, and by the level after.
    ///
    /// # Errors
    /// Why one of the schemas cannot be read.
    fn schemas(&mut self, old: &DesiredResource, new: &DesiredResource) -> Result<(), String> {
        let read = |graph: &DesiredGraph, subject: &DesiredResource| {
            let text = subject.object.attributes.get("schema").and_then(Value::as_str);
            Schema::read(text.unwrap_or_default(), &references::texts(graph, subject))
        };
        let (before, after) = (read(self.base, old)?, read(self.head, new)?);
        let promised = level(old).and(level(new));
        for broken in compat::breaks(Level::Full, &after, &before) {
            let (party, promised) = match broken.direction {
                Direction::Forward => (Party::Consumers, promised.forward()),
                Direction::Backward => (Party::Producers, promised.backward()),
            };
            let path: Vec<&str> =
                std::iter::once("schema").chain(broken.path.iter().map(String::as_str)).collect();
            let span = new.object.spans.at(&path);
            let what = broken.words();
            self.broken.push(Broken { party, what, rule: Some(broken.rule.name()), promised, span });
        }
        Ok(())
    }

    fn finish(mut self, owner: String, addresses: &[&Address]) -> Option<OwnerChange> {
        let declared =
            |graph: &DesiredGraph| addresses.iter().any(|address| graph.resources.contains_key(*address));
        let fate = match (declared(self.base), declared(self.head)) {
            (false, _) => Fate::New,
            (true, false) => Fate::Gone,
            (true, true) => Fate::Changed,
        };
        if self.changes.is_empty() && self.broken.is_empty() {
            return None;
        }
        // Two subjects of one contract break alike.
        self.broken.sort_by(|a, b| (a.party, !a.promised, &a.what).cmp(&(b.party, !b.promised, &b.what)));
        self.broken.dedup();
        let breaks = self.broken.iter().any(|broken| broken.promised);
        let suggested =
            (breaks && fate == Fate::Changed).then(|| next_version(self.head, addresses)).flatten();
        Some(OwnerChange { owner, fate, broken: self.broken, changes: self.changes, suggested })
    }
}

/// The language of a subject's schema, as registries call it.
fn language(resource: &DesiredResource) -> &str {
    resource.object.attributes.get("schema_type").and_then(Value::as_str).unwrap_or("AVRO")
}

/// The level of a subject; that of a new one where none is declared.
fn level(resource: &DesiredResource) -> Level {
    let of = |attributes: &Attributes| {
        attributes.get("compatibility").and_then(Value::as_str).and_then(Level::from_name)
    };
    of(&resource.object.attributes).or_else(|| of(&resource.object.on_create)).unwrap_or(Level::None)
}

fn is_subject(address: &Address) -> bool {
    address.ty().as_str() == "schema_subject"
}

/// A schema's text is told by its fields.
fn is_schema(change: &AttributeChange) -> bool {
    change.path.first().is_some_and(|part| part == "schema")
}

/// What consumers call a resource that they use; `None` for what only the mesh knows.
fn port_word(address: &Address) -> Option<&'static str> {
    match address.ty().as_str() {
        "kafka_topic" => Some("topic"),
        "schema_subject" => Some("subject"),
        "iceberg_table" => Some("table"),
        _ => None,
    }
}

/// The first version of the product that nobody has.
fn next_version(head: &DesiredGraph, addresses: &[&Address]) -> Option<u32> {
    let of = addresses.first()?;
    let (product, _) = of.product()?;
    let versions = head.resources.keys().filter(|address| address.domain() == of.domain());
    let versions = versions.filter_map(|address| address.product()).filter(|(name, _)| *name == product);
    versions.map(|(_, version)| version).max().map(|version| version + 1)
}
