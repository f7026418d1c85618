//! Contracts whose text stands in a file of its own, beside the manifest: registered as it is written.

use crate::graph::codes;
use crate::graph::draft::Draft;
use crate::manifest::model::{ProductSchema, SchemaFormat};
use crate::manifest::{Language, NamedFile};
use datamesh_provider::{Diagnostic, Spanned};

/// The language a contract is written in.
pub(crate) fn language(schema: &ProductSchema) -> &'static Language {
    Language::of(schema.format.as_ref().map_or(SchemaFormat::Avro, |format| format.value))
}

/// The file with the text of the contract, where there is one and nothing is wrong with how it is named.
pub(crate) fn file<'a>(draft: &mut Draft<'a>, schema: &'a ProductSchema) -> Option<&'a NamedFile> {
    let source = schema.source.as_ref()?;
    if let Some(wrong) = misplaced(schema, source) {
        draft.found.push(wrong);
        return None;
    }
    match draft.world.named.get(&(draft.product.path.clone(), source.value.clone()))? {
        Ok(file) => Some(file),
        Err(error) => {
            let wrong = Diagnostic::error(codes::BAD_SOURCE, format!("{error}."));
            draft.found.push(wrong.on(source, "this file").help(
                "Put the file beside the manifest, into git, and name it from there, such as `order.avsc`.",
            ));
            None
        }
    }
}

/// What does not go together with a file.
fn misplaced(schema: &ProductSchema, source: &Spanned<String>) -> Option<Diagnostic> {
    if let Some(first) = schema.fields.first() {
        let detail = "The contract stands in a file and under `fields`; only one of them can be right.";
        let wrong = Diagnostic::error(codes::BAD_SOURCE, detail).on(source, "the file");
        return Some(wrong.at(first.span, "the fields").help("Remove one of them."));
    }
    if let Some(key) = &schema.primary_key {
        let detail = "A `primary_key` names fields of the manifest, and this contract stands in a file.";
        let wrong = Diagnostic::error(codes::BAD_SOURCE, detail).on(key, "no field to name");
        return Some(wrong.at(source.span, "the file").help("Declare `fields`, or remove `primary_key`."));
    }
    if let Some(record) = &schema.record {
        let detail = "The record has the name that its file gives it.";
        let wrong = Diagnostic::error(codes::BAD_SOURCE, detail).on(record, "another name");
        return Some(wrong.at(source.span, "the file").help("Remove `record`."));
    }
    let wanted = language(schema);
    if source.value.ends_with(wanted.ending) {
        return None;
    }
    let detail =
        format!("`{}` does not end in `{}`, as {} does.", source.value, wanted.ending, wanted.format);
    let help = match Language::of_file(source) {
        Some(meant) => format!("Write `format: {}` beside it.", meant.format),
        None => "Schemas are read from `.avsc`, `.json` and `.proto` files.".to_owned(),
    };
    Some(Diagnostic::error(codes::BAD_SOURCE, detail).on(source, "another language").help(help))
}
