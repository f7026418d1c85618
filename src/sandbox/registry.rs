//! Apicurio Registry, spoken to through its Confluent-compatible API.

use super::error::SandboxError;
use super::files;
use super::ports::Ports;
use super::servers::{Runtime, Server, Service, Site, get, http};
use super::site::Record;
use super::status::Access;
use async_trait::async_trait;
use std::process::Command;

const JAR: &str = "apicurio-registry-app-3.0.9-runner.jar";
const API: &str = "/apis/ccompat/v7";

#[derive(Debug)]
pub(crate) struct Registry;

#[async_trait]
impl Server for Registry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn artifact(&self) -> &'static str {
        "apicurio-registry-3.0.9"
    }

    fn is_default(&self) -> bool {
        true
    }

    fn services(&self) -> &'static [Service] {
        &[Service { name: "registry", endpoint: |ports| ports.url(Ports::REGISTRY) + API }]
    }

    fn ports(&self) -> &'static [(u16, &'static str)] {
        &[(Ports::REGISTRY, "the registry"), (Ports::REGISTRY_MANAGEMENT, "the registry's management")]
    }

    async fn prepare(&self, site: Site<'_>, _: &Runtime) -> Result<(), SandboxError> {
        files::private_dir(&site.folder.home(self.name()))
    }

    fn command(&self, site: Site<'_>, runtime: &Runtime) -> Command {
        let (home, ports) = (site.folder.home(self.name()), site.ports());
        let mut command = runtime.java(384);
        command
            .arg("-jar")
            .arg(runtime.files.join(JAR))
            .current_dir(&home)
            .env("QUARKUS_HTTP_HOST", "127.0.0.1")
            .env("QUARKUS_HTTP_PORT", ports.at(Ports::REGISTRY).to_string())
            // Without a host of its own the management port would listen on all interfaces.
            .env("QUARKUS_MANAGEMENT_HOST", "127.0.0.1")
            .env("QUARKUS_MANAGEMENT_PORT", ports.at(Ports::REGISTRY_MANAGEMENT).to_string())
            .env("QUARKUS_HTTP_ACCESS_LOG_ENABLED", "false")
            .env("APICURIO_STORAGE_KIND", "sql")
            .env("APICURIO_STORAGE_SQL_KIND", "h2")
            // What was answered is on disk: the default would lose the last half second with the process.
            .env("APICURIO_DATASOURCE_URL", "jdbc:h2:file:./registry;WRITE_DELAY=0")
            .env("APICURIO_REST_DELETION_ARTIFACT_ENABLED", "true");
        command
    }

    async fn answers(&self, site: Site<'_>) -> Result<(), String> {
        let url = site.ports().url(Ports::REGISTRY) + API + "/subjects";
        let status = get(&http()?, &url).await?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }

    fn access(&self, _: &str, _: &Record) -> Access {
        Access::Open {}
    }
}
