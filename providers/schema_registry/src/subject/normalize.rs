//! Canonical attributes, and the part of a live subject that is managed.

use super::SubjectAttrs;

/// Words of the API in its own spelling; a schema without a type is Avro. The text of a schema stays as it is
/// written, since it is registered like that: what is equal is judged when it is compared.
pub(super) fn normalize(attrs: SubjectAttrs) -> SubjectAttrs {
    let word = |text: String| text.trim().to_ascii_uppercase();
    let default = attrs.schema.is_some().then(|| "AVRO".to_owned());
    // They say nothing without a schema.
    let mut references = if attrs.schema.is_some() { attrs.references } else { Vec::new() };
    references.sort_unstable();
    SubjectAttrs {
        references,
        schema_type: attrs.schema_type.map(word).or(default),
        compatibility: attrs.compatibility.map(word),
        mode: attrs.mode.map(word),
        purge: attrs.purge.filter(|purge| *purge),
        deleted: attrs.deleted.filter(|deleted| *deleted),
        schema: attrs.schema,
    }
}

/// The managed part of `live`. A live text that is the same schema reads as the text that was declared, so that
/// a registry that rewrites what it is given makes no difference.
pub(super) fn managed(live: &SubjectAttrs, like: &SubjectAttrs) -> SubjectAttrs {
    let schema = like.schema.as_ref().and_then(|declared| {
        if live.same_schema(like) { Some(declared.clone()) } else { live.schema.clone() }
    });
    // They are part of the schema: who manages that manages them.
    let references = if like.schema.is_some() { live.references.clone() } else { Vec::new() };
    SubjectAttrs {
        schema,
        references,
        schema_type: like.schema_type.as_ref().and(live.schema_type.clone()),
        compatibility: like.compatibility.as_ref().and(live.compatibility.clone()),
        mode: like.mode.as_ref().and(live.mode.clone()),
        // No registry knows of it: it is about what will be done.
        purge: like.purge,
        deleted: None,
    }
}
