//! What is read and checked, and has no effect in this version: a warning on its line, never silence.

use crate::graph::codes;
use crate::graph::environment::not_enforced;
use crate::manifest::model::{DataProduct, Field, Technology};
use crate::manifest::values::{ElementType, Values};
use crate::manifest::{Load, Manifest};
use datamesh_provider::{Diagnostic, Diagnostics, Spanned};

/// Documents that take effect in a later version.
pub(crate) fn documents(load: &Load, found: &mut Diagnostics) {
    for loaded in &load.manifests {
        let (what, name) = match &loaded.manifest {
            Manifest::GovernancePolicy(doc) => ("GovernancePolicy", &doc.metadata.name),
            Manifest::PolicyWaiver(doc) => ("PolicyWaiver", &doc.metadata.name),
            Manifest::AccessGrant(doc) => ("AccessGrant", &doc.metadata.name),
            Manifest::Mesh(mesh) => {
                let approvers = mesh.spec.governance.as_ref().and_then(|g| g.approvers.first());
                found.extend(approvers.map(|first| not_enforced("governance.approvers", first.span)));
                continue;
            }
            _ => continue,
        };
        found.push(match &loaded.manifest {
            Manifest::GovernancePolicy(_) => policy(name),
            _ => document(what, name),
        });
    }
}

/// A policy's template names topics; the rest of it waits.
fn policy(name: &Spanned<String>) -> Diagnostic {
    let detail = format!(
        "`GovernancePolicy {}` is checked for its shape only. Of its rules, the template of topics gives topics \
         without a name their default, and tables carry the retention of their class; nothing is denied in this version.",
        name.value
    );
    Diagnostic::warning(codes::NOT_ENFORCED, detail).at(name.span, "declared, not enforced by this version")
}

fn document(what: &str, name: &Spanned<String>) -> Diagnostic {
    not_enforced(&format!("{what} {}", name.value), name.span)
}

/// Keys of a product that take effect in a later version.
pub(crate) fn product(doc: &DataProduct, found: &mut Diagnostics) {
    let spec = &doc.spec;
    let mut warn = |key: &str, span| found.push(not_enforced(key, span));
    if let Some(first) = spec.lifecycle.as_ref().and_then(|l| l.ignore_changes.first()) {
        warn("lifecycle.ignore_changes", first.span);
    }
    let tables = || spec.output_ports.iter().any(|port| port.value.technology.value == Technology::Iceberg);
    // Of tables it chooses the retention that they carry.
    if let Some(class) = spec.data_class.as_ref().filter(|_| !tables()) {
        found.push(not_enforced("data_class", class.span));
    }
    if let Some(schema) = &spec.schema {
        fields(&schema.fields, found);
    }
}

fn fields(all: &[Spanned<Field>], found: &mut Diagnostics) {
    for field in all {
        if let Some(optional) = &field.optional {
            found.push(not_enforced("optional", optional.span));
        }
        if let Some(reason) = &field.pii_reason {
            found.push(not_enforced("pii_reason", reason.span));
        }
        found.extend(pii_alone(field));
        fields(&field.fields, found);
        field.items.iter().for_each(|items| element(items, found));
        field.values.iter().for_each(|of| values(of, found));
    }
}

/// What would be taken for protection, and is none.
fn pii_alone(field: &Field) -> Option<Diagnostic> {
    if field.pii.as_ref().is_some_and(|pii| pii.value) {
        return None;
    }
    let span = field.pii_type.as_ref().map(|ty| ty.span);
    let (key, span) = match (span, &field.governance) {
        (Some(span), _) => ("pii_type", span),
        (None, Some(governance)) => ("governance", governance.span),
        (None, None) => return None,
    };
    let detail = format!(
        "`{}` says `{key}` and not `pii: true`: it is treated as no personal data.",
        field.name.value
    );
    let help = "Write `pii: true` beside it, or remove it.";
    Some(Diagnostic::warning(codes::PII_TYPE_ALONE, detail).at(span, "without `pii: true`").help(help))
}

fn values(values: &Values, found: &mut Diagnostics) {
    if let Values::Type(ty) = values {
        element(ty, found);
    }
}

fn element(element_type: &ElementType, found: &mut Diagnostics) {
    fields(&element_type.fields, found);
    element_type.items.iter().for_each(|items| element(items, found));
    element_type.values.iter().for_each(|of| values(of, found));
}
