//! What it takes to get from a live topic to the declared one.

use super::keys;
use super::schema::TopicAttrs;
use crate::codes;
use datamesh_provider::{
    AttributeChange, ChangeSpec, Class, Diagnostic, Diagnostics, Disposition, Planned, SpanMap, View,
};
use serde_json::Value;

pub(super) fn diff(view: View<'_, TopicAttrs>, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    let nothing = TopicAttrs::default();
    match view {
        View::Create { desired } | View::Gone { desired: Some(desired), .. } => {
            (ChangeSpec::in_place(all_of(desired), &["create"]), Diagnostics::default())
        }
        View::Adopt { live, desired } => change(&nothing, live, desired, at),
        View::Update { prior, live, desired } => change(prior, live, desired, at),
        View::Remove { prior, live } => {
            (ChangeSpec::in_place(lost(prior, live), &["delete"]), Diagnostics::default())
        }
        View::Gone { desired: None, .. } => (ChangeSpec::no_op(), Diagnostics::default()),
    }
}

/// Every declared attribute of a topic that is to be created.
fn all_of(desired: &TopicAttrs) -> Vec<AttributeChange> {
    let numbers = [("partitions", desired.partitions), ("replication_factor", desired.replication_factor)];
    let numbers = numbers.into_iter().filter_map(|(name, value)| {
        value.map(|value| AttributeChange::new(&[name], None, Planned::Value(value.into())))
    });
    let config = desired.config.iter().map(|(key, value)| {
        AttributeChange::new(&["config", key], None, Planned::Value(value.as_str().into()))
    });
    numbers.chain(config).collect()
}

/// What goes away with a topic, as far as we manage it.
fn lost(prior: &TopicAttrs, live: &TopicAttrs) -> Vec<AttributeChange> {
    let ours = super::normalize::managed(live, prior);
    let gone = |mut change: AttributeChange| {
        if let Planned::Value(value) = std::mem::replace(&mut change.after, Planned::Unset) {
            change.before = Some(value);
        }
        change
    };
    all_of(&ours).into_iter().map(gone).collect()
}

fn change(
    prior: &TopicAttrs,
    live: &TopicAttrs,
    desired: &TopicAttrs,
    at: &SpanMap,
) -> (ChangeSpec, Diagnostics) {
    let mut spec = ChangeSpec::default();
    let mut found = Diagnostics::default();
    match (live.partitions, desired.partitions) {
        (Some(has), Some(wants)) if wants > has => {
            spec.changes.push(AttributeChange::new(
                &["partitions"],
                Some(has.into()),
                Planned::Value(wants.into()),
            ));
            spec.steps.push("partitions".into());
            spec.notes.push(format!(
                "growing from {has} to {wants} partitions: records with a key may go to another partition \
                 than before, so their order by key does not hold across the change"
            ));
        }
        (Some(has), Some(wants)) if wants < has => found.push(shrink(has, wants, at)),
        _ => {}
    }
    if let (Some(has), Some(wants)) = (live.replication_factor, desired.replication_factor)
        && has != wants
    {
        found.push(replication(has, wants, at));
    }
    let config = config_changes(prior, live, desired);
    if !config.is_empty() {
        spec.changes.extend(config);
        spec.steps.push("config".into());
    }
    if !spec.steps.is_empty() {
        spec.disposition = Disposition::InPlace;
    }
    (spec, found)
}

fn shrink(has: i64, wants: i64, at: &SpanMap) -> Diagnostic {
    let detail = format!(
        "The topic has {has} partitions and {wants} are declared. Kafka cannot take partitions away: their \
         records would have to go with them."
    );
    let help = format!(
        "declare `partitions: {has}`, or leave the key out; for fewer, declare a new version of the product \
         with a topic of its own and move its consumers over"
    );
    Diagnostic::error(codes::SHRINK, detail).at(at.at(&["partitions"]), "fewer than there are").help(help)
}

fn replication(has: i64, wants: i64, at: &SpanMap) -> Diagnostic {
    let detail = format!(
        "Each partition of the topic has {has} replicas and {wants} are declared. Replicas are moved by a \
         reassignment, which copies data between brokers and is not run by this tool."
    );
    let help = format!(
        "declare `replication_factor: {has}`, or leave the key out; or reassign first: list the {wants} \
         brokers of each partition in reassign.json, as \
         {{\"version\":1,\"partitions\":[{{\"topic\":\"TOPIC\",\"partition\":0,\"replicas\":[BROKER,…]}}]}}, then run \
         `kafka-reassign-partitions.sh --bootstrap-server HOST:PORT --reassignment-json-file reassign.json \
         --execute`, and plan again"
    );
    let place = at.at(&["replication_factor"]);
    Diagnostic::error(codes::REPLICATION, detail).at(place, "not what is live").help(help)
}

