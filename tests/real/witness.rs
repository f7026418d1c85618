//! What others see: confluent-kafka, plain HTTP and pyiceberg, none of which shares code with the program.

use crate::support::python::python;
use crate::support::servers::Servers;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// See [`Witness::reader`].
#[derive(Debug)]
pub(crate) struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Independent clients of the shared servers.
#[derive(Debug)]
pub(crate) struct Witness {
    python: String,
    kafka: String,
    registry: String,
}

impl Witness {
    /// Nothing where this machine has no such clients.
    pub(crate) fn of(servers: &Servers) -> Option<Self> {
        let (kafka, registry) = (servers.kafka().to_owned(), servers.registry().to_owned());
        Some(Self { python: python()?, kafka, registry })
    }

    /// The same, looking at another Kafka.
    pub(crate) fn at(self, kafka: &str) -> Self {
        Self { kafka: kafka.to_owned(), ..self }
    }

    fn run(&self, script: &str, args: &[&str]) -> Value {
        let script = format!("{}/tests/real/{script}", env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(&self.python).arg(script).args(args).output().expect("python starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the witness could not: {args:?}\n{errors}");
        serde_json::from_slice(&output.stdout).expect("the witness speaks JSON")
    }

    fn kafka(&self, action: &str, args: &[&str]) -> Value {
        self.run("witness.py", &[&[action, &self.kafka], args].concat())
    }

    /// Names of the topics that begin so.
    pub(crate) fn topics(&self, prefix: &str) -> Vec<String> {
        let found = self.kafka("topics", &[prefix]);
        serde_json::from_value(found).expect("a list of names")
    }

    /// Partitions, replicas, and the configs set on the topic itself; null where there is none.
    pub(crate) fn topic(&self, name: &str) -> Value {
        self.kafka("topic", &[name])
    }

    pub(crate) fn make_topic(&self, name: &str, partitions: u32, config: &Value) {
        self.kafka("make-topic", &[name, &partitions.to_string(), &config.to_string()]);
    }

    pub(crate) fn delete_topic(&self, name: &str) {
        self.kafka("delete-topic", &[name]);
    }

    pub(crate) fn set_config(&self, topic: &str, key: &str, value: &str) {
        self.kafka("set-config", &[topic, key, value]);
    }

    /// What a principal may do, a line each.
    pub(crate) fn acls(&self, principal: &str) -> Vec<String> {
        serde_json::from_value(self.kafka("acls", &[principal])).expect("a list of bindings")
    }

    /// Somebody else lets a principal do something: `READ TOPIC LITERAL name`, say.
    pub(crate) fn make_acl(&self, principal: &str, what: &str) {
        let what: Vec<&str> = what.split(' ').collect();
        self.kafka("make-acl", &[&[principal], &what[..]].concat());
    }

    pub(crate) fn make_user(&self, name: &str, password: &str) {
        self.kafka("make-user", &[name, password]);
    }

    /// Whether this user gets a record of a topic as a member of a group: `yes`, or the broker's code.
    pub(crate) fn may_read(&self, sasl: &str, user: (&str, &str), topic: &str, group: &str) -> String {
        let both = format!("{}|{sasl}", self.kafka);
        let answer = self.run("witness.py", &["may-read", &both, user.0, user.1, topic, group]);
        answer.as_str().unwrap_or_default().to_owned()
    }

    /// Puts records into the first partition of a topic, as if they had been written some days ago.
    pub(crate) fn add_records(&self, topic: &str, count: u32, days_old: u32) {
        self.kafka("add-records", &[topic, &count.to_string(), &days_old.to_string()]);
    }

    /// A member of a consumer group that reads a topic, until this is dropped.
    pub(crate) fn reader(&self, topic: &str, group: &str) -> Reader {
        let script = format!("{}/tests/real/witness.py", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(&self.python);
        command.arg(script).args(["stay", &self.kafka, topic, group]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let mut said = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut said).expect("the witness speaks");
        assert_eq!(said, "there\n");
        Reader(child)
    }

    /// Writes a record as somebody does who knows the latest schema of a subject.
    pub(crate) fn write(&self, subject: &str, topic: &str, record: &Value) {
        self.kafka("write", &[&self.registry, subject, topic, &record.to_string()]);
    }

    /// The first record of a topic, read by that schema, whatever it was written with; its values as text.
    pub(crate) fn read(&self, subject: &str, topic: &str) -> Value {
        self.kafka("read", &[&self.registry, subject, topic])
    }

    /// What a validator of JSON Schema has to say about documents.
    pub(crate) fn complaints(&self, schema: &Value, documents: &[Value]) -> Value {
        let documents = Value::Array(documents.to_vec());
        self.run("witness.py", &["complaints", &schema.to_string(), &documents.to_string()])
    }

    /// What the registry answers: status and body.
    pub(crate) fn registry(&self, method: &str, path: &str) -> (u64, Value) {
        let mut answer = self.run("witness.py", &["http", method, &format!("{}{path}", self.registry)]);
        (answer["status"].as_u64().expect("a status"), answer["body"].take())
    }

    /// Tables of a namespace; `None` where there is no such namespace.
    pub(crate) fn tables(&self, catalog: &Catalog, namespace: &str) -> Option<Vec<String>> {
        let args = ["tables", &catalog.properties, &catalog.name, namespace];
        serde_json::from_value(self.run("witness.py", &args)).expect("a list of names")
    }

    /// All that pyiceberg says of a table.
    pub(crate) fn table(&self, catalog: &Catalog, table: &str) -> Value {
        self.run("iceberg/witness.py", &[&catalog.properties, &catalog.name, table, "show"])
    }

    /// Somebody else adds a column, and a property of the same name.
    pub(crate) fn add_column(&self, catalog: &Catalog, table: &str, column: &str) {
        self.run("witness.py", &["add-column", &catalog.properties, &catalog.name, table, column]);
    }
}

/// How pyiceberg opens a catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) name: String,
    /// As JSON.
    pub(crate) properties: String,
}
