//! The pure half of a provider: one [`Resource`] per type, erased to [`ResourceType`] for the core.

use crate::change::{ChangeSpec, View};
use crate::diagnostic::Diagnostics;
use crate::object::Attributes;
use crate::packed::Packed;
use crate::provider::Facts;
use crate::span::SpanMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// One attribute of a resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeSchema {
    pub name: &'static str,
    pub required: bool,
    /// Assigned by the system; shown as `(known after apply)` in a create.
    pub computed: bool,
    /// Cannot be changed in place.
    pub immutable: bool,
    /// In a sentence, for the generated documentation.
    pub doc: &'static str,
}

/// A resource type: what it is called, what it holds, and what it means to lose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Raised when the attributes change shape; [`Resource::upgrade`] reads older ones.
    pub version: u32,
    pub attributes: &'static [AttributeSchema],
    /// Whether deleting one loses data that cannot be made again: absence never deletes these.
    pub data_bearing: bool,
    /// Where creates of this type stand in the order across systems; deletes go the other way.
    /// 10 namespace · 20 table, topic · 30 subject · 40 ACL · 50 catalog.
    pub rank: u32,
    /// Steps that stand elsewhere in that order: what takes something away from writers comes after the schema that
    /// tells them so.
    pub step_ranks: &'static [(&'static str, u32)],
    /// At most this many operations in one call.
    pub batch: usize,
    /// Steps of a deletion that wait until what it depends on is gone, and are left out where that stays.
    pub late: &'static [&'static str],
}

impl Schema {
    /// Where a step stands in the order across systems.
    pub fn rank_of(&self, step: &str) -> u32 {
        self.step_ranks.iter().find(|(name, _)| *name == step).map_or(self.rank, |(_, rank)| *rank)
    }
}

/// Attributes that do not have the shape their type wants: a bug of resolve, a tampered state or plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attributes of {ty} do not decode: {why}")]
pub struct DecodeError {
    pub ty: &'static str,
    pub why: String,
}

/// The pure half of a provider for one type. No async, no client, no clock: plain values in, plain values out.
pub trait Resource: Send + Sync + 'static {
    /// Decodes from an [`Attributes`] map; `deny_unknown_fields` is expected. Absent means "not managed".
    type Attrs: Serialize + DeserializeOwned + PartialEq + Clone + fmt::Debug;

    const NAME: &'static str;

    fn schema() -> Schema;

    /// Checks one declared object by itself.
    fn validate(attrs: &Self::Attrs, at: &SpanMap) -> Diagnostics;

    /// Canonical form: `7d` and `604800000` become one. Law: idempotent.
    fn normalize(attrs: Self::Attrs) -> Self::Attrs;

    /// Declared attributes over creation defaults: what a create writes. Usually field by field.
    fn fill(declared: Self::Attrs, on_create: Self::Attrs) -> Self::Attrs;

    /// What it takes to get from live to desired. All sides are normalised. `at` are the places of the desired
    /// object's attributes, for what is forbidden. Laws: the diff of equal sides is a no-op; of `Update` with
    /// `live` equal to `desired` on what `desired` manages, a no-op.
    fn diff(view: View<'_, Self::Attrs>, facts: &Facts, at: &SpanMap) -> (ChangeSpec, Diagnostics);

    /// The part of `live` that `like` manages: what core compares after an apply, and records for an adoption.
    fn managed(live: &Self::Attrs, like: &Self::Attrs) -> Self::Attrs;

    /// What was last applied with what the system assigned to its parts then, where a diff goes by that: the ids of
    /// columns, which tell a column from another one of its name. `computed`: what is recorded as assigned.
    fn recall(_prior: Self::Attrs, _computed: &Packed) -> Option<Self::Attrs> {
        None
    }

    /// Reads attributes that an older version of the tool recorded.
    fn upgrade(from: u32, raw: Attributes) -> Result<Self::Attrs, DecodeError>;

    /// Whether what was read for what `before` manages is all that `now` needs, so that it need not be read again.
    fn reads_alike(_before: &Packed, _now: &Packed) -> bool {
        false
    }

    /// Whether several resources may own one object, which goes when the last of them does. All of such an object is
    /// its name, so that no two owners can want it to be different.
    fn shared() -> bool {
        false
    }

    /// Whether one that existed before us is used as it is: no record, never changed, never deleted. True of
    /// containers that others share, such as namespaces.
    fn uses_existing() -> bool {
        false
    }
}

/// [`Resource`] for any type: the same functions over plain attributes.
pub trait ResourceType: fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn schema(&self) -> Schema;
    fn validate(&self, attrs: &Packed, at: &SpanMap) -> Result<Diagnostics, DecodeError>;
    fn normalize(&self, attrs: &Packed) -> Result<Packed, DecodeError>;
    fn fill(&self, declared: &Packed, on_create: &Packed) -> Result<Packed, DecodeError>;
    fn diff(
        &self,
        view: View<'_, Packed>,
        facts: &Facts,
        at: &SpanMap,
    ) -> Result<(ChangeSpec, Diagnostics), DecodeError>;
    /// The diff of what was applied and is still wanted: what somebody else changed. `assigned`: what the system gave
    /// to it then, which [`Self::recall`] would put into what was applied.
    fn drift(
        &self,
        applied: &Packed,
        assigned: &Packed,
        live: &Packed,
        facts: &Facts,
        at: &SpanMap,
    ) -> Result<(ChangeSpec, Diagnostics), DecodeError>;
    fn managed(&self, live: &Packed, like: &Packed) -> Result<Packed, DecodeError>;
    fn recall(&self, prior: &Packed, computed: &Packed) -> Option<Packed>;
    fn upgrade(&self, from: u32, raw: Attributes) -> Result<Packed, DecodeError>;
    fn reads_alike(&self, before: &Packed, now: &Packed) -> bool;
    fn shared(&self) -> bool;
    fn uses_existing(&self) -> bool;
}

