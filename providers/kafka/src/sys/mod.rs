//! The one place of this project with `unsafe`: the admin calls of librdkafka.
//!
//! The safe API of the `rdkafka` crate has no IncrementalAlterConfigs, DescribeTopics or DescribeCluster, asks for
//! all configs of a topic or none, and drops the broker's own words from every refusal. So the admin calls are made
//! here, over one queue that a thread of its own listens to. Everything that leaves this module is plain values.
//!
//! Rules that keep it sound:
//! - A native object belongs to exactly one wrapper, which destroys it; librdkafka copies what it is given.
//! - What an event holds is copied out while the event lives; no pointer into it leaves its function.
//! - Numbers that a broker chooses (error codes, config sources) are never read as Rust enums: see [`open`].

mod acl;
mod event;
mod metadata;
mod native;
mod open;
mod request;
mod usage;

pub(crate) use acl::{Kinds, NewBinding, RawBinding};
pub(crate) use event::{Answers, ConfigEntry, Described};
pub(crate) use metadata::TopicShape;
pub(crate) use request::{Answer, Edit, Limits, NewTopic};
pub(crate) use usage::{Groups, Offset, Place};

use datamesh_provider::Secret;
use event::{Event, Heard};
use native::Queue;
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaType;
use rdkafka_sys as sys;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{oneshot, watch};

/// An error of librdkafka (negative codes) or of the broker (the codes of Kafka's protocol).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[{name}] {message}")]
pub(crate) struct Coded {
    pub(crate) code: i32,
    /// `TOPIC_ALREADY_EXISTS`; librdkafka's own begin with `_`.
    pub(crate) name: String,
    /// The broker's words where it had any.
    pub(crate) message: String,
}

/// What connections have run into since the last answer, as librdkafka tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// The last thing that went wrong, in librdkafka's words.
    pub(crate) last: Option<String>,
    /// The brokers that could not be reached, by librdkafka's names for them.
    pub(crate) failed: BTreeSet<String>,
    /// A broker turned us away, so waiting will not help: login or certificate.
    pub(crate) turned_away: Option<Coded>,
}

/// A client with a thread that listens to it. The thread ends, and the client with it, when this is dropped.
pub(crate) struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    // Before the client, and so destroyed before it.
    queue: Queue,
    client: Client<DefaultClientContext>,
    waiting: Mutex<HashMap<usize, oneshot::Sender<Event>>>,
    next: AtomicUsize,
    stop: AtomicBool,
    trouble: watch::Sender<Trouble>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.queue.wake();
    }
}

impl Handle {
    /// Builds a client. Connects in the background; nothing is printed, whatever goes wrong.
    pub(crate) fn open(properties: &[(String, Secret)], oauth: bool) -> Result<Self, String> {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in properties {
            config.set(name, value.expose());
        }
        let native = config.create_native_config().map_err(|e| without_values(&e))?;
        // SAFETY: the configuration lives until `Client::new` takes it.
        unsafe {
            sys::rd_kafka_conf_set_events(native.ptr(), sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_LOG);
            sys::rd_kafka_conf_enable_sasl_queue(native.ptr(), i32::from(oauth));
        }
        // A producer, as for every admin client: it joins no group and starts no fetchers.
        let client = Client::new(&config, native, RDKafkaType::RD_KAFKA_PRODUCER, DefaultClientContext)
            .map_err(|e| without_values(&e))?;
        if oauth {
            native::refresh_tokens_in_background(client.native_ptr()).map_err(|e| e.message)?;
        }
        let queue = Queue::main(client.native_ptr()).ok_or("the client has no queue")?;
        let shared = Arc::new(Shared {
            queue,
            client,
            waiting: Mutex::default(),
            next: AtomicUsize::new(1),
            stop: AtomicBool::new(false),
            trouble: watch::Sender::default(),
        });
        let listener = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("kafka-events".into());
        thread.spawn(move || listener.listen()).map_err(|e| e.to_string())?;
        Ok(Self { shared })
    }

    /// What goes wrong, as it happens.
    pub(crate) fn trouble(&self) -> watch::Receiver<Trouble> {
        self.shared.trouble.subscribe()
    }

    fn ptr(&self) -> *mut sys::rd_kafka_t {
        self.shared.client.native_ptr()
    }

    fn queue(&self) -> *mut sys::rd_kafka_queue_t {
        self.shared.queue.ptr()
    }

    /// A number for the next call, and where its answer will arrive.
    fn expect(&self) -> (usize, oneshot::Receiver<Event>) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting().insert(id, sender);
        (id, receiver)
    }
}

/// The values of properties may be secrets, and the crate's errors quote them.
fn without_values(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, property, _) => {
            format!("the client library does not take the value of `{property}`")
        }
        KafkaError::ClientCreation(words) => words.clone(),
        other => other.to_string(),
    }
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<usize, oneshot::Sender<Event>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) {
        while !self.stop.load(Ordering::Acquire) {
            match self.queue.next().map(Event::heard) {
                None | Some(Heard::Log) => {}
                Some(Heard::Trouble(error)) => self.note(error),
                Some(Heard::Answer(id, event)) => {
                    if event.error().is_none() {
                        self.trouble.send_if_modified(|trouble| {
                            let was_trouble = trouble.last.is_some() || !trouble.failed.is_empty();
                            *trouble = Trouble::default();
                            was_trouble
                        });
                    }
                    // Whoever asked may have gone.
                    if let Some(sender) = self.waiting().remove(&id) {
                        let _ = sender.send(event);
                    }
                }
            }
        }
    }

    fn note(&self, error: Coded) {
        let (broker, words) = plain_words(&error.message);
        self.trouble.send_modify(|trouble| {
            trouble.last = Some(words.clone());
            trouble.failed.extend(broker);
            if matches!(error.code, open::AUTHENTICATION | open::SSL) {
                trouble.turned_away = Some(Coded { message: words, ..error });
            }
        });
    }
}

/// librdkafka says `127.0.0.1:1/bootstrap: Connect to … failed: Connection refused (after 0ms in state CONNECT)`: the
/// broker, and what a reader wants of the rest.
fn plain_words(message: &str) -> (Option<String>, String) {
    let (broker, rest) = match message.split_once(": ") {
        Some((broker, rest)) if broker.contains('/') && !broker.contains(' ') => (Some(broker), rest),
        _ => (None, message),
    };
    let rest = rest.split(" (after ").next().unwrap_or(rest).replace("ipv4#", "").replace("ipv6#", "");
    (broker.map(str::to_owned), rest)
}

#[cfg(test)]
mod tests {
    use super::plain_words;

    #[test]
    fn words_for_readers() {
        let said = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, 1 identical error(s) suppressed)";
        let want = "Connect to 127.0.0.1:1 failed: Connection refused";
        assert_eq!(plain_words(said), (Some("127.0.0.1:1/bootstrap".into()), want.into()));
        assert_eq!(plain_words("2/2 brokers are down"), (None, "2/2 brokers are down".into()));
    }
}
