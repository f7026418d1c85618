//! One owner for each physical object: two declarations that claim the same one are an error.

use crate::graph::access;
use crate::graph::draft::Draft;
use crate::graph::{DesiredResource, codes};
use datamesh_provider::{Diagnostic, Span};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A conflict, and the owners it holds back.
pub(crate) type Conflict = (Diagnostic, [String; 2]);

/// Where a claim was made.
#[derive(Clone, Copy)]
struct Claim<'a> {
    draft: &'a Draft<'a>,
    span: Option<Span>,
}

pub(crate) fn conflicts<'d>(drafts: impl Iterator<Item = &'d Draft<'d>> + Clone) -> Vec<Conflict> {
    let mut found = objects(drafts.clone());
    found.extend(locations(drafts));
    found
}

fn objects<'d>(drafts: impl Iterator<Item = &'d Draft<'d>> + Clone) -> Vec<Conflict> {
    let claims = drafts.clone().map(|draft| draft.resources.len()).sum();
    let mut first: HashMap<(&str, &str, &str), Claim<'_>> = HashMap::with_capacity(claims);
    let mut found = Vec::new();
    for draft in drafts {
        for resource in &draft.resources {
            let object = &resource.object;
            // Bindings may have several owners.
            if object.address.ty().as_str() == access::TYPE {
                continue;
            }
            // A type belongs to one kind of system, so the kind adds nothing.
            let key = (object.id.as_str(), object.address.ty().as_str(), object.system.name.as_str());
            let claim = Claim { draft, span: resource.span };
            match first.entry(key) {
                Entry::Occupied(other) => found.push(conflict(resource, *other.get(), claim)),
                Entry::Vacant(free) => {
                    free.insert(claim);
                }
            }
        }
    }
    found
}

fn conflict(resource: &DesiredResource, first: Claim<'_>, second: Claim<'_>) -> Conflict {
    let id = resource.object.id.as_str();
    let what = match resource.object.address.ty().as_str() {
        "kafka_topic" => "topic",
        "schema_subject" => "subject",
        "iceberg_table" => "table",
        _ => "catalog entry",
    };
    let (older, newer) = if first.draft.product.version <= second.draft.product.version {
        (first, second)
    } else {
        (second, first)
    };
    let owners = [older.draft.product.owner.clone(), newer.draft.product.owner.clone()];
    let detail = format!(
        "`{}` and `{}` both claim the {what} `{id}`; it can have one owner only.",
        owners[0], owners[1]
    );
    let diagnostic = Diagnostic::error(codes::CLAIMED_TWICE, detail)
        .at(newer.span, format!("claims `{id}`"))
        .at(older.span, "and so does this")
        .help(way_out(what, id, older, newer))
        .scoped(&owners[1]);
    (diagnostic, owners)
}

/// For two versions of one product: the exact lines for the newer document.
fn way_out(what: &str, id: &str, older: Claim<'_>, newer: Claim<'_>) -> String {
    let (one, other) = (older.draft.product, newer.draft.product);
    let versions = one.domain == other.domain && one.name == other.name && one.version != other.version;
    if !versions {
        return format!("Give one of them a {what} of its own, or remove one of the two declarations.");
    }
    let version = other.version;
    let environment = newer.draft.world.environment;
    let spelled = |prefix: &str| id.strip_prefix(prefix).unwrap_or(id).to_owned();
    match what {
        "table" => format!(
            "A table carries no version by itself. In the newer document, write in its Iceberg port: \
             `table: {}_v{version}`",
            spelled(&environment.prefixes.namespace)
        ),
        "topic" => {
            let name = spelled(&environment.prefixes.topic);
            let stem = name.strip_suffix(&format!(".v{}", one.version)).unwrap_or(&name);
            format!("In the newer document, write in its Kafka port: `topic: {stem}.v{version}`")
        }
        "subject" => {
            let url = other.doc.spec.schema.as_ref().and_then(|schema| schema.registry.as_ref());
            match url.map(|url| url.trim_end_matches('/')) {
                Some(url) => {
                    format!("In the newer document, write under `schema`: `registry: {url}-v{version}`")
                }
                None => {
                    "Give the newer document a topic of its own; its subject is named after it.".to_owned()
                }
            }
        }
        _ => "Remove one of the two declarations.".to_owned(),
    }
}

/// Two tables in one folder, or one within the other, would delete each other's files.
fn locations<'d>(drafts: impl Iterator<Item = &'d Draft<'d>>) -> Vec<Conflict> {
    let mut all: Vec<(String, Claim<'_>)> = Vec::new();
    for draft in drafts {
        // With the slash, a folder sorts directly before everything within it.
        let claims =
            draft.locations.iter().map(|(text, span)| (format!("{text}/"), Claim { draft, span: *span }));
        all.extend(claims);
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut found = Vec::new();
    let mut outer: Option<&(String, Claim<'_>)> = None;
    for entry in &all {
        match outer {
            Some(holder) if entry.0.starts_with(&holder.0) => found.push(overlap(holder, entry)),
            _ => outer = Some(entry),
        }
    }
    found
}

fn overlap(outer: &(String, Claim<'_>), inner: &(String, Claim<'_>)) -> Conflict {
    let same = outer.0 == inner.0;
    let (first, second) = (outer.1, inner.1);
    let (older, newer) = if same && first.draft.product.version > second.draft.product.version {
        (second, first)
    } else {
        (first, second)
    };
    let owners = [older.draft.product.owner.clone(), newer.draft.product.owner.clone()];
    let place = inner.0.trim_end_matches('/');
    let detail = if same {
        format!("`{}` and `{}` both keep a table in `{place}`.", owners[0], owners[1])
    } else {
        let around = outer.0.trim_end_matches('/');
        format!(
            "The table of `{}` in `{place}` lies within the table of `{}` in `{around}`.",
            owners[1], owners[0]
        )
    };
    let spelled = newer.draft.product.doc.spec.output_ports.iter().find_map(|port| port.location.as_ref());
    let example = spelled.map_or("…", |location| location.trim_end_matches('/'));
    let diagnostic = Diagnostic::error(codes::CLAIMED_TWICE, detail)
        .at(newer.span, "this location")
        .at(older.span, "and this one")
        .help(format!(
            "Give the newer one a folder of its own: `location: {example}-v{}/`",
            newer.draft.product.version
        ))
        .scoped(&owners[1]);
    (diagnostic, owners)
}
