//! Reading topics: one list of all, then only what is managed of those that are asked for.

use super::TopicAttrs;
use super::keys::canonical;
use super::schema::configs;
use crate::client::{Cluster, Failure};
use crate::errors::code;
use crate::sys::{ConfigEntry, TopicShape};
use datamesh_provider::{
    Context, ErrorKind, LiveObject, ObjectId, Packed, ProviderError, ReadRequest, ReadResult, Sink,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is to be read of a topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Names of configs.
    pub(crate) keys: BTreeSet<String>,
    pub(crate) topic_id: bool,
}

/// What was read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveTopic {
    pub(crate) topic_id: Option<String>,
    pub(crate) attrs: TopicAttrs,
}

impl LiveTopic {
    pub(crate) fn object(&self, name: &str) -> LiveObject {
        LiveObject {
            id: ObjectId::new(name),
            incarnation: self.topic_id.clone(),
            attributes: encode(&self.attrs),
            computed: Packed::default(),
            owner: None,
        }
    }
}

pub(crate) fn encode(attrs: &TopicAttrs) -> Packed {
    // Texts and numbers always encode as a map.
    Packed::encode(attrs).unwrap_or_default()
}

/// `None` when the broker says that there is no such topic.
pub(crate) type Found = Result<Option<LiveTopic>, Failure>;

pub(crate) async fn read(cluster: &Cluster, cx: &Context, want: &[&ReadRequest], out: &dyn Sink<ReadResult>) {
    if want.is_empty() {
        return;
    }
    let wanted: BTreeMap<&str, Wanted> =
        want.iter().map(|request| (request.id.as_str(), wanted(request))).collect();
    let types: HashMap<&str, _> = want.iter().map(|request| (request.id.as_str(), &request.ty)).collect();
    let during = match want {
        [one] => format!("read the topic {}", one.id.as_str()),
        many => format!("read {} topics", many.len()),
    };
    let mut each = |name: &str, found: Found| {
        let result = found.map_err(|failure| explain(cluster, &failure, name, &during));
        if let Some(ty) = types.get(name) {
            let result = result.map(|live| live.map(|live| live.object(name)));
            out.put(ReadResult { ty: (*ty).clone(), id: ObjectId::new(name), result });
        }
    };
    match cluster.all_topics(cx).await {
        Ok(all) => some(cluster, cx, &wanted, &all, &mut each).await,
        Err(failure) => wanted.keys().for_each(|name| each(name, Err(failure.clone()))),
    }
}

fn wanted(request: &ReadRequest) -> Wanted {
    let keys = request.managed.iter().flat_map(configs).collect();
    Wanted { keys, topic_id: request.want_incarnation }
}

/// What a refusal of a read means, by name of what is missing.
fn explain(cluster: &Cluster, failure: &Failure, name: &str, during: &str) -> ProviderError {
    let problem = cluster.failure(failure, during);
    if problem.kind != ErrorKind::Forbidden {
        return problem;
    }
    let hint = format!("the principal needs DESCRIBE and DESCRIBE_CONFIGS on the topic {name}");
    ProviderError { during: format!("read the topic {name}"), ..problem }.hint(hint)
}

/// Reads topics by name, without a list of all: for few of them.
pub(crate) async fn by_name(
    cluster: &Cluster,
    cx: &Context,
    wanted: &BTreeMap<&str, Wanted>,
) -> HashMap<String, Found> {
    let mut found = HashMap::new();
    let mut each = |name: &str, answer: Found| {
        found.insert(name.to_owned(), answer);
    };
    some(cluster, cx, wanted, &HashMap::new(), &mut each).await;
    found
}

/// Reads each wanted topic. One that `listed` does not have, or of which an id is wanted, is asked for by name.
async fn some(
    cluster: &Cluster,
    cx: &Context,
    wanted: &BTreeMap<&str, Wanted>,
    listed: &HashMap<String, TopicShape>,
    each: &mut (dyn FnMut(&str, Found) + Send),
) {
    let mut there: HashMap<&str, LiveTopic> = HashMap::new();
    let mut ask = Vec::new();
    for (name, want) in wanted {
        match listed.get(*name) {
            // A topic whose partitions the list does not know is no use either.
            Some(shape) if shape.partitions > 0 && !want.topic_id => {
                there.insert(name, live(None, shape.partitions, shape.replicas));
            }
            _ => ask.push(*name),
        }
    }
    let mut sort = |name: &str, answer: Result<_, Failure>| match (answer, wanted.get_key_value(name)) {
        (Ok(topic), Some((name, _))) => {
            let topic: crate::sys::Described = topic;
            there.insert(name, live(topic.topic_id, topic.partitions, topic.replicas));
        }
        (Err(failure), _) if is_absent(&failure) => each(name, Ok(None)),
        (Err(failure), _) => each(name, Err(failure)),
        (Ok(_), None) => {}
    };
    cluster.describe_topics(cx, &ask, &mut sort).await;
    with_configs(cluster, cx, wanted, there, each).await;
}

