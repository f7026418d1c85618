//! `datamesh new version`: the next major version of a product, as a document of its own.
//!
//! The new document is the old one with a few places edited: its version, and every physical name that would
//! otherwise be the old one's, too.

use crate::cli::codes;
use crate::cli::files;
use crate::cli::invocation::shown;
use crate::source;
use datamesh_core::manifest::Manifest;
use datamesh_core::manifest::model::{DataProduct, OutputPort, Technology};
use datamesh_provider::{Diagnostic, Span, Spanned};
use std::path::{Path, PathBuf};

/// Writes the document; what to print.
pub(super) fn create(root: &Path, product: &str) -> Result<String, Box<Diagnostic>> {
    let loaded = source::load(root).load;
    let products: Vec<_> = loaded
        .manifests
        .iter()
        .filter_map(|one| match &one.manifest {
            Manifest::DataProduct(manifest) => Some((one, &**manifest)),
            _ => None,
        })
        .collect();
    let (name, asked) = match product.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (product, None),
    };
    let same_product = |manifest: &DataProduct| {
        let full = format!("{}/{}", manifest.metadata.domain.value, manifest.metadata.name.value);
        full == name || manifest.metadata.name.value == name
    };
    let versions: Vec<_> = products.iter().filter(|(_, manifest)| same_product(manifest)).collect();
    let base = versions
        .iter()
        .filter(|(_, manifest)| asked.is_none_or(|asked| version(manifest).to_string() == asked))
        .max_by_key(|(_, manifest)| version(manifest));
    let Some((one, manifest)) = base else { return Err(unknown(product, &products)) };
    let domains: std::collections::BTreeSet<&str> =
        versions.iter().map(|(_, manifest)| manifest.metadata.domain.value.as_str()).collect();
    if domains.len() > 1 {
        return Err(ambiguous(name, &domains));
    }
    let next = versions.iter().map(|(_, manifest)| version(manifest)).max().unwrap_or(1) + 1;
    let text = loaded.sources.get(one.span.file).and_then(|file| file.text.clone()).unwrap_or_default();
    let document = slice(&text, one.span);
    let offset = usize::try_from(one.span.start).unwrap_or(0);
    let edits = edits(manifest, &text, next);
    let path = beside(root, &one.path, manifest, next);
    files::write_new(&path, &edited(document, offset, edits.list))?;
    Ok(report(root, &path, manifest, next, &edits.said))
}

fn version(manifest: &DataProduct) -> u32 {
    manifest
        .spec
        .schema
        .as_ref()
        .and_then(|schema| schema.version.as_ref())
        .map_or(1, |version| version.value)
}

fn unknown(product: &str, products: &[(&datamesh_core::manifest::Loaded, &DataProduct)]) -> Box<Diagnostic> {
    let names: Vec<String> = products
        .iter()
        .map(|(_, m)| format!("{}/{}@{}", m.metadata.domain.value, m.metadata.name.value, version(m)))
        .collect();
    let close = names.iter().max_by(|a, b| {
        let like = |name: &str| strsim::jaro_winkler(name, product);
        like(a).total_cmp(&like(b))
    });
    let mut diagnostic =
        Diagnostic::error(codes::UNKNOWN_PRODUCT, format!("No manifest declares the product `{product}`."));
    if let Some(close) = close {
        diagnostic = diagnostic.help(format!("Did you mean `{close}`?"));
    }
    Box::new(diagnostic)
}

fn ambiguous(name: &str, domains: &std::collections::BTreeSet<&str>) -> Box<Diagnostic> {
    let full: Vec<String> = domains.iter().map(|domain| format!("`{domain}/{name}`")).collect();
    let detail = format!("Several domains have a product `{name}`.");
    Box::new(
        Diagnostic::error(codes::UNKNOWN_PRODUCT, detail).help(format!("Say which: {}.", full.join(" or "))),
    )
}

fn slice(text: &str, span: Span) -> &str {
    let (start, end) = (usize::try_from(span.start).unwrap_or(0), usize::try_from(span.end).unwrap_or(0));
    text.get(start..end).unwrap_or_default()
}

/// What changes between the two documents.
#[derive(Debug, Default)]
struct Edits {
    /// Byte range of the file, and what stands there instead.
    list: Vec<(std::ops::Range<usize>, String)>,
    said: Vec<String>,
}

fn range(span: Span) -> std::ops::Range<usize> {
    usize::try_from(span.start).unwrap_or(0)..usize::try_from(span.end).unwrap_or(0)
}

