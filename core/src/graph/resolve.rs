//! From typed documents to the desired graph.

use crate::contract::Contract;
use crate::graph::decisions::Decisions;
use crate::graph::domains::Domains;
use crate::graph::draft::{Draft, World};
use crate::graph::environment::ResolvedEnvironment;
use crate::graph::held::Held;
use crate::graph::products::{Product, Products};
use crate::graph::recorded::{FixedNames, Recorded};
use crate::graph::retention::Retention;
use crate::graph::{
    DesiredGraph, DesiredResource, Lifecycle, catalog, claims, codes, dormant, namespaces, partial, ports,
    references, source, subject, template,
};
use crate::manifest::Load;
use crate::parallel;
use datamesh_provider::{Address, Code, Diagnostic, Diagnostics, Object, Packed, Severity, SpanMap};
use std::collections::{BTreeMap, BTreeSet};

/// Judges one declared object by itself, as its type knows how.
pub type Validate<'v> = dyn Fn(&Object) -> Diagnostics + Sync + 'v;

/// Makes the desired graph of one environment. `recorded` gives the names that are fixed already.
///
/// The graph holds what is free of errors; who is held back, and why, is in [`DesiredGraph::held_back`].
pub fn resolve(
    load: &Load,
    environment: &ResolvedEnvironment,
    recorded: &Recorded,
) -> (DesiredGraph, Diagnostics) {
    run(load, environment, recorded, None)
}

/// Resolves for the findings alone, `validate`'s on each object among them, also on objects of those who are held
/// back. Nothing is recorded. The objects are not kept, so this takes a fraction of the memory of [`resolve`].
pub fn judge(load: &Load, environment: &ResolvedEnvironment, validate: &Validate<'_>) -> Diagnostics {
    run(load, environment, &Recorded::default(), Some(validate)).1
}

/// The same where the Mesh document is broken: the errors that no environment has a part in.
pub fn judge_without_mesh(load: &Load, validate: &Validate<'_>) -> Diagnostics {
    let certain =
        |found: &Diagnostic| found.severity == Severity::Error && !OF_ENVIRONMENTS.contains(&found.code);
    judge(load, &ResolvedEnvironment::unknown(), validate).into_iter().filter(certain).collect()
}

/// What may be wrong only because the environment is not known.
const OF_ENVIRONMENTS: &[Code] = &[
    codes::BAD_SELECTOR,
    codes::CLAIMED_TWICE,
    codes::OUTSIDE_SYSTEM,
    codes::UNKNOWN_ENVIRONMENT,
    codes::UNKNOWN_SYSTEM,
    codes::UNMAPPED_ADDRESS,
];

fn run(
    load: &Load,
    environment: &ResolvedEnvironment,
    recorded: &Recorded,
    validate: Option<&Validate<'_>>,
) -> (DesiredGraph, Diagnostics) {
    let mut found = Diagnostics::default();
    let decisions = Decisions::read(load, recorded, &mut found);
    let mut domains = Domains::collect(load, &mut found);
    let products = Products::collect(load, &mut domains, environment, &mut found);
    let world = World {
        environment,
        names: FixedNames::new(recorded, &decisions.moves, &decisions.imports),
        domains,
        products,
        limits: &load.limits,
        named: &load.named,
        template: template::of_policies(load, &mut found),
        retention: Retention::of_policies(load, &mut found),
        // The graph itself is compared with removals alone.
        judging: validate.is_some() && decisions.removals.is_empty(),
    };
    dormant::documents(load, &mut found);
    if !world.has_catalog() && !world.products.all.is_empty() {
        found.push(no_catalog(environment));
    }
    let mut drafts = all_drafts(&world, &world.products.all, |product| product, validate);
    let mut shared = namespaces::attach(&world, &mut drafts);
    shared.extend(catalog::domains(&world));
    for object in shared.iter().map(|resource| &resource.object) {
        found.extend(
            validate.into_iter().flat_map(|validate| validate(object).scoped(&object.address.owner())),
        );
    }
    let mut held = Held::of_load(load, &world);
    let parts = all_drafts(&world, &world.products.unplanned, |known| &known.product, validate);
    let named = parts.iter().zip(&world.products.unplanned).filter(|(_, known)| known.named);
    for (conflict, owners) in claims::conflicts(drafts.iter().chain(named.map(|(draft, _)| draft))) {
        held.hold_all(&owners, &conflict);
        found.push(conflict);
    }
    found.extend(references::circles(&drafts));
    found.extend(partial::findings(parts, &world.products.unplanned));
    for draft in &mut drafts {
        found.extend(std::mem::take(&mut draft.found).scoped(&draft.product.owner));
    }
    if world.judging {
        found.sort();
        return (DesiredGraph::default(), found);
    }
    let unscoped = found.errors().any(|error| error.scope.is_none());
    held.hold_scopes(&found);
    held.spread(&drafts);
    let mut graph = assemble(load, &world, drafts, shared, held);
    graph.complete = load.complete() && !unscoped && !world.products.unidentified;
    decisions.check_removals(&graph.resources, recorded, &mut found);
    let Decisions { moves, removals, imports, .. } = decisions;
    (graph.moves, graph.removals, graph.imports) = (moves, removals, imports);
    found.sort();
    (graph, found)
}

