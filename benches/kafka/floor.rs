//! The floor: a bare program on librdkafka that makes the same calls for the same keys, and nothing else.

use rdkafka_sys as sys;
use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};
use sys::rd_kafka_ResourceType_t as ResourceType;

const TIMEOUT_MS: i32 = 60_000;
/// As the program asks: more topics in one request answer no faster.
const TOPICS_A_READ: usize = 250;
/// As the program creates them: what it asks for in one go is what it could lose sight of.
const TOPICS_A_CREATION: usize = 250;

/// A client, and the queue its answers come to. Kept until the process ends.
#[derive(Debug)]
pub(crate) struct Floor {
    client: *mut sys::rd_kafka_t,
    queue: *mut sys::rd_kafka_queue_t,
}

impl Floor {
    pub(crate) fn open(servers: &str) -> Self {
        let servers = CString::new(servers).expect("an address");
        let mut why = [0; 512];
        // SAFETY: the texts live; the configuration goes over to the client.
        unsafe {
            let conf = sys::rd_kafka_conf_new();
            let (key, size) = (c"bootstrap.servers".as_ptr(), why.len());
            sys::rd_kafka_conf_set(conf, key, servers.as_ptr(), why.as_mut_ptr(), size);
            let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let client = sys::rd_kafka_new(kind, conf, why.as_mut_ptr(), size);
            assert!(!client.is_null(), "a client");
            let floor = Self { client, queue: sys::rd_kafka_queue_new(client) };
            // Connected from here on.
            assert!(floor.all_topics() < usize::MAX);
            floor
        }
    }

    /// How many topics the list of all has.
    pub(crate) fn all_topics(&self) -> usize {
        let mut metadata = null();
        // SAFETY: the client lives; the metadata is destroyed after its count was read.
        unsafe {
            let answer = sys::rd_kafka_metadata(self.client, 1, null_mut(), &mut metadata, TIMEOUT_MS);
            assert_eq!(answer, sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
            let count = (*metadata).topic_cnt;
            sys::rd_kafka_metadata_destroy(metadata);
            usize::try_from(count).unwrap_or_default()
        }
    }

    /// The list of all topics, then this config of each; how many values came.
    pub(crate) fn read(&self, names: &[CString], key: &CStr) -> usize {
        self.all_topics();
        let batches = names.chunks(TOPICS_A_READ);
        let asked = batches.len();
        batches.for_each(|batch| self.describe_configs(batch, key));
        (0..asked).map(|_| self.answer(configs)).sum()
    }

    fn describe_configs(&self, names: &[CString], key: &CStr) {
        // SAFETY: the texts live; librdkafka copies the resources, which are destroyed here.
        unsafe {
            let mut resources: Vec<_> = names
                .iter()
                .map(|name| {
                    let kind = ResourceType::RD_KAFKA_RESOURCE_TOPIC;
                    let resource = sys::rd_kafka_ConfigResource_new(kind, name.as_ptr());
                    sys::rd_kafka_ConfigResource_set_config(resource, key.as_ptr(), c"".as_ptr());
                    resource
                })
                .collect();
            let (array, count) = (resources.as_mut_ptr(), resources.len());
            sys::rd_kafka_DescribeConfigs(self.client, array, count, null(), self.queue);
            sys::rd_kafka_ConfigResource_destroy_array(array, count);
        }
    }

    /// Creates topics of one partition, so many at a time, each time until the list of all has them.
    pub(crate) fn create(&self, names: &[CString], key: &CStr, value: &CStr) {
        names.chunks(TOPICS_A_CREATION).for_each(|some| self.create_at_once(some, key, value));
    }

    fn create_at_once(&self, names: &[CString], key: &CStr, value: &CStr) {
        let before = self.all_topics();
        let mut why = [0; 512];
        // SAFETY: the texts live; librdkafka copies the topics, which are destroyed here.
        unsafe {
            let mut topics: Vec<_> = names
                .iter()
                .map(|name| {
                    let topic = sys::rd_kafka_NewTopic_new(name.as_ptr(), 1, -1, why.as_mut_ptr(), why.len());
                    sys::rd_kafka_NewTopic_set_config(topic, key.as_ptr(), value.as_ptr());
                    topic
                })
                .collect();
            let (array, count) = (topics.as_mut_ptr(), topics.len());
            sys::rd_kafka_CreateTopics(self.client, array, count, null(), self.queue);
            sys::rd_kafka_NewTopic_destroy_array(array, count);
        }
        self.answer(|_| 0);
        while self.all_topics() < before + names.len() {}
    }

    /// Deletes topics, and waits until the list of all has them no more.
    pub(crate) fn delete(&self, names: &[CString]) {
        let before = self.all_topics();
        // SAFETY: the texts live; librdkafka copies the topics, which are destroyed here.
        unsafe {
            let mut topics: Vec<_> =
                names.iter().map(|name| sys::rd_kafka_DeleteTopic_new(name.as_ptr())).collect();
            let (array, count) = (topics.as_mut_ptr(), topics.len());
            sys::rd_kafka_DeleteTopics(self.client, array, count, null(), self.queue);
            sys::rd_kafka_DeleteTopic_destroy_array(array, count);
        }
        self.answer(|_| 0);
        while self.all_topics() + names.len() > before {}
    }

    /// Waits for one answer and looks at it.
    fn answer(&self, look: fn(*mut sys::rd_kafka_event_t) -> usize) -> usize {
        // SAFETY: the queue lives; the event is destroyed after it was looked at.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.queue, TIMEOUT_MS);
            assert!(!event.is_null(), "an answer in time");
            let error = sys::rd_kafka_event_error(event);
            assert_eq!(error, sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
            let seen = look(event);
            sys::rd_kafka_event_destroy(event);
            seen
        }
    }
}

/// How many values an answer holds.
fn configs(event: *mut sys::rd_kafka_event_t) -> usize {
    let (mut resources, mut values) = (0, 0);
    // SAFETY: the event lives, and with it its arrays.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConfigs_result(event);
        let all = sys::rd_kafka_DescribeConfigs_result_resources(result, &mut resources);
        for at in 0..resources {
            let mut count = 0;
            let entries = sys::rd_kafka_ConfigResource_configs(*all.add(at), &mut count);
            let has_value = |at: &usize| !sys::rd_kafka_ConfigEntry_value(*entries.add(*at)).is_null();
            values += (0..count).filter(has_value).count();
        }
    }
    values
}