impl Edits {
    /// Another scalar in place of one that was written; quotes stay.
    fn replace(&mut self, text: &str, old: &Spanned<String>, new: &str, what: &str) {
        let Some(span) = old.span else { return };
        let quote = slice(text, span)
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''))
            .map_or(String::new(), String::from);
        self.list.push((range(span), format!("{quote}{new}{quote}")));
        self.said.push(format!("{what}: {new}"));
    }

    /// A new first key of a map.
    fn insert(&mut self, text: &str, map: Option<Span>, key: &str, value: &str, what: &str) {
        let Some(span) = map else { return };
        let at = range(span).start;
        let indent: String = {
            let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            text[line..at].chars().map(|_| ' ').collect()
        };
        let (at, line) = match text[at..].starts_with('{') {
            true => (at + 1, format!(" {key}: {value},")),
            false => (at, format!("{key}: {value}\n{indent}")),
        };
        self.list.push((at..at, line));
        self.said.push(format!("{what}: {value}"));
    }
}

fn edits(manifest: &DataProduct, text: &str, next: u32) -> Edits {
    let mut edits = Edits::default();
    let was = version(manifest);
    let schema = manifest.spec.schema.as_ref();
    match schema {
        Some(schema) => match &schema.version {
            Some(version) => {
                if let Some(span) = version.span {
                    edits.list.push((range(span), next.to_string()));
                }
            }
            None => edits.insert(text, schema.span, "version", &next.to_string(), "version"),
        },
        None => edits.insert(text, manifest.spec.span, "schema", &format!("{{ version: {next} }}"), "schema"),
    }
    if let Some(registry) = schema.and_then(|schema| schema.registry.as_ref()) {
        edits.replace(text, registry, &bumped(&registry.value, '-', was, next), "subject");
    }
    for port in &manifest.spec.output_ports {
        let name = port.name.as_ref().map_or(words(port.technology.value), |name| name.value.as_str());
        port_edits(&mut edits, text, manifest, port, name, (was, next));
    }
    edits
}

fn words(technology: Technology) -> &'static str {
    match technology {
        Technology::Kafka => "kafka",
        Technology::Iceberg => "iceberg",
        Technology::Rest => "rest",
    }
}

fn port_edits(
    edits: &mut Edits,
    text: &str,
    manifest: &DataProduct,
    port: &Spanned<OutputPort>,
    name: &str,
    (was, next): (u32, u32),
) {
    if let Some(topic) = &port.topic {
        edits.replace(text, topic, &bumped(&topic.value, '.', was, next), &format!("topic of `{name}`"));
    }
    if port.technology.value != Technology::Iceberg {
        return;
    }
    let what = format!("table of `{name}`");
    match &port.table {
        Some(table) => edits.replace(text, table, &bumped(&table.value, '_', was, next), &what),
        None => {
            let snake = |text: &str| text.replace('-', "_").to_lowercase();
            let (domain, product) = (&manifest.metadata.domain.value, &manifest.metadata.name.value);
            let table = format!("{}.{}_v{next}", snake(domain), snake(product));
            edits.insert(text, port.span, "table", &table, &what);
        }
    }
    if let Some(location) = &port.location {
        let (path, slash) = match location.value.strip_suffix('/') {
            Some(path) => (path, "/"),
            None => (location.value.as_str(), ""),
        };
        let new = bumped(path, '_', was, next) + slash;
        edits.replace(text, location, &new, &format!("location of `{name}`"));
    }
}

/// `x.v3` becomes `x.v4`; a name without a version gets one.
fn bumped(name: &str, separator: char, was: u32, next: u32) -> String {
    for separator in [separator, '.', '-', '_', '/'] {
        if let Some(stem) = name.strip_suffix(&format!("{separator}v{was}")) {
            return format!("{stem}{separator}v{next}");
        }
    }
    format!("{name}{separator}v{next}")
}

