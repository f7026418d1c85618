//! What a schema uses of other subjects, as the same revision declares it.

use datamesh_core::graph::{DesiredGraph, DesiredResource};
use datamesh_provider::Address;
use serde_json::Value;
use std::collections::BTreeSet;

/// The texts that the schema of a subject refers to, each once, and after those that it refers to itself.
pub(super) fn texts<'a>(graph: &'a DesiredGraph, of: &'a DesiredResource) -> Vec<&'a str> {
    let mut texts = Vec::new();
    let mut seen: BTreeSet<&Address> = BTreeSet::new();
    // Each comes back with its text, once what it refers to has been there.
    let mut open: Vec<(&DesiredResource, bool)> =
        referred(graph, of).map(|subject| (subject, false)).collect();
    while let Some((subject, ready)) = open.pop() {
        if ready {
            texts.extend(subject.object.attributes.get("schema").and_then(Value::as_str));
        } else if seen.insert(&subject.object.address) {
            open.push((subject, true));
            open.extend(referred(graph, subject).map(|other| (other, false)));
        }
    }
    texts
}

/// A subject depends on topics and on the subjects it refers to.
fn referred<'a>(
    graph: &'a DesiredGraph,
    of: &'a DesiredResource,
) -> impl Iterator<Item = &'a DesiredResource> {
    let subjects = of.depends_on.iter().filter(|address| super::is_subject(address));
    subjects.filter_map(|address| graph.resources.get(address))
}