fn live(topic_id: Option<String>, partitions: usize, replicas: usize) -> LiveTopic {
    let number = |count: usize| i64::try_from(count).ok().filter(|count| *count > 0);
    let attrs = TopicAttrs {
        partitions: number(partitions),
        replication_factor: number(replicas),
        ..TopicAttrs::default()
    };
    LiveTopic { topic_id, attrs }
}

pub(crate) fn is_absent(failure: &Failure) -> bool {
    matches!(failure, Failure::Error(error) if error.code == code::UNKNOWN_TOPIC)
}

async fn with_configs(
    cluster: &Cluster,
    cx: &Context,
    wanted: &BTreeMap<&str, Wanted>,
    mut there: HashMap<&str, LiveTopic>,
    each: &mut (dyn FnMut(&str, Found) + Send),
) {
    let mut ask = Vec::new();
    for (name, want) in wanted {
        if want.keys.is_empty() {
            // Asking for no key would answer all of them.
            if let Some(topic) = there.remove(name) {
                each(name, Ok(Some(topic)));
            }
        } else if there.contains_key(name) {
            ask.push((*name, want.keys.iter().map(String::as_str).collect()));
        }
    }
    let mut add = |name: &str, answer: Result<Vec<ConfigEntry>, Failure>| match (answer, there.remove(name)) {
        (Ok(entries), Some(mut topic)) => {
            entries.into_iter().for_each(|entry| take(&mut topic.attrs, entry));
            each(name, Ok(Some(topic)));
        }
        // Deleted since it was listed.
        (Err(failure), _) if is_absent(&failure) => each(name, Ok(None)),
        (Err(failure), _) => each(name, Err(failure)),
        (Ok(_), None) => {}
    };
    cluster.describe_configs(cx, &ask, &mut add).await;
}

/// Only what somebody set on the topic itself is its own; the rest is what it would fall back to.
fn take(attrs: &mut TopicAttrs, entry: ConfigEntry) {
    let ConfigEntry { name: key, value, on_topic, synonyms } = entry;
    let Some(value) = value else { return };
    if on_topic {
        attrs.config.insert(key.clone(), canonical(&key, &value));
        let below = synonyms.into_iter().find(|synonym| !synonym.on_topic && same_unit(&synonym.name, &key));
        if let Some(value) = below.and_then(|synonym| synonym.value) {
            attrs.inherited.insert(key.clone(), canonical(&key, &value));
        }
    } else {
        attrs.inherited.insert(key.clone(), canonical(&key, &value));
    }
}

/// Brokers also count retention in minutes and hours, under names that end so.
fn same_unit(broker_key: &str, key: &str) -> bool {
    broker_key.rsplit('.').next() == key.rsplit('.').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str, on_topic: bool, synonyms: Vec<ConfigEntry>) -> ConfigEntry {
        ConfigEntry { name: name.into(), value: Some(value.into()), on_topic, synonyms }
    }

    #[test]
    fn only_what_is_set_on_the_topic_is_its_own() {
        let mut attrs = TopicAttrs::default();
        take(&mut attrs, entry("min.insync.replicas", "1", false, vec![]));
        let synonyms = vec![
            entry("retention.ms", "60000", true, vec![]),
            entry("log.retention.hours", "48", false, vec![]),
            entry("log.retention.ms", "604800000", false, vec![]),
        ];
        take(&mut attrs, entry("retention.ms", "60000", true, synonyms));
        take(&mut attrs, ConfigEntry { value: None, ..entry("secret", "", true, vec![]) });
        assert_eq!(attrs.config, BTreeMap::from([("retention.ms".into(), "60000".into())]));
        let inherited = BTreeMap::from([
            ("min.insync.replicas".to_owned(), "1".to_owned()),
            ("retention.ms".to_owned(), "604800000".to_owned()),
        ]);
        assert_eq!(attrs.inherited, inherited);
    }

    #[test]
    fn keys_are_those_of_every_managed_side() {
        let side = |text: &str| serde_json::from_str(text).expect("json");
        let request = ReadRequest::of(datamesh_provider::TypeName::new("kafka_topic"), ObjectId::new("t"))
            .managed(vec![
                side(r#"{"config":{"a":"1"}}"#),
                side(r#"{"partitions":1}"#),
                side(r#"{"config":{"b":"1"}}"#),
            ])
            .with_incarnation();
        let wanted = wanted(&request);
        assert!(wanted.topic_id);
        assert_eq!(wanted.keys, BTreeSet::from(["a".into(), "b".into()]));
    }
}
