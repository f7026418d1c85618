//! `Moved`, `Removed` and `Import`: decisions that are reviewed like everything else.

use crate::graph::products::parse_owner;
use crate::graph::recorded::Recorded;
use crate::graph::selector::AddressGlob;
use crate::graph::{DesiredResource, ImportRequest, Move, Removal, codes};
use crate::manifest::model;
use crate::manifest::{Load, Manifest};
use datamesh_provider::{Address, Diagnostic, Diagnostics, Span, Spanned};
use std::collections::{BTreeMap, HashMap};

/// What the three kinds say, read and checked as far as they alone can tell.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    pub(crate) moves: Vec<Move>,
    pub(crate) removals: Vec<Removal>,
    pub(crate) imports: Vec<ImportRequest>,
    globs: Vec<AddressGlob>,
}

/// Addresses by their owner: a decision is mostly about one, and there may be many decisions.
type ByOwner<'a> = HashMap<String, Vec<&'a Address>>;

fn by_owner<'a>(addresses: impl Iterator<Item = &'a Address>) -> ByOwner<'a> {
    let mut all = ByOwner::new();
    for address in addresses {
        all.entry(address.owner()).or_default().push(address);
    }
    all
}

/// The first address that is meant.
fn first_match<'a>(glob: &AddressGlob, all: &ByOwner<'a>) -> Option<&'a Address> {
    let meant = |address: &&&'a Address| glob.matches(address);
    match glob.only_owner() {
        Some(owner) => all.get(owner)?.iter().find(meant).copied(),
        None => all.values().flatten().filter(meant).min().copied(),
    }
}

impl Decisions {
    pub(crate) fn read(load: &Load, recorded: &Recorded, found: &mut Diagnostics) -> Self {
        let mut decisions = Self::default();
        let mut imported = HashMap::new();
        let any_move = load.manifests.iter().any(|loaded| matches!(loaded.manifest, Manifest::Moved(_)));
        let recorded = by_owner(recorded.objects.keys().filter(|_| any_move));
        for loaded in &load.manifests {
            match &loaded.manifest {
                Manifest::Moved(doc) => decisions.moved(doc, &recorded, found),
                Manifest::Removed(doc) => decisions.removed(doc, found),
                Manifest::Import(doc) => decisions.import(doc, &mut imported, found),
                _ => {}
            }
        }
        decisions.one_way(found);
        decisions
    }

    fn moved(&mut self, doc: &model::Moved, recorded: &ByOwner<'_>, found: &mut Diagnostics) {
        let (from, to) = (&doc.spec.from, &doc.spec.to);
        if parse_owner(from).is_some() && parse_owner(to).is_some() {
            return self.product_moved(from, to, recorded, found);
        }
        let (Some(old), Some(new)) = (address(from, found), address(to, found)) else { return };
        if old.ty() != new.ty() {
            let detail = format!("A {} cannot become a {}.", old.ty(), new.ty());
            let wrong =
                Diagnostic::error(codes::BAD_MOVE, detail).on(to, "another type").on(from, "than this");
            return found.push(wrong.help("Move a resource to an address of the same type."));
        }
        self.moves.push(Move { from: old, to: new, span: from.span });
    }

    /// A product that got another name: everything recorded under the old one moves along.
    fn product_moved(
        &mut self,
        from: &Spanned<String>,
        to: &Spanned<String>,
        recorded: &ByOwner<'_>,
        found: &mut Diagnostics,
    ) {
        let before = self.moves.len();
        for old in recorded.get(&from.value).into_iter().flatten() {
            let new = format!("{}:{}.{}", to.value, old.ty(), old.name()).parse();
            self.moves.extend(new.ok().map(|new| Move { from: (*old).clone(), to: new, span: from.span }));
        }
        if self.moves.len() == before {
            let detail = format!("Nothing is recorded under `{}`, so there is nothing to move.", from.value);
            found.push(stale(detail, from));
        }
    }

