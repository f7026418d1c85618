//! A changelog of contracts.

use super::attributes::{Line, lines};
use super::escape;
use super::human::plural;
use super::json;
use super::plan_human::attribute_lines;
use super::style::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use crate::breaking::{Broken, Changelog, Fate, OwnerChange, Party, ResourceChange};
use datamesh_provider::{Sources, Span};
use std::fmt::Write as _;

/// For people.
pub fn human(changelog: &Changelog, sources: &Sources) -> String {
    let mut out = String::new();
    for owner in &changelog.owners {
        one(&mut out, owner, sources);
        out.push('\n');
    }
    out.push_str(&paint(BOLD, summary(changelog)));
    out.push('\n');
    out
}

/// The last line.
pub fn summary(changelog: &Changelog) -> String {
    let is_product = |owner: &&OwnerChange| owner.owner.contains('@');
    let changed = changelog.owners.iter().filter(is_product).count();
    match (changed, changelog.breaking()) {
        (0, 0) => "No contract changed.".to_owned(),
        (changed, 0) => format!("{} changed, and no promise is broken.", plural(changed, "product")),
        (changed, breaking) => format!(
            "{} changed, of which {breaking} {} what was promised.",
            plural(changed, "product"),
            if breaking == 1 { "breaks" } else { "break" }
        ),
    }
}

fn one(out: &mut String, owner: &OwnerChange, sources: &Sources) {
    let (style, word) = match (owner.fate, owner.breaks()) {
        (Fate::New, _) => (GREEN, "is new"),
        (Fate::Gone, _) => (RED, "goes away"),
        (Fate::Changed, true) => (RED, "breaks its contract"),
        (Fate::Changed, false) => (YELLOW, "changes"),
    };
    let _ = writeln!(out, "{} {}", paint(BOLD, escape::line(&owner.owner)), paint(style, word));
    for (party, title) in [
        (Party::Consumers, "For consumers, who read with the contract as it was:"),
        (Party::Producers, "For producers, and what is written already:"),
    ] {
        let of_party: Vec<&Broken> = owner.broken.iter().filter(|broken| broken.party == party).collect();
        if of_party.is_empty() {
            continue;
        }
        let _ = writeln!(out, "  {title}");
        of_party.iter().for_each(|broken| told(out, broken, sources));
    }
    for change in &owner.changes {
        resource(out, change);
    }
    if let Some(version) = owner.suggested {
        let product = owner.owner.split('@').next().unwrap_or(&owner.owner);
        let product = escape::line(product);
        let _ = writeln!(
            out,
            "  Suggested: publish it as version {version} beside this one: `datamesh new version {product}`"
        );
    }
}

fn told(out: &mut String, broken: &Broken, sources: &Sources) {
    let (sign, remark) =
        if broken.promised { (paint(RED, "!"), "") } else { (paint(DIM, "·"), " (not promised)") };
    let rule = broken.rule.map_or(String::new(), |rule| format!(" [{rule}]"));
    let _ =
        writeln!(out, "    {sign} {}{}{}", escape::line(&broken.what), paint(DIM, rule), paint(DIM, remark));
    if let Some((path, line, column)) = place(broken.span, sources) {
        let _ = writeln!(out, "      {}", paint(DIM, format!("{}:{line}:{column}", escape::line(&path))));
    }
}

fn resource(out: &mut String, change: &ResourceChange) {
    let (style, sign) = match change.fate {
        Fate::New => (GREEN, "+"),
        Fate::Gone => (RED, "-"),
        Fate::Changed => (YELLOW, "~"),
    };
    let ty = escape::line(change.address.ty().as_str());
    let _ = writeln!(out, "  {} {ty}  {}", paint(style, format!("{sign:>3}")), escape::line(&change.id));
    let shown: Vec<Line> = change.attributes.iter().flat_map(lines).collect();
    attribute_lines(out, &shown);
    for note in &change.notes {
        let _ = writeln!(out, "      {}", escape::line(note));
    }
}

fn place(span: Option<Span>, sources: &Sources) -> Option<(String, usize, usize)> {
    let span = span?;
    let (line, column) = sources.line_column(span)?;
    Some((sources.path(span.file).to_owned(), line, column))
}

/// For programs: one document.
pub fn json(changelog: &Changelog, sources: &Sources) -> String {
    json::document_text(&json::ChangelogDocument::of(changelog, sources))
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::*;

    fn changelog(text: &str) -> Changelog {
        let broken = Broken {
            party: Party::Consumers,
            what: text.to_owned(),
            rule: Some("type-mismatch"),
            promised: true,
            span: None,
        };
        let change = ResourceChange {
            address: "orders/facts@1:kafka_topic.kafka".parse().expect("an address"),
            id: text.to_owned(),
            fate: Fate::Changed,
            attributes: Vec::new(),
            notes: vec![text.to_owned()],
        };
        let owner = OwnerChange {
            owner: "orders/facts@1".to_owned(),
            fate: Fate::Changed,
            broken: vec![broken.clone(), Broken { party: Party::Producers, promised: false, ..broken }],
            changes: vec![change],
            suggested: Some(2),
        };
        Changelog { owners: vec![owner] }
    }

    #[test]
    fn both_sides_are_told_and_what_to_do() {
        let text = human(&changelog("amount: string becomes long"), &Sources::default());
        snapbox::assert_data_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            snapbox::str![[r#"
orders/facts@1 breaks its contract
  For consumers, who read with the contract as it was:
    ! amount: string becomes long [type-mismatch]
  For producers, and what is written already:
    · amount: string becomes long [type-mismatch] (not promised)
    ~ kafka_topic  amount: string becomes long
      amount: string becomes long
  Suggested: publish it as version 2 beside this one: `datamesh new version orders/facts`

1 product changed, of which 1 breaks what was promised.

"#]]
        );
        assert_eq!(summary(&Changelog::default()), "No contract changed.");
    }

    #[test]
    fn hostile_texts_are_harmless() {
        for text in HOSTILE {
            assert!(is_clean(&human(&changelog(text), &Sources::default())), "{text:?}");
            assert!(is_clean(&json(&changelog(text), &Sources::default())), "{text:?}");
        }
    }
}
