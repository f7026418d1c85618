//! Compatibility of Avro schemas: what a level promises, judged without asking any registry.
//!
//! | module | what |
//! |---|---|
//! | `model` | a schema as a graph of types, names resolved |
//! | `judge` | whether a reader of one can read what was written with another |
//! | `words` | what is wrong, in words for whoever changes a manifest |
//!
//! Pure: texts in, findings out.

mod judge;
mod model;
mod words;

pub use judge::Rule;

use crate::level::Level;
use judge::Misfit;
use model::{Id, Model};

/// Who can no longer read what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Readers of the new schema, what was written with an older one.
    Backward,
    /// Readers of an older schema, what is written with the new one.
    Forward,
}

/// A schema that was read: its text, and the texts of the schemas it refers to.
#[derive(Debug)]
pub struct Schema {
    model: Model,
    root: Id,
}

impl Schema {
    /// Reads an Avro schema. Each reference stands after those that it refers to itself.
    ///
    /// # Errors
    /// What makes the text no Avro schema, in words.
    pub fn read(text: &str, references: &[&str]) -> Result<Self, String> {
        let (model, root) = Model::read(text, references)?;
        Ok(Self { model, root })
    }
}

/// One promise that a new version would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    pub direction: Direction,
    /// Names of fields, from the outermost; empty for the schema as a whole.
    pub path: Vec<String>,
    pub rule: Rule,
    /// What the reader expects, and what was written, in few words.
    reader: String,
    writer: String,
}

impl Break {
    fn new(direction: Direction, misfit: Misfit) -> Self {
        let Misfit { path, rule, reader, writer } = misfit;
        Self { direction, path, rule, reader, writer }
    }
}

/// What a new version breaks of the promises that `level` makes about this older one; nothing where it keeps them.
pub fn breaks(level: Level, new: &Schema, old: &Schema) -> Vec<Break> {
    let mut found = Vec::new();
    if level.backward() {
        let misfits = judge::misfits((&new.model, new.root), (&old.model, old.root));
        found.extend(misfits.into_iter().map(|misfit| Break::new(Direction::Backward, misfit)));
    }
    if level.forward() {
        let misfits = judge::misfits((&old.model, old.root), (&new.model, new.root));
        found.extend(misfits.into_iter().map(|misfit| Break::new(Direction::Forward, misfit)));
    }
    found
}

#[cfg(test)]
mod tests;