/// The object-safe form of a [`Resource`].
pub struct Erased<R>(PhantomData<fn() -> R>);

/// `static TOPIC: Erased<KafkaTopic> = erase();`
pub const fn erase<R: Resource>() -> Erased<R> {
    Erased(PhantomData)
}

impl<R: Resource> fmt::Debug for Erased<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(R::NAME)
    }
}

fn bad<R: Resource>(why: impl fmt::Display) -> DecodeError {
    DecodeError { ty: R::NAME, why: why.to_string() }
}

/// A type's own struct of its attributes, normalised.
///
/// # Errors
/// They have another shape.
pub fn decode<R: Resource>(attrs: &Packed) -> Result<R::Attrs, DecodeError> {
    attrs.decode().map(R::normalize).map_err(bad::<R>)
}

fn encode<R: Resource>(attrs: &R::Attrs) -> Result<Packed, DecodeError> {
    Packed::encode(attrs).map_err(bad::<R>)
}

fn decode_view<'a, R: Resource>(
    view: View<'_, Packed>,
    room: &'a mut Vec<R::Attrs>,
) -> Result<View<'a, R::Attrs>, DecodeError> {
    let sides: Vec<&Packed> = match view {
        View::Create { desired } => vec![desired],
        View::Adopt { live, desired } => vec![live, desired],
        View::Update { prior, live, desired } => vec![prior, live, desired],
        View::Remove { prior, live } => vec![prior, live],
        View::Gone { prior, desired } => std::iter::once(prior).chain(desired).collect(),
    };
    for side in sides {
        room.push(decode::<R>(side)?);
    }
    let view = match (view, room.as_slice()) {
        (View::Create { .. }, [desired]) => View::Create { desired },
        (View::Adopt { .. }, [live, desired]) => View::Adopt { live, desired },
        (View::Update { .. }, [prior, live, desired]) => View::Update { prior, live, desired },
        (View::Remove { .. }, [prior, live]) => View::Remove { prior, live },
        (View::Gone { .. }, [prior, desired]) => View::Gone { prior, desired: Some(desired) },
        (View::Gone { .. }, [prior]) => View::Gone { prior, desired: None },
        _ => return Err(bad::<R>("a side of the view is missing")),
    };
    Ok(view)
}

impl<R: Resource> ResourceType for Erased<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn schema(&self) -> Schema {
        R::schema()
    }

    fn validate(&self, attrs: &Packed, at: &SpanMap) -> Result<Diagnostics, DecodeError> {
        Ok(R::validate(&decode::<R>(attrs)?, at))
    }

    fn normalize(&self, attrs: &Packed) -> Result<Packed, DecodeError> {
        encode::<R>(&decode::<R>(attrs)?)
    }

    fn fill(&self, declared: &Packed, on_create: &Packed) -> Result<Packed, DecodeError> {
        encode::<R>(&R::normalize(R::fill(decode::<R>(declared)?, decode::<R>(on_create)?)))
    }

    fn diff(
        &self,
        view: View<'_, Packed>,
        facts: &Facts,
        at: &SpanMap,
    ) -> Result<(ChangeSpec, Diagnostics), DecodeError> {
        let mut room = Vec::with_capacity(3);
        let view = decode_view::<R>(view, &mut room)?;
        Ok(R::diff(view, facts, at))
    }

    fn drift(
        &self,
        applied: &Packed,
        assigned: &Packed,
        live: &Packed,
        facts: &Facts,
        at: &SpanMap,
    ) -> Result<(ChangeSpec, Diagnostics), DecodeError> {
        let desired = decode::<R>(applied)?;
        let recalled = R::recall(desired.clone(), assigned).map(R::normalize);
        let (prior, live) = (recalled.as_ref().unwrap_or(&desired), decode::<R>(live)?);
        Ok(R::diff(View::Update { prior, live: &live, desired: &desired }, facts, at))
    }

    fn managed(&self, live: &Packed, like: &Packed) -> Result<Packed, DecodeError> {
        encode::<R>(&R::managed(&decode::<R>(live)?, &decode::<R>(like)?))
    }

    fn recall(&self, prior: &Packed, computed: &Packed) -> Option<Packed> {
        encode::<R>(&R::recall(decode::<R>(prior).ok()?, computed)?).ok()
    }

    fn upgrade(&self, from: u32, raw: Attributes) -> Result<Packed, DecodeError> {
        encode::<R>(&R::upgrade(from, raw)?)
    }

    fn reads_alike(&self, before: &Packed, now: &Packed) -> bool {
        R::reads_alike(before, now)
    }

    fn shared(&self) -> bool {
        R::shared()
    }

    fn uses_existing(&self) -> bool {
        R::uses_existing()
    }
}
