//! The resources of one product, while they are put together.

use crate::contract::{Contract, ContractLimits};
use crate::graph::domains::Domains;
use crate::graph::environment::ResolvedEnvironment;
use crate::graph::products::{Product, Products};
use crate::graph::recorded::FixedNames;
use crate::graph::retention::Retention;
use crate::graph::{DesiredResource, Lifecycle, codes};
use crate::manifest::model::{Allowance, DataProduct, Field};
use crate::manifest::{Limits, NamedFile, NamedFiles};
use datamesh_provider::{
    Address, Attributes, Diagnostic, Diagnostics, Object, ObjectId, Span, SpanMap, Spanned, SystemName,
    TypeName,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What every product is resolved against.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) environment: &'a ResolvedEnvironment,
    pub(crate) names: FixedNames<'a>,
    pub(crate) domains: Domains<'a>,
    pub(crate) products: Products<'a>,
    pub(crate) limits: &'a Limits,
    pub(crate) named: &'a NamedFiles,
    /// The default name of topics, with placeholders.
    pub(crate) template: String,
    /// How long data may be kept.
    pub(crate) retention: Retention,
    /// Only findings are wanted: what cannot give any is not put together.
    pub(crate) judging: bool,
}

impl World<'_> {
    pub(crate) fn contract_limits(&self) -> ContractLimits {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        ContractLimits { fields: size(self.limits.fields), nesting: size(self.limits.nesting) }
    }

    /// Whether nothing is known of environments, because the Mesh document is broken.
    pub(crate) fn is_unknown(&self) -> bool {
        self.environment.name.is_empty()
    }

    pub(crate) fn has_catalog(&self) -> bool {
        self.environment.systems.contains_key(&SystemName::new("catalog", "default"))
    }
}

/// A namespace that a table of the product stands in.
#[derive(Clone, Debug)]
pub(crate) struct NamespaceUse {
    pub(crate) system: SystemName,
    /// With the environment's prefix.
    pub(crate) id: String,
    pub(crate) table: Address,
    pub(crate) span: Option<Span>,
}

/// A topic of the product.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) port: String,
    pub(crate) address: Address,
    pub(crate) id: String,
    pub(crate) spelled: bool,
    pub(crate) cluster: String,
    pub(crate) span: Option<Span>,
    /// Fields of the record key, where it is registered, and their place.
    pub(crate) key: Option<(Vec<String>, Option<Span>)>,
}

/// What resolving one product has found so far.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) product: &'a Product<'a>,
    /// `None` where the product declares no fields.
    pub(crate) contract: Option<Contract>,
    /// Its text, where that stands in a file.
    pub(crate) source: Option<&'a NamedFile>,
    pub(crate) resources: Vec<DesiredResource>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) subjects: Vec<String>,
    pub(crate) namespaces: Vec<NamespaceUse>,
    /// Spelled locations of tables, so that no two tables lie within each other.
    pub(crate) locations: Vec<(String, Option<Span>)>,
    /// The ports as the catalog shows them.
    pub(crate) ports: Vec<Value>,
    /// Owners of the products it is made from.
    pub(crate) sources: Vec<String>,
    /// Owners of the products whose schemas its own refers to.
    pub(crate) refers: BTreeSet<String>,
    pub(crate) found: Diagnostics,
    lifecycle: Lifecycle,
    field_places: Option<Arc<SpanMap>>,
}

/// A resource to add, before it has its place in the graph.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) address: Address,
    pub(crate) system: SystemName,
    pub(crate) id: String,
    pub(crate) attributes: Attributes,
    pub(crate) on_create: Attributes,
    pub(crate) depends_on: BTreeSet<Address>,
    pub(crate) spans: SpanMap,
    pub(crate) span: Option<Span>,
    pub(crate) notes: Vec<String>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(world: &'a World<'a>, product: &'a Product<'a>) -> Self {
        Self {
            world,
            product,
            contract: None,
            source: None,
            resources: Vec::new(),
            topics: Vec::new(),
            subjects: Vec::new(),
            namespaces: Vec::new(),
            locations: Vec::new(),
            ports: Vec::new(),
            sources: Vec::new(),
            refers: BTreeSet::new(),
            found: Diagnostics::default(),
            lifecycle: lifecycle(product.doc),
            field_places: None,
        }
    }

    /// The address of one of the product's resources.
    pub(crate) fn address(&mut self, ty: &str, name: &str, span: Option<Span>) -> Option<Address> {
        let (domain, product, version) = (&self.product.domain_name, self.product.name, self.product.version);
        match Address::of_product(domain, product, version, TypeName::new(ty), name) {
            Ok(address) => Some(address),
            Err(error) => {
                self.found
                    .push(Diagnostic::error(codes::BAD_NAME, format!("{error}.")).at(span, "this name"));
                None
            }
        }
    }

    /// Where each field of the contract is declared, nested ones too; the whole is where the first one is.
    pub(crate) fn field_places(&mut self) -> Arc<SpanMap> {
        let schema = self.product.doc.spec.schema.as_ref();
        let places = self.field_places.get_or_insert_with(|| {
            let fields = schema.map_or(&[][..], |schema| &schema.fields);
            let mut places = SpanMap::of_object(fields.first().and_then(|field| field.span));
            place_fields(&mut places, &mut Vec::new(), fields);
            Arc::new(places)
        });
        Arc::clone(places)
    }

    pub(crate) fn add(&mut self, part: Part) {
        let Part { address, system, id, attributes, on_create, depends_on, spans, span, notes } = part;
        let (id, attributes, on_create) = (ObjectId::new(id), attributes.into(), on_create.into());
        let object = Object { address, system, id, attributes, on_create, spans };
        self.resources.push(DesiredResource {
            object,
            depends_on,
            lifecycle: self.lifecycle.clone(),
            source_path: self.product.path.to_string(),
            span,
            notes,
        });
    }

    /// The same for access to something: `prevent_destroy` is about the data, and keeps nobody's access.
    pub(crate) fn add_access(&mut self, part: Part) {
        self.add(part);
        if let Some(added) = self.resources.last_mut() {
            added.lifecycle.prevent_destroy = false;
        }
    }

    /// Whether what is deleted of it is deleted for good.
    pub(crate) fn purges(&self) -> bool {
        self.lifecycle.purge
    }

    pub(crate) fn not_supported(&mut self, what: &str, span: Option<Span>, help: &str) {
        let detail = format!("{what} cannot be used with this version.");
        self.found.push(
            Diagnostic::error(codes::NOT_SUPPORTED, detail)
                .at(span, "not supported by this version")
                .help(help),
        );
    }
}

fn place_fields<'a>(places: &mut SpanMap, path: &mut Vec<&'a str>, fields: &'a [Spanned<Field>]) {
    for field in fields {
        path.push(&field.name);
        places.insert(path, field.span);
        place_fields(places, path, &field.fields);
        path.pop();
    }
}

fn lifecycle(doc: &DataProduct) -> Lifecycle {
    let Some(spelled) = &doc.spec.lifecycle else { return Lifecycle::default() };
    Lifecycle {
        prevent_destroy: spelled.prevent_destroy.as_ref().is_some_and(|p| p.value),
        on_remove: spelled.on_remove.as_ref().map(|r| r.value),
        purge: spelled.purge.as_ref().is_some_and(|p| p.value),
        allow_data_loss: spelled.allow.iter().any(|a| a.value == Allowance::DataLoss),
        ignore_changes: spelled.ignore_changes.iter().map(|c| c.value.clone()).collect(),
    }
}
