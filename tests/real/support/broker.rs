//! Kafka brokers that are set up otherwise than the sandbox's, from the same files: one for the test that needs it.

use super::servers::servers;
use datamesh::sandbox::cache_dir;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A listener beside the one without credentials: its name, and its security protocol.
pub(crate) type Listener = (&'static str, &'static str);

/// One node that is broker and controller, as long as the test.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    folder: TempDir,
    ports: BTreeMap<&'static str, u16>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            let _ = writeln!(std::io::stderr(), "the broker said last: {last:#?}");
        }
    }
}

/// How to set one up.
#[derive(Default)]
pub(crate) struct Setup<'s> {
    pub(crate) listeners: &'s [Listener],
    pub(crate) settings: &'s str,
    /// Name and password of those who can log in by SCRAM-SHA-512.
    pub(crate) users: &'s [(&'s str, &'s str)],
    /// Of the Java machine.
    pub(crate) java: &'s [String],
}

impl Broker {
    /// Starts in a folder, whose files the settings may name. Nothing where this machine has no servers.
    pub(crate) fn start(folder: TempDir, setup: &Setup<'_>) -> Option<Self> {
        // They fetch the files.
        servers()?;
        let home = folder.path();
        let mut ports = BTreeMap::from([("PLAINTEXT", 0), ("CONTROLLER", 0)]);
        ports.extend(setup.listeners.iter().map(|(name, _)| (*name, 0)));
        let held: Vec<TcpListener> = ports.values_mut().map(free).collect();
        drop(held);
        fs::write(home.join("server.properties"), settings(&ports, setup)).expect("writes");
        let jars = cache_dir().join("kafka-4.4.0/*");
        let java = |class: &[&str]| {
            let mut java = Command::new("java");
            java.args(["-Xmx256m", "-XX:+UseSerialGC"]).args(setup.java).arg("-cp").arg(&jars).args(class);
            java.current_dir(home).stdin(Stdio::null());
            java
        };
        let mut format = java(&["kafka.tools.StorageTool", "format", "-t", "bWVzaC10ZXN0LWNsdXN0ZQ"]);
        format.args(["-c", "server.properties"]);
        for (name, password) in setup.users {
            format.args(["--add-scram", &format!("SCRAM-SHA-512=[name={name},password={password}]")]);
        }
        let formatted = format.output().expect("Java runs");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let log = File::create(home.join("log")).expect("writes");
        let child = java(&["kafka.Kafka", "server.properties"])
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("Java runs");
        let mut broker = Self { child, folder, ports };
        broker.wait();
        Some(broker)
    }

    /// Until it takes connections.
    #[expect(clippy::disallowed_methods, reason = "a test waits for a process")]
    fn wait(&mut self) {
        let address = self.address("PLAINTEXT");
        for _ in 0..600 {
            if TcpStream::connect(&address).is_ok() {
                return;
            }
            assert!(self.child.try_wait().expect("a child").is_none(), "the broker ended");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the broker does not start");
    }

    /// Of a listener, `127.0.0.1:port`.
    pub(crate) fn address(&self, listener: &str) -> String {
        format!("127.0.0.1:{}", self.ports[listener])
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Holds a port until all are found.
fn free(port: &mut u16) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    *port = listener.local_addr().expect("an address").port();
    listener
}

fn settings(ports: &BTreeMap<&str, u16>, setup: &Setup<'_>) -> String {
    let mut protocols = BTreeMap::from([("PLAINTEXT", "PLAINTEXT"), ("CONTROLLER", "PLAINTEXT")]);
    protocols.extend(setup.listeners.iter().copied());
    let list = |of: &dyn Fn(&str) -> Option<String>| {
        ports.keys().filter_map(|name| of(name)).collect::<Vec<_>>().join(",")
    };
    let at = |name: &str| Some(format!("{name}://127.0.0.1:{}", ports[name]));
    let mut text = String::from("process.roles=broker,controller\nnode.id=1\nlog.dirs=data\n");
    let _ = writeln!(text, "controller.quorum.voters=1@127.0.0.1:{}", ports["CONTROLLER"]);
    let _ = writeln!(text, "listeners={}", list(&at));
    let advertised = |name: &str| at(name).filter(|_| name != "CONTROLLER");
    let _ = writeln!(text, "advertised.listeners={}", list(&advertised));
    let map = |name: &str| Some(format!("{name}:{}", protocols[name]));
    let _ = writeln!(text, "listener.security.protocol.map={}", list(&map));
    text.push_str("controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n");
    for name in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        let _ = writeln!(text, "{name}.num.partitions=1\n{name}.replication.factor=1");
    }
    text.push_str("transaction.state.log.min.isr=1\nshare.coordinator.state.topic.min.isr=1\n");
    text.push_str(
        "group.initial.rebalance.delay.ms=0\nlog.cleaner.dedupe.buffer.size=2097152\nlog.cleaner.threads=1\n",
    );
    text + setup.settings
}