    /// Each address is left once and reached once.
    fn one_way(&mut self, found: &mut Diagnostics) {
        let mut left: HashMap<&Address, &Move> = HashMap::new();
        let mut reached: HashMap<&Address, &Move> = HashMap::new();
        let mut good = Vec::with_capacity(self.moves.len());
        for wanted in &self.moves {
            let clash = left.insert(&wanted.from, wanted).or_else(|| reached.insert(&wanted.to, wanted));
            let why = match clash {
                Some(other) => Some((
                    format!("{} is moved twice, or two resources move to {}.", wanted.from, wanted.to),
                    other,
                )),
                None if wanted.from == wanted.to => {
                    Some((format!("{} would move to itself.", wanted.from), wanted))
                }
                None => None,
            };
            match why {
                Some((detail, other)) => found.push(
                    Diagnostic::error(codes::BAD_MOVE, detail)
                        .at(wanted.span, "this move")
                        .at(other.span, "and this one"),
                ),
                None => good.push(wanted.clone()),
            }
        }
        self.moves = good;
    }

    fn removed(&mut self, doc: &model::Removed, found: &mut Diagnostics) {
        let spelled = &doc.spec.address;
        match AddressGlob::parse(spelled) {
            Ok(glob) => {
                self.globs.push(glob);
                let (pattern, destroy) = (spelled.value.clone(), doc.spec.destroy.value);
                self.removals.push(Removal { pattern, destroy, span: spelled.span });
            }
            Err(error) => found.push(
                Diagnostic::error(codes::BAD_SELECTOR, format!("{error}."))
                    .on(spelled, "selects nothing")
                    .help("Write an address such as `orders/facts@2:kafka_topic.kafka`, or `orders/facts@2:**`."),
            ),
        }
    }

    fn import(
        &mut self,
        doc: &model::Import,
        seen: &mut HashMap<Address, Option<Span>>,
        found: &mut Diagnostics,
    ) {
        let spelled = &doc.spec.address;
        let Some(address) = address(spelled, found) else { return };
        if let Some(other) = seen.insert(address.clone(), spelled.span) {
            let detail = format!("Two documents import something for {address}.");
            let wrong =
                Diagnostic::error(codes::CONTRADICTION, detail).on(spelled, "again").at(other, "first");
            return found.push(wrong.help("Remove one of them.").scoped(address.owner()));
        }
        self.imports.push(ImportRequest { address, id: doc.spec.id.value.clone(), span: spelled.span });
    }

    /// Removals that have nothing to remove, are about what is still declared, or contradict each other.
    pub(crate) fn check_removals(
        &self,
        resources: &BTreeMap<Address, DesiredResource>,
        recorded: &Recorded,
        found: &mut Diagnostics,
    ) {
        if self.removals.is_empty() {
            return;
        }
        let (declared, recorded) = (by_owner(resources.keys()), by_owner(recorded.objects.keys()));
        let mut by_pattern: HashMap<&str, &Removal> = HashMap::new();
        for (removal, glob) in self.removals.iter().zip(&self.globs) {
            if let Some(other) = by_pattern.insert(&removal.pattern, removal)
                && other.destroy != removal.destroy
            {
                let detail = format!("`{}` is to be destroyed and to be kept.", removal.pattern);
                let wrong = Diagnostic::error(codes::CONTRADICTION, detail).at(removal.span, "this one");
                found.push(wrong.at(other.span, "and this one").help("Remove one of the two documents."));
            }
            let declared = first_match(glob, &declared).and_then(|address| resources.get(address));
            if let Some(declared) = declared {
                let detail = format!("{} is still declared, so it is not removed.", declared.object.address);
                found.push(
                    Diagnostic::warning(codes::CONTRADICTION, detail)
                        .at(removal.span, "says that it is gone")
                        .at(declared.span, "still declared")
                        .help("Remove the declaration, or this document."),
                );
                continue;
            }
            if first_match(glob, &recorded).is_none() {
                let detail = format!("Nothing recorded here matches `{}`.", removal.pattern);
                found.push(
                    Diagnostic::warning(codes::STALE_DOCUMENT, detail)
                        .at(removal.span, "matches nothing")
                        .help("If every environment has applied it, delete this document."),
                );
            }
        }
    }
}

fn stale(detail: String, at: &Spanned<String>) -> Diagnostic {
    Diagnostic::warning(codes::STALE_DOCUMENT, detail)
        .on(at, "nothing here")
        .help("If every environment has applied it, delete this document.")
}

fn address(text: &Spanned<String>, found: &mut Diagnostics) -> Option<Address> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            let detail = format!("`{}` is {error}.", text.value);
            found.push(Diagnostic::error(codes::BAD_SELECTOR, detail).on(text, "not an address"));
            None
        }
    }
}
