//! The admin calls: each hands its request over and returns at once with an [`Answer`] to wait for.

use super::event::{Answers, ConfigEntry, Described, Event};
use super::native::{ErrorText, Natives, c_text, invalid, owned_error};
use super::{Coded, Handle, open};
use rdkafka_sys as sys;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::time::Duration;
use sys::rd_kafka_AlterConfigOpType_t as OpType;
use sys::rd_kafka_ResourceType_t as ResourceType;
use sys::rd_kafka_admin_op_t as Op;
use tokio::sync::oneshot;

/// Bounds of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From here to the answer, connecting included.
    pub(crate) timeout: Duration,
    /// Only ask whether the broker would.
    pub(crate) validate_only: bool,
}

/// A topic to create. `None`: the broker's own default.
#[derive(Clone, Debug)]
pub(crate) struct NewTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Option<i32>,
    pub(crate) replication_factor: Option<i32>,
    pub(crate) config: &'a BTreeMap<String, String>,
}

/// An answer that is still to come. Dropping it lets the call go on unheard.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    event: oneshot::Receiver<Event>,
    read: fn(&Event) -> T,
}

impl<T> Answer<T> {
    /// Waits, as long as the call's limits say.
    pub(crate) async fn wait(self) -> Result<T, Coded> {
        let closed = |_| Coded {
            code: open::DESTROYED,
            name: "_DESTROY".into(),
            message: "the client was closed".into(),
        };
        let event = self.event.await.map_err(closed)?;
        match event.error() {
            Some(error) => Err(error),
            None => Ok((self.read)(&event)),
        }
    }
}

/// A config key with the value to set, or `None` to unset it.
pub(crate) type Edit<'a> = (&'a str, Option<&'a str>);

/// What each item of a call came to.
pub(crate) type Results = Vec<(String, Option<Coded>)>;

impl Handle {
    pub(crate) fn create_topics(
        &self,
        topics: &[NewTopic<'_>],
        limits: Limits,
    ) -> Result<Answer<Results>, Coded> {
        let mut natives = Natives::new(sys::rd_kafka_NewTopic_destroy);
        for topic in topics {
            let (name, mut why) = (c_text(topic.name)?, ErrorText::new());
            let partitions = topic.partitions.unwrap_or(-1);
            let replicas = topic.replication_factor.unwrap_or(-1);
            // SAFETY: the texts live; what is returned is ours.
            let native = unsafe {
                sys::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replicas, why.ptr(), why.size())
            };
            let native = natives.take(native, &why)?;
            for (key, value) in topic.config {
                let (key, value) = (c_text(key)?, c_text(value)?);
                // SAFETY: the topic and the texts live.
                let code =
                    unsafe { open::rd_kafka_NewTopic_set_config(native, key.as_ptr(), value.as_ptr()) };
                taken(code)?;
            }
        }
        let (array, count) = natives.array();
        // SAFETY: client, array, options and queue live; librdkafka copies what it needs.
        self.start(Op::RD_KAFKA_ADMIN_OP_CREATETOPICS, limits, Event::created_topics, |options| unsafe {
            sys::rd_kafka_CreateTopics(self.ptr(), array, count, options, self.queue());
        })
    }

    /// Grows topics to these numbers of partitions. `validate_only` is not to be trusted here: some brokers ignore it.
    pub(crate) fn create_partitions(
        &self,
        topics: &[(&str, usize)],
        timeout: Duration,
    ) -> Result<Answer<Results>, Coded> {
        let mut natives = Natives::new(sys::rd_kafka_NewPartitions_destroy);
        for (name, total) in topics {
            let (name, mut why) = (c_text(name)?, ErrorText::new());
            // SAFETY: the texts live; what is returned is ours.
            let native =
                unsafe { sys::rd_kafka_NewPartitions_new(name.as_ptr(), *total, why.ptr(), why.size()) };
            natives.take(native, &why)?;
        }
        let (array, count) = natives.array();
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_topics`.
        self.start(
            Op::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
            limits,
            Event::created_partitions,
            |options| unsafe {
                sys::rd_kafka_CreatePartitions(self.ptr(), array, count, options, self.queue());
            },
        )
    }

    pub(crate) fn delete_topics(&self, names: &[&str], timeout: Duration) -> Result<Answer<Results>, Coded> {
        let mut natives = Natives::new(sys::rd_kafka_DeleteTopic_destroy);
        for name in names {
            let name = c_text(name)?;
            // SAFETY: the text lives; what is returned is ours.
            natives.take(unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) }, &ErrorText::new())?;
        }
        let (array, count) = natives.array();
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_topics`.
        self.start(Op::RD_KAFKA_ADMIN_OP_DELETETOPICS, limits, Event::deleted_topics, |options| unsafe {
            sys::rd_kafka_DeleteTopics(self.ptr(), array, count, options, self.queue());
        })
    }

