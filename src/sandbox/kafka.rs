//! Apache Kafka: one node that is broker and controller, with SASL/SCRAM and the ACL authorizer.

use super::artifacts::Artifact;
use super::error::SandboxError;
use super::files;
use super::ports::Ports;
use super::process::tail;
use super::servers::{Runtime, Server, Service, Site};
use super::site::Record;
use super::status::Access;
use async_trait::async_trait;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const USER: &str = "admin";
const DATA: &str = "data";
/// Storage is formatted here and then renamed: half formatted storage is never started on.
const DRAFT: &str = "data.new";

const LOGGING: &str = "\
status=error
appender.console.type=Console
appender.console.name=STDOUT
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRefs=stdout
rootLogger.appenderRef.stdout.ref=STDOUT
";

#[derive(Debug)]
pub(crate) struct Kafka;

#[async_trait]
impl Server for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn artifact(&self) -> &'static str {
        "kafka-4.4.0"
    }

    fn is_default(&self) -> bool {
        true
    }

    fn services(&self) -> &'static [Service] {
        &[Service { name: "kafka", endpoint: |ports| ports.address(Ports::KAFKA) }]
    }

    fn ports(&self) -> &'static [(u16, &'static str)] {
        &[
            (Ports::KAFKA, "Kafka"),
            (Ports::KAFKA_CONTROLLER, "Kafka's controller"),
            (Ports::KAFKA_SASL, "Kafka with SASL"),
        ]
    }

    async fn prepare(&self, site: Site<'_>, runtime: &Runtime) -> Result<(), SandboxError> {
        let home = site.folder.home(self.name());
        let class_path = class_path(runtime)?;
        files::private_dir(&home)?;
        files::write_private(&home.join("log4j2.properties"), LOGGING)?;
        files::write_private(&home.join("server.properties"), &settings(site.ports(), DATA))?;
        if home.join(DATA).exists() {
            return Ok(());
        }
        let draft = home.join(DRAFT);
        files::remove_dir(&draft)?;
        files::write_private(&home.join("format.properties"), &settings(site.ports(), DRAFT))?;
        // In a file, since the arguments of a process are readable by everybody.
        let arguments = home.join("format.args");
        files::write_private(&arguments, &format_arguments(site.record))?;
        let mut command = runtime.java(128);
        command.arg("-cp").arg(class_path).arg("@format.args").current_dir(&home);
        let formatted = tokio::process::Command::from(command)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(SandboxError::io("format", &draft));
        files::remove_file(&arguments)?;
        let out = formatted?;
        if !out.status.success() {
            return Err(SandboxError::Failed {
                title: Artifact::pinned(self.artifact())?.title.clone(),
                how: format!("could not format its storage: {}", out.status),
                log: site.folder.log(self.name()),
                output: tail(&String::from_utf8_lossy(&out.stderr), 12),
            });
        }
        std::fs::rename(&draft, home.join(DATA)).map_err(SandboxError::io("move", &draft))
    }

    fn command(&self, site: Site<'_>, runtime: &Runtime) -> Command {
        let mut command = runtime.java(512);
        command
            .arg("-Dlog4j2.configurationFile=file:log4j2.properties")
            .arg("-cp")
            .arg(class_path(runtime).unwrap_or_default())
            .args(["kafka.Kafka", "server.properties"])
            .current_dir(site.folder.home(self.name()));
        command
    }

    async fn answers(&self, site: Site<'_>) -> Result<(), String> {
        let ask = async {
            let known = brokers(&site.ports().address(Ports::KAFKA)).await.map_err(|_| "no connection")?;
            if known == 0 { Err("the broker has not joined yet") } else { Ok(()) }
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), ask).await;
        answer.unwrap_or(Err("no answer in 5 s")).map_err(str::to_owned)
    }

    fn access(&self, _: &str, site: Site<'_>) -> Access {
        let record = site.record;
        Access::Sasl {
            sasl_endpoint: record.ports().address(Ports::KAFKA_SASL),
            sasl_mechanism: "SCRAM-SHA-256",
            username: USER,
            password: record.kafka_password.clone(),
        }
    }
}

/// Each pinned file by name: a file that somebody adds to the folder is not loaded.
fn class_path(runtime: &Runtime) -> Result<OsString, SandboxError> {
    let jars = Artifact::pinned(Kafka.artifact())?.files.iter().map(|f| runtime.files.join(&f.path));
    std::env::join_paths(jars).map_err(|e| {
        SandboxError::io("use", &runtime.files)(std::io::Error::new(std::io::ErrorKind::InvalidInput, e))
    })
}

fn format_arguments(record: &Record) -> String {
    format!(
        "kafka.tools.StorageTool format -t {} -c format.properties \
         --add-scram \"SCRAM-SHA-256=[name={USER},password={password}]\" \
         --add-scram \"SCRAM-SHA-512=[name={USER},password={password}]\"\n",
        record.cluster_id,
        password = record.kafka_password.expose()
    )
}

/// The node's settings. Relative paths start at its home folder, which is where it runs.
fn settings(ports: Ports, data: &str) -> String {
    let (plain, sasl) = (ports.address(Ports::KAFKA), ports.address(Ports::KAFKA_SASL));
    let controller = ports.address(Ports::KAFKA_CONTROLLER);
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{plain},SASL://{sasl},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{plain},SASL://{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{USER}
allow.everyone.if.no.acl.found=false
log.dirs={data}
num.partitions=1
num.network.threads=2
num.io.threads=4
background.threads=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
delete.topic.enable=true
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.threads=1
"
    )
}

/// How many live brokers the node knows: Metadata, version 1, for no topics. Before the broker has joined its own
/// cluster the list is empty, and creating a topic would fail.
async fn brokers(address: &str) -> std::io::Result<u32> {
    const REQUEST: [u8; 18] = [
        0, 0, 0, 14, // size
        0, 3, 0, 1, // Metadata, version 1
        0, 0, 0, 7, // correlation id
        0xff, 0xff, // no client id
        0, 0, 0, 0, // no topics
    ];
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&REQUEST).await?;
    let _size = stream.read_u32().await?;
    if stream.read_u32().await? != 7 {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    stream.read_u32().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_is_on_loopback() {
        let text = settings(Ports { base: 20000 }, DATA);
        let listeners = text.lines().find_map(|l| l.strip_prefix("listeners=")).unwrap();
        assert_eq!(listeners.split(',').count(), 3);
        assert!(listeners.split(',').all(|l| l.contains("://127.0.0.1:2000")), "{listeners}");
    }

    #[test]
    fn settings_hold_no_secret() {
        let record = Record::new(20000).unwrap();
        assert!(format_arguments(&record).contains(record.kafka_password.expose()));
        assert!(!settings(record.ports(), DATA).contains(record.kafka_password.expose()));
    }
}
