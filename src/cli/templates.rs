//! The manifests that `init` and `new` write.

use clap::ValueEnum;

/// What kind of product a new manifest is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Events on a Kafka topic
    Streaming,
    /// A table that is complete once a day
    Batch,
    /// What an operational system knows, streamed and kept as a table
    #[default]
    SourceAligned,
    /// Facts of several products, brought together
    Aggregate,
    /// Made for one use
    ConsumerAligned,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Self::Streaming => include_str!("templates/streaming.yaml"),
            Self::Batch => include_str!("templates/batch.yaml"),
            Self::SourceAligned => include_str!("templates/source-aligned.yaml"),
            Self::Aggregate => include_str!("templates/aggregate.yaml"),
            Self::ConsumerAligned => include_str!("templates/consumer-aligned.yaml"),
        }
    }
}

/// Replaces each `{{key}}`. Values are names and addresses that were checked: none needs quoting in YAML.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
}

/// A DataProduct.
pub(super) fn product(template: Template, domain: &str, name: &str, owner: &str) -> String {
    let snake = name.replace('-', "_");
    fill(template.text(), &[("name", name), ("domain", domain), ("owner", owner), ("snake", &snake)])
}

/// A Domain.
pub(super) fn domain(name: &str, owner: &str) -> String {
    fill(include_str!("templates/domain.yaml"), &[("domain", name), ("owner", owner)])
}

/// A Mesh with one environment, `sandbox`.
pub(super) fn mesh(name: &str, kafka: &str, registry: &str) -> String {
    fill(include_str!("templates/datamesh.yaml"), &[("mesh", name), ("kafka", kafka), ("registry", registry)])
}

/// Whether a name is kebab-case, as names of domains and products are.
pub(super) fn is_kebab(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= 100 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(part)
}

/// The nearest kebab-case name: `My Orders` becomes `my-orders`.
pub(super) fn to_kebab(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_matches('-').trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    if out.is_empty() { "mesh".to_owned() } else { out.chars().take(100).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_filled_completely() {
        for template in Template::value_variants() {
            let text = product(*template, "orders", "order-lines", "team@example.com");
            assert!(!text.contains("{{") && text.contains("name: order-lines"), "{text}");
        }
        assert!(!mesh("acme", "127.0.0.1:19092", "http://127.0.0.1:18081").contains("{{"));
        assert!(!domain("orders", "team@example.com").contains("{{"));
    }

    #[test]
    fn names_are_kebab_case() {
        for good in ["a", "orders", "order-lines-2"] {
            assert!(is_kebab(good), "{good}");
        }
        for bad in ["", "Orders", "-a", "a-", "a--b", "2a", "a_b", "a/b", "ä", "a\nb"] {
            assert!(!is_kebab(bad), "{bad:?}");
            assert!(is_kebab(&to_kebab(bad)), "{bad:?} gives {}", to_kebab(bad));
        }
        assert_eq!(to_kebab("My Orders"), "my-orders");
    }
}
