//! A serde deserializer over a document tree that knows the place of every value.
//!
//! It is lenient where the shape check was strict: by the time it runs, types and keys are known to fit. Its
//! recursion is bounded by the depth limit of the tree.

use crate::manifest::scalar::Resolved;
use crate::manifest::tree::{NodeId, Tree, View};
use crate::manifest::values::BY_KIND;
use datamesh_provider::{FileId, SPANNED_STRUCT, Span};
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt;

/// Why a document cannot become a value; only reached when the shape check and the types disagree.
#[derive(Debug)]
pub(crate) struct DecodeError {
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), span: None }
    }
}

/// One node of a tree, ready to be read.
#[derive(Clone, Copy)]
pub(crate) struct NodeReader<'t, 'a> {
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) id: NodeId,
    pub(crate) file: FileId,
}

impl<'t> NodeReader<'t, '_> {
    fn at(self, id: NodeId) -> Self {
        Self { id, ..self }
    }

    fn span(self) -> Span {
        self.tree.span(self.id, self.file)
    }

    /// Gives an error the innermost place it passes through.
    fn locate<T>(self, result: Result<T, DecodeError>) -> Result<T, DecodeError> {
        result.map_err(|mut error| {
            error.span.get_or_insert_with(|| self.span());
            error
        })
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.tree.view(self.id) {
            View::Sequence(items) => visitor.visit_seq(Items { reader: self, items: items.iter() }),
            View::Mapping(pairs) => {
                let pairs = pairs.iter();
                visitor.visit_map(Entries { reader: self, pairs, value: None })
            }
            View::Scalar { text, plain } => scalar(Resolved::of(text, plain), text, visitor),
        }
    }

    fn text(self) -> Option<&'t str> {
        self.tree.text(self.id)
    }
}

fn scalar<'de, V: Visitor<'de>>(
    resolved: Resolved<'_>,
    text: &str,
    visitor: V,
) -> Result<V::Value, DecodeError> {
    match resolved {
        Resolved::Null => visitor.visit_unit(),
        Resolved::Bool(value) => visitor.visit_bool(value),
        Resolved::Float(value) => visitor.visit_f64(value),
        Resolved::Text(text) => visitor.visit_str(text),
        Resolved::Integer(value) => match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => visitor.visit_u64(value),
            (_, Ok(value)) => visitor.visit_i64(value),
            // Beyond what JSON readers keep exactly: the digits are worth more than the number.
            _ => visitor.visit_str(text),
        },
    }
}

impl<'de> Deserializer<'de> for NodeReader<'_, '_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.locate(self.any(visitor))
    }

    /// The text of any scalar: `0.90` stays `0.90`.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.text() {
            Some(text) => self.locate(visitor.visit_str(text)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.tree.resolved(self.id) == Some(Resolved::Null) {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == SPANNED_STRUCT {
            return visitor.visit_map(SpannedParts { reader: self, next: Part::Span });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let variant = if name == BY_KIND {
            match self.tree.view(self.id) {
                View::Scalar { .. } => "Scalar",
                View::Sequence(_) => "Sequence",
                View::Mapping(_) => "Mapping",
            }
        } else {
            let unexpected = || DecodeError::invalid_type(Unexpected::Other("a map or list"), &visitor);
            self.locate(self.text().ok_or_else(unexpected))?
        };
        self.locate(visitor.visit_enum(Variant { reader: self, variant }))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map ignored_any
    }
}

struct Items<'t, 'a> {
    reader: NodeReader<'t, 'a>,
    items: std::slice::Iter<'t, NodeId>,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.items.next().map(|id| seed.deserialize(self.reader.at(*id))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'t, 'a, I> {
    reader: NodeReader<'t, 'a>,
    pairs: I,
    value: Option<NodeId>,
}

impl<'de, I: Iterator<Item = (NodeId, NodeId)>> MapAccess<'de> for Entries<'_, '_, I> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, value)) = self.pairs.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(self.reader.at(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let id =
            self.value.take().ok_or_else(|| DecodeError::custom("a value was asked for before its key"))?;
        seed.deserialize(self.reader.at(id))
    }
}

#[derive(Clone, Copy)]
enum Part {
    Span,
    Value,
    Done,
}

/// The two fields of a spanned value.
struct SpannedParts<'t, 'a> {
    reader: NodeReader<'t, 'a>,
    next: Part,
}

impl<'de> MapAccess<'de> for SpannedParts<'_, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let key = match self.next {
            Part::Span => "$span",
            Part::Value => "$value",
            Part::Done => return Ok(None),
        };
        let key: StrDeserializer<'_, DecodeError> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        if let Part::Span = self.next {
            self.next = Part::Value;
            let Span { file, start, end } = self.reader.span();
            let parts = [file.0, start, end].into_iter();
            return seed.deserialize(SeqDeserializer::<_, DecodeError>::new(parts));
        }
        self.next = Part::Done;
        seed.deserialize(self.reader)
    }
}

struct Variant<'t, 'a> {
    reader: NodeReader<'t, 'a>,
    variant: &'t str,
}

impl<'de, 't, 'a> EnumAccess<'de> for Variant<'t, 'a> {
    type Error = DecodeError;
    type Variant = NodeReader<'t, 'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), DecodeError> {
        let name: StrDeserializer<'_, DecodeError> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self.reader))
    }
}

impl<'de> VariantAccess<'de> for NodeReader<'_, '_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }
}