/// Declared keys that differ, then (with `None`) keys that we set and nobody declares any more. A key that somebody
/// else set appears in neither.
pub(crate) fn config_edits<'a>(
    prior: &'a TopicAttrs,
    live: &'a TopicAttrs,
    desired: &'a TopicAttrs,
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let set = desired.config.iter().filter(|(key, value)| live.config.get(*key) != Some(value));
    let declared_no_more =
        |key: &&String| !desired.config.contains_key(*key) && live.config.contains_key(*key);
    let gone = prior.config.keys().filter(declared_no_more);
    set.map(|(key, value)| (key.as_str(), Some(value.as_str()))).chain(gone.map(|key| (key.as_str(), None)))
}

fn config_changes(prior: &TopicAttrs, live: &TopicAttrs, desired: &TopicAttrs) -> Vec<AttributeChange> {
    let life = Life { live, desired, prior };
    let one = |(key, value): (&str, Option<&str>)| {
        let before = live.config.get(key).map(|v| Value::from(v.as_str()));
        let after = value.map_or(Planned::Unset, |value| Planned::Value(value.into()));
        let pinned = before.is_none() && live.inherited.get(key).map(String::as_str) == value;
        let change = AttributeChange::new(&["config", key], before, after);
        match life.loss(key) {
            Some(why) => change.class(Class::DataLoss, why),
            None if pinned => change.class(Class::Safe, "pins what the cluster's default is today"),
            None => change,
        }
    };
    config_edits(prior, live, desired).map(one).collect()
}

/// How long records live, before and after.
struct Life<'a> {
    live: &'a TopicAttrs,
    desired: &'a TopicAttrs,
    prior: &'a TopicAttrs,
}

impl Life<'_> {
    /// The value that holds now.
    fn before(&self, key: &str) -> String {
        self.live.config.get(key).cloned().unwrap_or_else(|| self.inherited(key))
    }

    /// The value that will hold.
    fn after(&self, key: &str) -> String {
        let unset = self.prior.config.contains_key(key);
        match self.desired.config.get(key) {
            Some(value) => value.clone(),
            None if unset => self.inherited(key),
            None => self.before(key),
        }
    }

    /// What the cluster says, else what Kafka itself takes.
    fn inherited(&self, key: &str) -> String {
        let known = self.live.inherited.get(key).map(String::as_str).or_else(|| keys::built_in(key));
        known.unwrap_or_default().to_owned()
    }

    /// Whether changing this key makes brokers discard records they would have kept, and why.
    fn loss(&self, key: &str) -> Option<String> {
        let (before, after) = (self.before(key), self.after(key));
        match key {
            "retention.ms" | "retention.bytes" => {
                let expires = has(&self.after("cleanup.policy"), "delete");
                if !self.desired.config.contains_key(key) && !self.live.inherited.contains_key(key) {
                    let why = "retention goes back to the cluster's own, which brokers do not tell: it may be shorter";
                    return expires.then(|| why.to_owned());
                }
                let less = limit(&after)? < limit(&before)?;
                (expires && less).then(|| shorter(key, &before, &after))
            }
            "cleanup.policy" => {
                let starts = |policy| has(&after, policy) && !has(&before, policy);
                if starts("delete") {
                    let why = "records older than the topic's retention are discarded, also the latest one of a key";
                    Some(why.to_owned())
                } else if starts("compact") {
                    Some("compaction discards all but the latest record of each key".to_owned())
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

fn has(policies: &str, policy: &str) -> bool {
    policies.split(',').any(|item| item == policy)
}

/// A retention as something that can be compared: `-1` is without end.
fn limit(value: &str) -> Option<u64> {
    let number: i64 = value.parse().ok()?;
    Some(u64::try_from(number).unwrap_or(u64::MAX))
}

fn shorter(key: &str, before: &str, after: &str) -> String {
    let show = |value: &str| match (limit(value), key) {
        (Some(u64::MAX), _) => "without end".to_owned(),
        (Some(ms), "retention.ms") => datamesh_provider::show_duration_ms(ms),
        _ => format!("{value} bytes a partition"),
    };
    format!("retention shrinks from {} to {}: what is beyond is discarded", show(before), show(after))
}
