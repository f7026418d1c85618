//! Events of the queue, and what the answers among them say.

use super::native::{borrowed_error, coded, slice, text};
use super::{Coded, open};
use rdkafka_sys as sys;
use std::ptr::NonNull;

/// One event; destroyed with everything in it.
pub(crate) struct Event(NonNull<sys::rd_kafka_event_t>);

// SAFETY: an event belongs to whoever has it; librdkafka ties it to no thread.
unsafe impl Send for Event {}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Event")
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is ours, and gone after this.
        unsafe { sys::rd_kafka_event_destroy(self.ptr()) }
    }
}

/// What an event is about.
pub(super) enum Heard {
    Log,
    Trouble(Coded),
    /// The answer to the call of this number.
    Answer(usize, Event),
}

/// A topic, as asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// In the form of Kafka's own tools: base64 with `-` and `_`.
    pub(crate) topic_id: Option<String>,
    pub(crate) partitions: usize,
    /// Of the partition that has the fewest.
    pub(crate) replicas: usize,
}

/// One config of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigEntry {
    pub(crate) name: String,
    /// `None` where the broker keeps it to itself.
    pub(crate) value: Option<String>,
    /// Whether somebody set it on the topic itself.
    pub(crate) on_topic: bool,
    /// Where else a value comes from, nearest first: broker configs have names, and units, of their own.
    pub(crate) synonyms: Vec<ConfigEntry>,
}

/// What a broker answered about each item of a call, by name.
pub(crate) type Answers<T> = Vec<(String, Result<T, Coded>)>;

/// `DYNAMIC_TOPIC_CONFIG`.
const ON_TOPIC: i32 = 1;

impl Event {
    /// # Safety
    /// The event is valid, and the caller hands it over.
    pub(super) unsafe fn new(event: NonNull<sys::rd_kafka_event_t>) -> Self {
        Self(event)
    }

    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }

    /// The error of the whole call, if it failed as a whole.
    pub(super) fn error(&self) -> Option<Coded> {
        // SAFETY: the event lives, and with it its text.
        unsafe { coded(open::rd_kafka_event_error(self.ptr()), sys::rd_kafka_event_error_string(self.ptr())) }
    }

    pub(super) fn heard(self) -> Heard {
        // SAFETY: the event lives.
        match unsafe { sys::rd_kafka_event_type(self.ptr()) } {
            sys::RD_KAFKA_EVENT_ERROR => self.error().map_or(Heard::Log, Heard::Trouble),
            sys::RD_KAFKA_EVENT_LOG => Heard::Log,
            _ => {
                // SAFETY: the event lives; the number is the one given with the call, null for others.
                let id = unsafe { sys::rd_kafka_event_opaque(self.ptr()) }.addr();
                Heard::Answer(id, self)
            }
        }
    }

    pub(super) fn created_topics(&self) -> Vec<(String, Option<Coded>)> {
        let mut count = 0;
        // SAFETY: the event lives, and with it its result and the array; another type of event has null.
        unsafe {
            let result = sys::rd_kafka_event_CreateTopics_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            topic_results(slice(sys::rd_kafka_CreateTopics_result_topics(result, &mut count), count))
        }
    }

    pub(super) fn created_partitions(&self) -> Vec<(String, Option<Coded>)> {
        let mut count = 0;
        // SAFETY: as in `created_topics`.
        unsafe {
            let result = sys::rd_kafka_event_CreatePartitions_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            topic_results(slice(sys::rd_kafka_CreatePartitions_result_topics(result, &mut count), count))
        }
    }

    pub(super) fn deleted_topics(&self) -> Vec<(String, Option<Coded>)> {
        let mut count = 0;
        // SAFETY: as in `created_topics`.
        unsafe {
            let result = sys::rd_kafka_event_DeleteTopics_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            topic_results(slice(sys::rd_kafka_DeleteTopics_result_topics(result, &mut count), count))
        }
    }

    pub(super) fn altered_configs(&self) -> Vec<(String, Option<Coded>)> {
        let mut count = 0;
        // SAFETY: as in `created_topics`.
        unsafe {
            let result = sys::rd_kafka_event_IncrementalAlterConfigs_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let resources = sys::rd_kafka_IncrementalAlterConfigs_result_resources(result, &mut count);
            slice(resources, count).iter().map(|resource| resource_result(*resource)).collect()
        }
    }

    pub(super) fn described_configs(&self) -> Answers<Vec<ConfigEntry>> {
        let mut count = 0;
        // SAFETY: as in `created_topics`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
            let one = |resource: &*const sys::rd_kafka_ConfigResource_t| {
                let (name, error) = resource_result(*resource);
                let mut count = 0;
                let entries = slice(sys::rd_kafka_ConfigResource_configs(*resource, &mut count), count);
                let entries = || entries.iter().map(|e| config_entry(*e)).collect();
                (name, error.map_or_else(|| Ok(entries()), Err))
            };
            slice(resources, count).iter().map(one).collect()
        }
    }

    pub(super) fn described_topics(&self) -> Answers<Described> {
        let mut count = 0;
        // SAFETY: as in `created_topics`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            let one = |topic: &*const sys::rd_kafka_TopicDescription_t| {
                let name = text(sys::rd_kafka_TopicDescription_name(*topic));
                let error = borrowed_error(sys::rd_kafka_TopicDescription_error(*topic));
                (name, error.map_or_else(|| Ok(description(*topic)), Err))
            };
            slice(topics, count).iter().map(one).collect()
        }
    }

    /// The cluster's id, empty when the broker has none; and the number of one of its brokers.
    pub(super) fn cluster(&self) -> (String, Option<i32>) {
        let mut count = 0;
        // SAFETY: as in `created_topics`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeCluster_result(self.ptr());
            if result.is_null() {
                return (String::new(), None);
            }
            let brokers = slice(sys::rd_kafka_DescribeCluster_result_nodes(result, &mut count), count);
            let first = brokers.first().map(|broker| sys::rd_kafka_Node_id(*broker));
            (text(sys::rd_kafka_DescribeCluster_result_cluster_id(result)), first)
        }
    }
}