fn no_catalog(environment: &ResolvedEnvironment) -> Diagnostic {
    let detail = format!(
        "The environment `{}` has no `catalog`, so products, domains and lineage are not published there.",
        environment.name
    );
    Diagnostic::note(codes::NO_CATALOG, detail)
        .at(environment.span, "no catalog")
        .help("Add one, such as `catalog: { backend: portal, path: .datamesh/catalog }`.")
}

/// Fewer products than this are not worth a thread.
const PRODUCTS_PER_THREAD: usize = 500;

/// Every product by itself, on all cores, in the order of the products.
fn all_drafts<'a, P: Sync>(
    world: &'a World<'a>,
    all: &'a [P],
    product: impl Fn(&'a P) -> &'a Product<'a> + Sync,
    validate: Option<&Validate<'_>>,
) -> Vec<Draft<'a>> {
    parallel::map(all, PRODUCTS_PER_THREAD, |known| {
        let mut draft = draft(world, product(known));
        // Only the product itself looks at them.
        (draft.contract, draft.ports) = (None, Vec::new());
        draft.resources.iter_mut().for_each(|resource| world.names.share(&mut resource.object));
        validate.into_iter().for_each(|validate| judged(&mut draft, validate));
        draft
    })
}

/// Validates what the product asks for, and keeps of it what others are compared with.
fn judged(draft: &mut Draft<'_>, validate: &Validate<'_>) {
    for resource in &mut draft.resources {
        let object = &mut resource.object;
        draft.found.extend(validate(object));
        (object.attributes, object.on_create) = <(Packed, Packed)>::default();
        object.spans = SpanMap::default();
        (resource.depends_on, resource.lifecycle) = (BTreeSet::new(), Lifecycle::default());
    }
}

/// Everything one product asks for.
fn draft<'a>(world: &'a World<'a>, product: &'a Product<'a>) -> Draft<'a> {
    let mut draft = Draft::new(world, product);
    if let Some(schema) = product.doc.spec.schema.as_deref() {
        subject::unsupported(&mut draft, schema);
        draft.source = source::file(&mut draft, schema);
        let key = schema.primary_key.as_ref().map(|key| key.value.as_slice()).unwrap_or_default();
        if !schema.fields.is_empty() || (!key.is_empty() && schema.source.is_none()) {
            let (contract, findings) = Contract::build(&schema.fields, key, world.contract_limits());
            draft.found.extend(findings);
            draft.contract = (!schema.fields.is_empty()).then_some(contract);
        }
    }
    ports::ports(&mut draft);
    subject::subjects(&mut draft);
    catalog::product(&mut draft);
    dormant::product(product.doc, &mut draft.found);
    draft
}

fn assemble(
    load: &Load,
    world: &World<'_>,
    drafts: Vec<Draft<'_>>,
    shared: Vec<DesiredResource>,
    held: Held,
) -> DesiredGraph {
    let owners = drafts.iter().map(|draft| (draft.product.owner.clone(), draft.product.version_span()));
    let domains = world.domains.all.iter().map(|domain| (domain.name.clone(), domain.span));
    let mut graph = DesiredGraph {
        owners: owners.chain(domains).collect(),
        unread_paths: unread_paths(load),
        missing_paths: load.missing.iter().cloned().collect(),
        ..DesiredGraph::default()
    };
    let mut unsure: BTreeSet<usize> = BTreeSet::new();
    let mut resources: BTreeMap<Address, DesiredResource> = BTreeMap::new();
    let mut add = |resource: DesiredResource| {
        resources.insert(resource.object.address.clone(), resource);
    };
    for draft in drafts {
        if held.is_held(&draft.product.owner) {
            unsure.insert(draft.product.domain);
        } else {
            draft.resources.into_iter().for_each(&mut add);
        }
    }
    shared.into_iter().filter(|resource| !held.is_held(resource.object.address.domain())).for_each(&mut add);
    unsure.extend(held.owners().filter_map(|owner| world.domains.find(owner.split('/').next()?)));
    for kept in namespaces::keep(world, &unsure, |address| resources.contains_key(address)) {
        resources.insert(kept.object.address.clone(), kept);
    }
    graph.resources = resources;
    graph.held_back = held.into_reasons();
    graph
}

/// Files that are there, and out of which not every document came.
fn unread_paths(load: &Load) -> BTreeSet<String> {
    let read: BTreeSet<&str> = load.manifests.iter().map(|loaded| &*loaded.path).collect();
    let unread = load.seen_paths.iter().filter(|path| !read.contains(path.as_str())).cloned();
    unread.chain(load.broken.iter().map(|broken| broken.path.to_string())).collect()
}
