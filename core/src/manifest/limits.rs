//! Limits on what is read, so that no file can exhaust memory, the stack or a live system.

use crate::manifest::codes;
use crate::manifest::model::{DataProduct, Field, LimitSettings, Opt};
use crate::manifest::values::{ElementType, Values};
use datamesh_provider::{Diagnostic, Diagnostics, Span, Spanned};

/// Limits of one load. The defaults hold unless the Mesh document sets others in `spec.limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files with manifests.
    pub total_bytes: u64,
    /// Manifests in all.
    pub documents: u64,
    /// Maps and lists within each other in one document.
    pub depth: u64,
    /// Bytes of one value.
    pub scalar_bytes: u64,
    /// Nodes that aliases of one file stand for.
    pub alias_nodes: u64,
    /// Fields of one product, nested ones included.
    pub fields: u64,
    /// Levels of nested fields in one product.
    pub nesting: u64,
    /// Partitions of one topic.
    pub partitions: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 20,
            total_bytes: 256 << 20,
            documents: 100_000,
            depth: 64,
            scalar_bytes: 64 << 10,
            alias_nodes: 10_000,
            fields: 5_000,
            nesting: 32,
            partitions: 10_000,
        }
    }
}

/// Above these the program's own structures would break: the stack for `depth` and `nesting`, 32-bit places for
/// `file_bytes`, memory for the rest.
const CEILING: Limits = Limits {
    file_bytes: 1 << 30,
    total_bytes: 1 << 36,
    documents: 10_000_000,
    depth: 512,
    scalar_bytes: 1 << 30,
    alias_nodes: 10_000_000,
    fields: 1_000_000,
    nesting: 256,
    partitions: 1_000_000,
};

impl Limits {
    /// The highest that a Mesh document can set.
    pub(crate) fn widest() -> Self {
        CEILING
    }

    /// The limits that a Mesh document sets. A setting outside of its range is reported and leaves the default.
    pub fn from_settings(settings: &LimitSettings) -> (Self, Diagnostics) {
        let LimitSettings {
            file_bytes,
            total_bytes,
            documents,
            depth,
            scalar_bytes,
            alias_nodes,
            fields,
            nesting,
            partitions,
        } = settings;
        let (mut limits, mut found) = (Self::default(), Diagnostics::default());
        let mut set = |name: &str, target: &mut u64, setting: &Opt<u64>, ceiling: u64| {
            let Some(setting) = setting else { return };
            if (*target..=ceiling).contains(&setting.value) {
                *target = setting.value;
                return;
            }
            let detail = format!(
                "`limits.{name}` is {}, but it can only be raised: from {} (the default) to {ceiling} (what the program can handle).",
                setting.value, *target
            );
            let help = format!("Write a number from {} to {ceiling}, or leave the key out.", *target);
            found.push(Diagnostic::error(codes::BAD_LIMIT, detail).on(setting, "out of range").help(help));
        };
        set("file_bytes", &mut limits.file_bytes, file_bytes, CEILING.file_bytes);
        set("total_bytes", &mut limits.total_bytes, total_bytes, CEILING.total_bytes);
        set("documents", &mut limits.documents, documents, CEILING.documents);
        set("depth", &mut limits.depth, depth, CEILING.depth);
        set("scalar_bytes", &mut limits.scalar_bytes, scalar_bytes, CEILING.scalar_bytes);
        set("alias_nodes", &mut limits.alias_nodes, alias_nodes, CEILING.alias_nodes);
        set("fields", &mut limits.fields, fields, CEILING.fields);
        set("nesting", &mut limits.nesting, nesting, CEILING.nesting);
        set("partitions", &mut limits.partitions, partitions, CEILING.partitions);
        (limits, found)
    }

    /// How to raise one limit, as the help of a diagnostic.
    pub(crate) fn raise(name: &str) -> String {
        format!("If this is meant, raise `spec.limits.{name}` in the Mesh document.")
    }

    /// What of a decoded product is over a limit.
    pub fn check_product(&self, product: &DataProduct) -> Diagnostics {
        let mut found = Diagnostics::default();
        if let Some(schema) = &product.spec.schema {
            let mut count = FieldCount::default();
            count.fields(&schema.fields, 1);
            if count.fields > self.fields {
                let detail = format!(
                    "The schema has {} fields, nested ones included; {} are allowed.",
                    count.fields, self.fields
                );
                let diagnostic = Diagnostic::error(codes::TOO_MANY_FIELDS, detail).on(schema, "this schema");
                found.push(diagnostic.help(Self::raise("fields")));
            }
            if count.deepest > self.nesting {
                let detail = format!(
                    "The fields are nested {} levels deep; {} are allowed.",
                    count.deepest, self.nesting
                );
                let diagnostic =
                    Diagnostic::error(codes::FIELDS_TOO_DEEP, detail).at(count.place, "the deepest field");
                found.push(diagnostic.help(Self::raise("nesting")));
            }
        }
        for port in &product.spec.output_ports {
            self.check_partitions(&port.partitions, &mut found);
        }
        for environment in product.spec.environments.values() {
            for port in environment.ports.values() {
                self.check_partitions(&port.partitions, &mut found);
            }
        }
        found
    }

    fn check_partitions(&self, partitions: &Opt<u32>, found: &mut Diagnostics) {
        let Some(partitions) = partitions else { return };
        if u64::from(partitions.value) > self.partitions {
            let detail = format!(
                "The topic asks for {} partitions; {} are allowed. Partitions can be added, never removed.",
                partitions.value, self.partitions
            );
            let diagnostic = Diagnostic::error(codes::TOO_MANY_PARTITIONS, detail).on(partitions, "too many");
            found.push(diagnostic.help(Self::raise("partitions")));
        }
    }
}

/// Counts fields and their levels. Its recursion is bounded by the depth limit of the YAML itself.
#[derive(Default)]
struct FieldCount {
    fields: u64,
    deepest: u64,
    place: Option<Span>,
}

impl FieldCount {
    fn fields(&mut self, fields: &[Spanned<Field>], level: u64) {
        for field in fields {
            self.fields += 1;
            self.reach(level, field.span);
            self.fields(&field.fields, level + 1);
            for part in [&field.items, &field.keys].into_iter().flatten() {
                self.element(part, level + 1, part.span);
            }
            if let Some(values) = &field.values {
                self.values(values, level + 1, values.span);
            }
        }
    }

    fn element(&mut self, element: &ElementType, level: u64, span: Option<Span>) {
        self.reach(level, span);
        self.fields(&element.fields, level + 1);
        for part in [&element.items, &element.keys].into_iter().flatten() {
            self.element(part, level + 1, part.span);
        }
        if let Some(values) = &element.values {
            self.values(values, level + 1, values.span);
        }
    }

    fn values(&mut self, values: &Values, level: u64, span: Option<Span>) {
        if let Values::Type(element) = values {
            self.element(element, level, span);
        }
    }

    fn reach(&mut self, level: u64, span: Option<Span>) {
        if level > self.deepest {
            (self.deepest, self.place) = (level, span);
        }
    }
}