/// # Safety
/// Each result lives for the time of the call.
unsafe fn topic_results(results: &[*const sys::rd_kafka_topic_result_t]) -> Vec<(String, Option<Coded>)> {
    let one = |result: &*const sys::rd_kafka_topic_result_t| {
        // SAFETY: it lives, and with it its texts.
        unsafe {
            let name = text(sys::rd_kafka_topic_result_name(*result));
            let words = sys::rd_kafka_topic_result_error_string(*result);
            (name, coded(open::rd_kafka_topic_result_error(*result), words))
        }
    };
    results.iter().map(one).collect()
}

/// # Safety
/// The resource lives for the time of the call.
unsafe fn resource_result(resource: *const sys::rd_kafka_ConfigResource_t) -> (String, Option<Coded>) {
    // SAFETY: it lives, and with it its texts.
    unsafe {
        let words = sys::rd_kafka_ConfigResource_error_string(resource);
        let error = coded(open::rd_kafka_ConfigResource_error(resource), words);
        (text(sys::rd_kafka_ConfigResource_name(resource)), error)
    }
}

/// # Safety
/// The entry lives for the time of the call.
unsafe fn config_entry(entry: *const sys::rd_kafka_ConfigEntry_t) -> ConfigEntry {
    let mut count = 0;
    // SAFETY: it lives, and with it its texts and synonyms; a synonym has no synonyms.
    unsafe {
        let value = sys::rd_kafka_ConfigEntry_value(entry);
        let synonyms = slice(sys::rd_kafka_ConfigEntry_synonyms(entry, &mut count), count);
        ConfigEntry {
            name: text(sys::rd_kafka_ConfigEntry_name(entry)),
            value: (!value.is_null()).then(|| text(value)),
            on_topic: open::rd_kafka_ConfigEntry_source(entry) == ON_TOPIC,
            synonyms: synonyms.iter().map(|synonym| config_entry(*synonym)).collect(),
        }
    }
}

/// # Safety
/// The topic lives for the time of the call.
unsafe fn description(topic: *const sys::rd_kafka_TopicDescription_t) -> Described {
    let mut count = 0;
    // SAFETY: it lives, and with it its partitions and its id, which `base64str` keeps inside itself.
    unsafe {
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let topic_id = (!id.is_null()).then(|| text(sys::rd_kafka_Uuid_base64str(id)));
        let topic_id = topic_id.map(|id| id.replace('+', "-").replace('/', "_"));
        let partitions = slice(sys::rd_kafka_TopicDescription_partitions(topic, &mut count), count);
        let replicas = |partition: &*const sys::rd_kafka_TopicPartitionInfo_t| {
            let mut count = 0;
            sys::rd_kafka_TopicPartitionInfo_replicas(*partition, &mut count);
            count
        };
        Described {
            topic_id: topic_id.filter(|id| !id.is_empty() && id != NO_ID),
            partitions: partitions.len(),
            replicas: partitions.iter().map(replicas).min().unwrap_or(0),
        }
    }
}

/// What brokers without topic ids answer: sixteen zero bytes.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
