//! From the fields of a manifest to the checked tree.

use crate::contract::spelling::{self, Spelled, SpellingError};
use crate::contract::{
    Contract, ContractField, ContractLimits, ContractType, Element, defaults, did_you_mean, names,
};
use crate::graph::codes;
use crate::manifest::model::Field;
use crate::manifest::values::{ElementType, Scalar, Values};
use datamesh_provider::{Diagnostic, Diagnostics, Span, Spanned};
use std::collections::HashMap;

impl Contract {
    /// Checks the fields and the primary key of a manifest. The contract holds what was right; with an error among
    /// the findings it must not be used for anything but further checks.
    pub fn build(
        fields: &[Spanned<Field>],
        primary_key: &[Spanned<String>],
        limits: ContractLimits,
    ) -> (Self, Diagnostics) {
        let mut builder = Builder { limits, count: 0, diagnostics: Diagnostics::default() };
        let mut contract = Self { fields: builder.fields(fields, 1), primary_key: Vec::new() };
        builder.primary_key(&mut contract, fields, primary_key);
        names::check_nested_names(&contract, &mut builder.diagnostics);
        (contract, builder.diagnostics)
    }

    /// The top-level field of this name.
    pub fn field(&self, name: &str) -> Option<&ContractField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The contract of these top-level fields alone, in this order: that of a record key.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let fields = names.iter().filter_map(|name| self.field(name)).cloned().collect();
        Self { fields, primary_key: Vec::new() }
    }
}

struct Builder {
    limits: ContractLimits,
    count: usize,
    diagnostics: Diagnostics,
}