    /// Sets (`Some`) and unsets (`None`) single configs of topics; all others stay as they are.
    pub(crate) fn alter_configs(
        &self,
        topics: &[(&str, Vec<Edit<'_>>)],
        limits: Limits,
    ) -> Result<Answer<Results>, Coded> {
        let mut natives = Natives::new(sys::rd_kafka_ConfigResource_destroy);
        for (name, edits) in topics {
            let native = topic_resource(&mut natives, name)?;
            for (key, value) in edits {
                let key = c_text(key)?;
                let value = value.map(c_text).transpose()?;
                let (op, value) = match &value {
                    Some(value) => (OpType::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, value.as_ptr()),
                    None => (OpType::RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE, std::ptr::null()),
                };
                // SAFETY: the resource and the texts live; the error, if any, is ours.
                let error = unsafe {
                    owned_error(sys::rd_kafka_ConfigResource_add_incremental_config(
                        native,
                        key.as_ptr(),
                        op,
                        value,
                    ))
                };
                error.map_or(Ok(()), Err)?;
            }
        }
        let (array, count) = natives.array();
        // SAFETY: as in `create_topics`.
        self.start(
            Op::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS,
            limits,
            Event::altered_configs,
            |options| unsafe {
                sys::rd_kafka_IncrementalAlterConfigs(self.ptr(), array, count, options, self.queue());
            },
        )
    }

    /// Reads these configs, and no others, of each topic. A topic with no key named would answer all.
    pub(crate) fn describe_configs(
        &self,
        topics: &[(&str, Vec<&str>)],
        timeout: Duration,
    ) -> Result<Answer<Answers<Vec<ConfigEntry>>>, Coded> {
        let mut natives = Natives::new(sys::rd_kafka_ConfigResource_destroy);
        for (name, keys) in topics {
            let native = topic_resource(&mut natives, name)?;
            for key in keys {
                let key = c_text(key)?;
                // SAFETY: the resource and the texts live. The value is not sent, but must be there.
                let code =
                    unsafe { open::rd_kafka_ConfigResource_set_config(native, key.as_ptr(), c"".as_ptr()) };
                taken(code)?;
            }
        }
        let (array, count) = natives.array();
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_topics`.
        self.start(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            limits,
            Event::described_configs,
            |options| unsafe {
                sys::rd_kafka_DescribeConfigs(self.ptr(), array, count, options, self.queue());
            },
        )
    }

    /// Reads one config of a broker, whatever gave it its value.
    pub(crate) fn describe_broker_config(
        &self,
        broker: i32,
        key: &str,
        timeout: Duration,
    ) -> Result<Answer<Answers<Vec<ConfigEntry>>>, Coded> {
        let mut natives = Natives::new(sys::rd_kafka_ConfigResource_destroy);
        let (name, key) = (c_text(&broker.to_string())?, c_text(key)?);
        // SAFETY: the text lives; what is returned is ours.
        let native = unsafe {
            sys::rd_kafka_ConfigResource_new(ResourceType::RD_KAFKA_RESOURCE_BROKER, name.as_ptr())
        };
        let native = natives.take(native, &ErrorText::new())?;
        // SAFETY: the resource and the text live.
        taken(unsafe { open::rd_kafka_ConfigResource_set_config(native, key.as_ptr(), c"".as_ptr()) })?;
        let (array, count) = natives.array();
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_topics`.
        self.start(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            limits,
            Event::described_configs,
            |options| unsafe {
                sys::rd_kafka_DescribeConfigs(self.ptr(), array, count, options, self.queue());
            },
        )
    }

    /// Asks for topics by name without creating any, also where auto-creation is on.
    pub(crate) fn describe_topics(
        &self,
        names: &[&str],
        timeout: Duration,
    ) -> Result<Answer<Answers<Described>>, Coded> {
        let names = names.iter().map(|name| c_text(name)).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let mut natives = Natives::new(sys::rd_kafka_TopicCollection_destroy);
        // SAFETY: the texts live and are copied; what is returned is ours.
        let topics =
            unsafe { sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
        let topics = natives.take(topics, &ErrorText::new())?;
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_topics`.
        self.start(Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, limits, Event::described_topics, |options| unsafe {
            sys::rd_kafka_DescribeTopics(self.ptr(), topics, options, self.queue());
        })
    }

    /// The cluster's id, and the number of one of its brokers.
    pub(crate) fn describe_cluster(&self, timeout: Duration) -> Result<Answer<(String, Option<i32>)>, Coded> {
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_topics`.
        self.start(Op::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, limits, Event::cluster, |options| unsafe {
            sys::rd_kafka_DescribeCluster(self.ptr(), options, self.queue());
        })
    }

    pub(super) fn start<T>(
        &self,
        op: Op,
        limits: Limits,
        read: fn(&Event) -> T,
        send: impl FnOnce(*const sys::rd_kafka_AdminOptions_t),
    ) -> Result<Answer<T>, Coded> {
        let options = Options::new(self.ptr(), op, limits)?;
        let (id, event) = self.expect();
        // SAFETY: the options live; librdkafka hands the number back and never follows it.
        unsafe {
            sys::rd_kafka_AdminOptions_set_opaque(options.0.as_ptr(), std::ptr::without_provenance_mut(id))
        };
        send(options.0.as_ptr());
        Ok(Answer { event, read })
    }
}

fn topic_resource(
    natives: &mut Natives<sys::rd_kafka_ConfigResource_t>,
    name: &str,
) -> Result<*mut sys::rd_kafka_ConfigResource_t, Coded> {
    let name = c_text(name)?;
    // SAFETY: the text lives; what is returned is ours.
    let native =
        unsafe { sys::rd_kafka_ConfigResource_new(ResourceType::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr()) };
    natives.take(native, &ErrorText::new())
}

fn taken(code: i32) -> Result<(), Coded> {
    if code == 0 { Ok(()) } else { Err(invalid("librdkafka does not take this config key")) }
}

/// The options of one call.
struct Options(NonNull<sys::rd_kafka_AdminOptions_t>);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: they are ours, and gone after this.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) }
    }
}