/// Applies edits to a document that begins at `offset` of its file.
fn edited(document: &str, offset: usize, mut edits: Vec<(std::ops::Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut out = document.to_owned();
    for (range, text) in edits {
        let (Some(start), Some(end)) = (range.start.checked_sub(offset), range.end.checked_sub(offset))
        else {
            continue;
        };
        if out.is_char_boundary(start) && out.is_char_boundary(end) && end <= out.len() {
            out.replace_range(start..end, &text);
        }
    }
    let out = out.trim_start_matches("---").trim_matches(['\n', '\r']);
    format!("{out}\n")
}

/// `orders-facts.yaml` becomes `orders-facts-v4.yaml`.
fn beside(root: &Path, path: &str, manifest: &DataProduct, next: u32) -> PathBuf {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    root.join(folder).join(format!("{}-v{next}.yaml", manifest.metadata.name.value))
}

fn report(root: &Path, path: &Path, manifest: &DataProduct, next: u32, said: &[String]) -> String {
    let product = format!("{}/{}", manifest.metadata.domain.value, manifest.metadata.name.value);
    let file = shown(&files::below(path, root));
    let mut out = format!("Wrote {file}: {product}@{next}, beside version {}.\n", version(manifest));
    for line in said {
        out.push_str(&format!("  {}\n", crate::cli::render::escape::line(line)));
    }
    out.push_str(&format!(
        "\nNext:\n  make the breaking change in {file}\n  datamesh plan --target product:{product}@{next}\n  tell \
         the consumers; when the last one has moved, retire the old version with a Removed document\n"
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED_LIKE: &str = r#"# before
apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata:
  name: orders-facts
  domain: order-management
spec:
  schema:
    registry: https://schema-registry.internal/subjects/orders-facts
    version: 3   # the third
    fields:
      - { name: order_id, type: string }
  output_ports:
    - type: streaming
      technology: kafka
      topic: "orders-domain.orders-facts.v3"
    - type: batch
      technology: iceberg
      location: s3://data-lake/orders/facts/
    - { technology: iceberg, name: second, table: order_management.facts }
"#;

    const MESH: &str = "apiVersion: datamesh.example.com/v1\nkind: Mesh\nmetadata: { name: m }\nspec: { environments: {} }\n";

    fn mesh(product: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("datamesh.yaml"), MESH).expect("written");
        std::fs::create_dir_all(dir.path().join("domains/x")).expect("made");
        std::fs::write(dir.path().join("domains/x/facts.yaml"), product).expect("written");
        dir
    }

    fn read(dir: &tempfile::TempDir, path: &str) -> String {
        std::fs::read_to_string(dir.path().join(path)).expect(path)
    }

    #[test]
    fn the_next_version_shares_no_physical_name() {
        let dir = mesh(SEED_LIKE);
        let said = create(dir.path(), "order-management/orders-facts").expect("works");
        let new = read(&dir, "domains/x/orders-facts-v4.yaml");
        for expected in [
            "version: 4   # the third",
            "topic: \"orders-domain.orders-facts.v4\"",
            "registry: https://schema-registry.internal/subjects/orders-facts-v4",
            "table: order_management.orders_facts_v4\n      type: batch",
            "location: s3://data-lake/orders/facts_v4/",
            "table: order_management.facts_v4 }",
        ] {
            assert!(new.contains(expected), "{expected}\n{new}");
        }
        assert!(
            said.contains("order-management/orders-facts@4")
                && said.contains("domains/x/orders-facts-v4.yaml"),
            "{said}"
        );
        assert_eq!(read(&dir, "domains/x/facts.yaml"), SEED_LIKE, "the old document stays as it is");
        let again = create(dir.path(), "orders-facts").expect("the next one after the highest");
        assert!(again.contains("orders-facts@5"), "{again}");
        let from_old = create(dir.path(), "orders-facts@3").expect("from the third").contains("@6");
        assert!(from_old);
    }

    #[test]
    fn a_version_nobody_wrote_is_one() {
        let text = SEED_LIKE.replace("    version: 3   # the third\n", "");
        let dir = mesh(&text);
        create(dir.path(), "orders-facts").expect("works");
        let new = read(&dir, "domains/x/orders-facts-v2.yaml");
        assert!(new.contains("  schema:\n    version: 2\n    registry:"), "{new}");
        let dir = mesh(
            "apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata: { name: a, domain: b }\nspec:\n  description: x\n",
        );
        create(dir.path(), "a").expect("works");
        assert!(
            read(&dir, "domains/x/a-v2.yaml").contains("spec:\n  schema: { version: 2 }\n  description: x")
        );
    }

    #[test]
    fn an_unknown_product_gets_a_suggestion() {
        let dir = mesh(SEED_LIKE);
        let refused = create(dir.path(), "order-management/order-fact").expect_err("unknown");
        assert!(refused.help.as_deref().is_some_and(|help| help.contains("order-management/orders-facts@3")));
    }

    #[test]
    fn names_are_bumped_in_their_own_style() {
        assert_eq!(bumped("a.b.v3", '.', 3, 4), "a.b.v4");
        assert_eq!(bumped("a_v3", '.', 3, 4), "a_v4");
        assert_eq!(bumped("a", '_', 1, 2), "a_v2");
        assert_eq!(bumped("a.v13", '.', 3, 4), "a.v13.v4");
    }
}
