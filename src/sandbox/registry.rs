//! Apicurio Registry, spoken to through its Confluent-compatible API.

use super::error::SandboxError;
use super::files;
use super::ports::Ports;
use super::servers::{Runtime, Server, Service, Site, get, http};
use super::status::Access;
use async_trait::async_trait;
use std::process::Command;

const API: &str = "/apis/ccompat/v7";

/// One version of it.
#[derive(Debug)]
pub(crate) struct Registry {
    name: &'static str,
    artifact: &'static str,
    jar: &'static str,
    java: u32,
    services: &'static [Service],
    ports: &'static [(u16, &'static str)],
}

pub(crate) static REGISTRY: Registry = Registry {
    name: "registry",
    artifact: "apicurio-registry-3.0.9",
    jar: "apicurio-registry-app-3.0.9-runner.jar",
    java: 17,
    services: &[Service { name: "registry", endpoint: |ports| ports.url(Ports::REGISTRY) + API }],
    ports: &[(Ports::REGISTRY, "the registry"), (Ports::REGISTRY_MANAGEMENT, "the registry's management")],
};

/// A later version beside it: the two judge some schemas differently.
pub(crate) static REGISTRY2: Registry = Registry {
    name: "registry2",
    artifact: "apicurio-registry-3.3.3",
    jar: "quarkus-run.jar",
    java: 21,
    services: &[Service { name: "registry2", endpoint: |ports| ports.url(Ports::REGISTRY2) + API }],
    ports: &[
        (Ports::REGISTRY2, "the second registry"),
        (Ports::REGISTRY2_MANAGEMENT, "the second registry's management"),
    ],
};

impl Registry {
    fn offset(&self, index: usize) -> u16 {
        self.ports.get(index).map_or(0, |port| port.0)
    }
}

#[async_trait]
impl Server for Registry {
    fn name(&self) -> &'static str {
        self.name
    }

    fn artifact(&self) -> &'static str {
        self.artifact
    }

    fn is_default(&self) -> bool {
        self.name == REGISTRY.name
    }

    fn java(&self) -> Option<u32> {
        Some(self.java)
    }

    fn services(&self) -> &'static [Service] {
        self.services
    }

    /// The first is the API's, the second the management's.
    fn ports(&self) -> &'static [(u16, &'static str)] {
        self.ports
    }

    async fn prepare(&self, site: Site<'_>, _: &Runtime) -> Result<(), SandboxError> {
        files::private_dir(&site.folder.home(self.name()))
    }

    fn command(&self, site: Site<'_>, runtime: &Runtime) -> Command {
        let (home, ports) = (site.folder.home(self.name()), site.ports());
        let (api, management) = (self.offset(0), self.offset(1));
        let mut command = runtime.java(384);
        command
            .arg("-jar")
            .arg(runtime.files.join(self.jar))
            .current_dir(&home)
            .env("QUARKUS_HTTP_HOST", "127.0.0.1")
            .env("QUARKUS_HTTP_PORT", ports.at(api).to_string())
            // Without a host of its own the management port would listen on all interfaces.
            .env("QUARKUS_MANAGEMENT_HOST", "127.0.0.1")
            .env("QUARKUS_MANAGEMENT_PORT", ports.at(management).to_string())
            .env("QUARKUS_HTTP_ACCESS_LOG_ENABLED", "false")
            .env("APICURIO_STORAGE_KIND", "sql")
            .env("APICURIO_STORAGE_SQL_KIND", "h2")
            // What was answered is on disk: the default would lose the last half second with the process.
            .env("APICURIO_DATASOURCE_URL", "jdbc:h2:file:./registry;WRITE_DELAY=0")
            .env("APICURIO_REST_DELETION_ARTIFACT_ENABLED", "true");
        command
    }

    async fn answers(&self, site: Site<'_>) -> Result<(), String> {
        let url = site.ports().url(self.offset(0)) + API + "/subjects";
        let status = get(&http()?, &url).await?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }

    fn access(&self, _: &str, _: Site<'_>) -> Access {
        Access::Open {}
    }
}