impl Options {
    fn new(client: *mut sys::rd_kafka_t, op: Op, limits: Limits) -> Result<Self, Coded> {
        // SAFETY: the client lives; what is returned is ours.
        let options = unsafe { sys::rd_kafka_AdminOptions_new(client, op) };
        let options = NonNull::new(options).map(Self).ok_or_else(|| invalid("no options for this call"))?;
        let millis = i32::try_from(limits.timeout.as_millis()).unwrap_or(i32::MAX).max(1);
        // The broker gets less than we wait, so that its own timeout can still be answered.
        let on_broker = millis / 4 * 3;
        let waits = matches!(
            op,
            Op::RD_KAFKA_ADMIN_OP_CREATETOPICS
                | Op::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS
                | Op::RD_KAFKA_ADMIN_OP_DELETETOPICS
        );
        let (to, mut why) = (options.0.as_ptr(), ErrorText::new());
        // SAFETY: the options and the buffer live.
        let codes = unsafe {
            [
                open::rd_kafka_AdminOptions_set_request_timeout(to, millis, why.ptr(), why.size()),
                if waits {
                    open::rd_kafka_AdminOptions_set_operation_timeout(to, on_broker, why.ptr(), why.size())
                } else {
                    0
                },
                if limits.validate_only {
                    open::rd_kafka_AdminOptions_set_validate_only(to, 1, why.ptr(), why.size())
                } else {
                    0
                },
            ]
        };
        if codes.iter().all(|code| *code == 0) {
            Ok(options)
        } else {
            Err(invalid("librdkafka does not take these limits"))
        }
    }
}
