//! One form for every value, so that equal means equal.

use super::keys;
use super::schema::TopicAttrs;
use std::collections::BTreeMap;

pub(super) fn normalize(mut attrs: TopicAttrs) -> TopicAttrs {
    canonicalise(&mut attrs.config);
    canonicalise(&mut attrs.inherited);
    attrs
}

fn canonicalise(config: &mut BTreeMap<String, String>) {
    for (key, value) in config {
        *value = keys::canonical(key, value);
    }
}

/// Declared over defaults, key by key.
pub(super) fn fill(declared: TopicAttrs, on_create: TopicAttrs) -> TopicAttrs {
    let mut config = on_create.config;
    config.extend(declared.config);
    TopicAttrs {
        partitions: declared.partitions.or(on_create.partitions),
        replication_factor: declared.replication_factor.or(on_create.replication_factor),
        config,
        inherited: BTreeMap::new(),
    }
}

/// The part of `live` that `like` manages.
pub(super) fn managed(live: &TopicAttrs, like: &TopicAttrs) -> TopicAttrs {
    let ours = |(key, _): &(&String, &String)| like.config.contains_key(*key);
    TopicAttrs {
        partitions: live.partitions.filter(|_| like.partitions.is_some()),
        replication_factor: live.replication_factor.filter(|_| like.replication_factor.is_some()),
        config: live.config.iter().filter(ours).map(|(k, v)| (k.clone(), v.clone())).collect(),
        inherited: BTreeMap::new(),
    }
}