/// The keys that together say a type: of a field, or of an element.
#[derive(Clone, Copy)]
struct TypeKeys<'a> {
    ty: &'a Spanned<String>,
    values: Option<(&'a Values, Option<Span>)>,
    items: Option<(&'a ElementType, Option<Span>)>,
    keys: Option<(&'a ElementType, Option<Span>)>,
    fields: &'a [Spanned<Field>],
}

impl<'a> TypeKeys<'a> {
    fn of_field(field: &'a Field) -> Self {
        Self {
            ty: &field.ty,
            values: field.values.as_ref().map(|v| (&v.value, v.span)),
            items: field.items.as_ref().map(|v| (&v.value, v.span)),
            keys: field.keys.as_ref().map(|v| (&v.value, v.span)),
            fields: &field.fields,
        }
    }

    fn of_element(element: &'a ElementType) -> Self {
        Self {
            ty: &element.ty,
            values: element.values.as_ref().map(|v| (&*v.value, v.span)),
            items: element.items.as_ref().map(|v| (&*v.value, v.span)),
            keys: element.keys.as_ref().map(|v| (&*v.value, v.span)),
            fields: &element.fields,
        }
    }
}

impl Builder {
    fn fields(&mut self, fields: &[Spanned<Field>], level: usize) -> Vec<ContractField> {
        let mut seen: HashMap<String, &Spanned<String>> = HashMap::with_capacity(fields.len());
        let mut all = Vec::with_capacity(fields.len());
        for field in fields {
            self.count += 1;
            if self.count == self.limits.fields + 1 {
                let limit = self.limits.fields;
                let detail =
                    format!("A product may have {limit} fields, nested ones included; this is one more.");
                self.diagnostics.push(
                    Diagnostic::error(codes::CONTRACT_TOO_LARGE, detail)
                        .on(&field.name, "one field too many")
                        .help("Split the product, or raise `spec.limits.fields` in the Mesh document."),
                );
            }
            if self.count > self.limits.fields {
                continue;
            }
            self.name(field, &mut seen);
            all.extend(self.field(field, level));
        }
        self.earlier_names(fields);
        all
    }

    /// What a field was called belongs to it alone.
    fn earlier_names(&mut self, fields: &[Spanned<Field>]) {
        if fields.iter().all(|field| field.renamed_from.is_none()) {
            return;
        }
        let today: HashMap<&str, &Spanned<String>> =
            fields.iter().map(|field| (field.name.value.as_str(), &field.name)).collect();
        let mut claimed: HashMap<&str, &Spanned<String>> = HashMap::new();
        for field in fields {
            for earlier in field.renamed_from.iter().flat_map(|names| &names.0) {
                let name = earlier.value.as_str();
                let (detail, other) = if let Some(other) = today.get(name) {
                    let detail = format!(
                        "`{}` says that it was called `{name}`, and a field has this name today.",
                        field.name.value
                    );
                    (detail, *other)
                } else if let Some(other) = claimed.insert(name, earlier) {
                    (format!("`{name}` stands twice among the earlier names of these fields."), other)
                } else {
                    continue;
                };
                self.diagnostics.push(
                    Diagnostic::error(codes::BAD_RENAME, detail)
                        .on(earlier, "an earlier name")
                        .on(other, "the same name")
                        .help("Remove it under `renamed_from`, or give the field that has it another name."),
                );
            }
        }
    }

    fn name<'a>(&mut self, field: &'a Spanned<Field>, seen: &mut HashMap<String, &'a Spanned<String>>) {
        let name = &field.name;
        if !names::is_avro_name(name) {
            let detail = format!(
                "`{}` is no field name: letters, digits and `_` only, and no digit first, because schemas and \
                 table engines know no other names.",
                name.value
            );
            self.diagnostics.push(
                Diagnostic::error(codes::BAD_FIELD_NAME, detail)
                    .on(name, "not a field name")
                    .help(format!("Write `{}`.", names::to_avro_name(name))),
            );
        }
        let Some(first) = seen.get(&name.to_ascii_lowercase()) else {
            seen.insert(name.to_ascii_lowercase(), name);
            return;
        };
        let detail = if first.value == name.value {
            format!("The field `{}` is declared twice.", name.value)
        } else {
            format!(
                "`{}` and `{}` differ only in upper and lower case, which most table engines do not see.",
                first.value, name.value
            )
        };
        self.diagnostics.push(
            Diagnostic::error(codes::DUPLICATE_FIELD, detail)
                .on(name, "declared again")
                .on(first, "declared first")
                .help("Rename or remove one of them."),
        );
    }

    fn field(&mut self, field: &Spanned<Field>, level: usize) -> Option<ContractField> {
        let ty = self.ty(TypeKeys::of_field(field), level)?;
        let required = field.required.as_ref().is_some_and(|r| r.value);
        let default = field.default.as_ref().and_then(|default| {
            match defaults::encode(&default.0.value, &ty, required) {
                Ok(value) => Some(value),
                Err(why) => {
                    let detail = format!("The default of `{}` does not fit `{ty}`: {why}.", field.name.value);
                    let place = default.span.or_else(|| default.0.spans.at(&[]));
                    self.diagnostics.push(
                        Diagnostic::error(codes::BAD_DEFAULT, detail)
                            .at(place, "this default")
                            .on(&field.ty, "the type"),
                    );
                    None
                }
            }
        });
        Some(ContractField {
            name: field.name.value.clone(),
            ty,
            required,
            optional: field.optional.as_ref().is_some_and(|o| o.value),
            description: field.description.as_ref().map(|d| d.trim_end().to_owned()),
            default,
            pii: field.pii.as_ref().map(|p| p.value),
            pii_type: field.pii_type.as_ref().map(|p| p.value),
            governance: field.governance.as_ref().map(|g| g.value),
            renamed_from: field
                .renamed_from
                .as_ref()
                .map(|names| names.0.iter().map(|name| name.value.clone()).collect()),
            span: field.name.span,
        })
    }

    fn ty(&mut self, keys: TypeKeys<'_>, level: usize) -> Option<ContractType> {
        if level > self.limits.nesting {
            self.too_deep(keys.ty);
            return None;
        }
        match spelling::parse(keys.ty, self.limits.nesting + 1 - level) {
            Ok(spelled) => {
                self.stray(keys, &spelled);
                self.spelled(spelled, keys, level)
            }
            Err(error) => {
                self.misspelled(keys.ty, error);
                None
            }
        }
    }

    fn spelled(&mut self, spelled: Spelled, keys: TypeKeys<'_>, level: usize) -> Option<ContractType> {
        match spelled {
            Spelled::Plain(ty) => Some(ty),
            Spelled::BareDecimal => {
                let detail = "A decimal without precision is `decimal(38,9)`. It can never be narrowed later, \
                              and many engines are slow with 38 digits.";
                self.diagnostics.push(
                    Diagnostic::warning(codes::BARE_DECIMAL, detail).on(keys.ty, "no precision").help(
                        "Say how many digits it has, such as `decimal(18,2)`; or write `decimal(38,9)`.",
                    ),
                );
                Some(ContractType::Decimal { precision: 38, scale: 9 })
            }
            Spelled::Enum => self.enumeration(keys),
            Spelled::Array(inner) => self.array(inner, keys, level),
            Spelled::Map(inner) => self.map(inner, keys, level),
            Spelled::Struct if keys.fields.is_empty() => {
                self.incomplete(keys.ty, "a struct needs `fields`", "List its fields under `fields`.");
                None
            }
            Spelled::Struct => Some(ContractType::Struct(self.fields(keys.fields, level + 1))),
        }
    }

    fn array(
        &mut self,
        inner: Option<Box<Spelled>>,
        keys: TypeKeys<'_>,
        level: usize,
    ) -> Option<ContractType> {
        let element = match (inner, keys.items) {
            (Some(inner), _) => Element { ty: self.inner(*inner, keys, level)?, required: false },
            (None, Some((items, _))) => self.element(items, level)?,
            (None, None) => {
                self.incomplete(keys.ty, "an array needs `items`", "Write `items: string`, say.");
                return None;
            }
        };
        Some(ContractType::Array(Box::new(element)))
    }

    fn map(
        &mut self,
        inner: Option<Box<(Spelled, Spelled)>>,
        keys: TypeKeys<'_>,
        level: usize,
    ) -> Option<ContractType> {
        if let Some(inner) = inner {
            let (key, value) = *inner;
            let key = self.inner(key, keys, level)?;
            let value = Element { ty: self.inner(value, keys, level)?, required: false };
            return Some(ContractType::Map(Box::new((key, value))));
        }
        let Some((Values::Type(value), _)) = keys.values else {
            self.incomplete(keys.ty, "a map needs the type of its `values`", "Write `values: string`, say.");
            return None;
        };
        let key = match keys.keys {
            Some((key, _)) => self.ty(TypeKeys::of_element(key), level + 1)?,
            None => ContractType::String,
        };
        Some(ContractType::Map(Box::new((key, self.element(value, level)?))))
    }

    fn element(&mut self, element: &ElementType, level: usize) -> Option<Element> {
        let ty = self.ty(TypeKeys::of_element(element), level + 1)?;
        Some(Element { ty, required: element.required.as_ref().is_some_and(|r| r.value) })
    }

    /// A type within angle brackets: nothing beside it can say more.
    fn inner(&mut self, spelled: Spelled, keys: TypeKeys<'_>, level: usize) -> Option<ContractType> {
        let alone = TypeKeys { ty: keys.ty, values: None, items: None, keys: None, fields: &[] };
        self.spelled(spelled, alone, level + 1)
    }

    fn enumeration(&mut self, keys: TypeKeys<'_>) -> Option<ContractType> {
        let Some((Values::Symbols(symbols), place)) = keys.values else {
            self.incomplete(keys.ty, "an enum needs `values`", "List them: `values: [placed, shipped]`.");
            return None;
        };
        if symbols.is_empty() {
            let detail = "An enum needs at least one value.";
            self.diagnostics
                .push(Diagnostic::error(codes::BAD_ENUM_VALUES, detail).at(place, "no value here"));
            return None;
        }
        let mut seen: HashMap<&str, &Spanned<Scalar>> = HashMap::new();
        for symbol in symbols {
            if let Some(first) = seen.insert(symbol.value.as_str(), symbol) {
                let detail = format!("`{}` stands twice among the values.", symbol.value.as_str());
                self.diagnostics.push(
                    Diagnostic::error(codes::BAD_ENUM_VALUES, detail)
                        .on(symbol, "again")
                        .on(first, "first")
                        .help("Remove one of them."),
                );
            }
        }
        let texts: Vec<String> = symbols.iter().map(|s| s.0.clone()).collect();
        let Some(odd) = symbols.iter().find(|s| !names::is_avro_name(s.as_str())) else {
            return Some(ContractType::Enum(texts));
        };
        let detail = format!(
            "`{}` is no Avro name (letters, digits and `_`, no digit first), so this enum becomes a string that \
             carries its values as the attribute `datamesh.values`.",
            odd.as_str()
        );
        self.diagnostics.push(Diagnostic::note(codes::ENUM_AS_STRING, detail).on(odd, "not an Avro name"));
        Some(ContractType::OneOf(texts))
    }

    /// Keys that say something about another type than this.
    fn stray(&mut self, keys: TypeKeys<'_>, spelled: &Spelled) {
        let open_map = matches!(spelled, Spelled::Map(None));
        let values_fit = match keys.values {
            Some((Values::Symbols(_), _)) => *spelled == Spelled::Enum,
            Some((Values::Type(_), _)) => open_map,
            None => true,
        };
        let items_fit = keys.items.is_none() || *spelled == Spelled::Array(None);
        let keys_fit = keys.keys.is_none() || open_map;
        let fields_fit = keys.fields.is_empty() || *spelled == Spelled::Struct;
        let found = [
            (
                values_fit,
                "values",
                keys.values.and_then(|(_, at)| at),
                "an `enum` (a list) or a `map` (a type)",
            ),
            (items_fit, "items", keys.items.and_then(|(_, at)| at), "an `array`"),
            (keys_fit, "keys", keys.keys.and_then(|(_, at)| at), "a `map`"),
            (fields_fit, "fields", keys.fields.first().and_then(|f| f.span), "a `struct`"),
        ];
        for (_, key, place, owner) in found.into_iter().filter(|(fits, ..)| !fits) {
            let detail = format!("`{key}` belongs to {owner}; this is `{}`.", keys.ty.value);
            self.diagnostics.push(
                Diagnostic::error(codes::STRAY_TYPE_KEY, detail)
                    .at(place, "has no meaning here")
                    .on(keys.ty, "the type")
                    .help(format!("Remove `{key}`, or change the type.")),
            );
        }
    }

    fn incomplete(&mut self, ty: &Spanned<String>, what: &str, help: &str) {
        let detail = format!("`{}` does not say what it holds: {what}.", ty.value);
        self.diagnostics
            .push(Diagnostic::error(codes::TYPE_INCOMPLETE, detail).on(ty, what.to_owned()).help(help));
    }

    fn too_deep(&mut self, ty: &Spanned<String>) {
        let detail = format!("Types may be nested {} levels deep; this goes deeper.", self.limits.nesting);
        self.diagnostics.push(
            Diagnostic::error(codes::CONTRACT_TOO_LARGE, detail)
                .on(ty, "too deep")
                .help("Flatten the type, or raise `spec.limits.nesting` in the Mesh document."),
        );
    }

    fn misspelled(&mut self, ty: &Spanned<String>, error: SpellingError) {
        let found = match error {
            SpellingError::TooDeep => return self.too_deep(ty),
            SpellingError::Unknown { word } => {
                let help = did_you_mean(&word, spelling::known_words(), || {
                    format!("The types are {}.", spelling::OUR_WORDS)
                });
                let detail = format!("`{}` is not a type.", ty.value);
                Diagnostic::error(codes::UNKNOWN_TYPE, detail).on(ty, "not a type").help(help)
            }
            SpellingError::Decimal { why } => {
                let detail = format!("`{}` is not possible: {why}.", ty.value);
                Diagnostic::error(codes::BAD_TYPE_NUMBERS, detail)
                    .on(ty, why)
                    .help("Write `decimal(precision, scale)`, such as `decimal(18,2)`.")
            }
            SpellingError::Precision => {
                let detail = format!(
                    "`{}` is not possible: texts and binaries take a length from 1, times a precision of at most 6 \
                     (microseconds), and no other type takes a number.",
                    ty.value
                );
                Diagnostic::error(codes::BAD_TYPE_NUMBERS, detail)
                    .on(ty, "these numbers")
                    .help("Leave the number away.")
            }
        };
        self.diagnostics.push(found);
    }

    fn primary_key(&mut self, contract: &mut Contract, fields: &[Spanned<Field>], key: &[Spanned<String>]) {
        let mut seen: HashMap<&str, &Spanned<String>> = HashMap::new();
        for name in key {
            if let Some(first) = seen.insert(name.value.as_str(), name) {
                let detail = format!("`{}` stands twice in the primary key.", name.value);
                let found = Diagnostic::error(codes::BAD_PRIMARY_KEY, detail);
                self.diagnostics.push(found.on(name, "again").on(first, "first"));
                continue;
            }
            let Some(spelled) = fields.iter().find(|f| f.name.value == name.value) else {
                let names = fields.iter().map(|f| f.name.value.as_str());
                let help = did_you_mean(name, names, || "Name top-level fields of this product.".to_owned());
                let detail = format!("The primary key names `{}`, and there is no such field.", name.value);
                let found = Diagnostic::error(codes::BAD_PRIMARY_KEY, detail);
                self.diagnostics.push(found.on(name, "no such field").help(help));
                continue;
            };
            self.key_field(contract, spelled, name);
        }
    }

    fn key_field(&mut self, contract: &mut Contract, spelled: &Field, name: &Spanned<String>) {
        // A field whose type is wrong has its own finding already.
        let Some(field) = contract.fields.iter_mut().find(|f| f.name == name.value) else { return };
        if !field.ty.is_primitive() || matches!(field.ty, ContractType::Float | ContractType::Double) {
            let detail = format!(
                "`{}` cannot be part of the primary key: a key has no floating-point numbers and no nested types, \
                 because they do not compare exactly; `{}` is {}.",
                name.value, name.value, field.ty
            );
            let found = Diagnostic::error(codes::BAD_PRIMARY_KEY, detail);
            self.diagnostics.push(found.on(name, "in the key").on(&spelled.ty, "its type"));
        }
        if let Some(required) = spelled.required.as_ref().filter(|r| !r.value) {
            let detail =
                format!("`{}` is part of the primary key, which implies `required: true`.", name.value);
            self.diagnostics.push(
                Diagnostic::error(codes::BAD_PRIMARY_KEY, detail)
                    .on(required, "says the opposite")
                    .on(name, "in the key")
                    .help("Remove `required: false`, or take the field out of the key."),
            );
        }
        if field.default.as_ref().is_some_and(serde_json::Value::is_null) {
            let detail =
                format!("`{}` is part of the primary key and so cannot default to null.", name.value);
            let found = Diagnostic::error(codes::BAD_PRIMARY_KEY, detail);
            self.diagnostics.push(found.on(name, "in the key"));
            field.default = None;
        }
        field.required = true;
        contract.primary_key.push(name.value.clone());
    }
}
