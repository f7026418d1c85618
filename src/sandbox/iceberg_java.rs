//! Apache Iceberg's own REST adapter: what the specification's authors test their clients with.

use super::error::SandboxError;
use super::files;
use super::ports::Ports;
use super::servers::{Runtime, Server, Service, Site, get, http};
use super::status::Access;
use super::tools;
use async_trait::async_trait;
use std::process::Command;

/// A few lines around it, run from their source.
const PROGRAM: &str = include_str!("ReferenceCatalog.java");
const PROGRAM_FILE: &str = "ReferenceCatalog.java";
const WAREHOUSE: &str = "warehouse";

#[derive(Debug)]
pub(crate) struct IcebergJava;

#[async_trait]
impl Server for IcebergJava {
    fn name(&self) -> &'static str {
        "iceberg-java"
    }

    fn artifact(&self) -> &'static str {
        "iceberg-1.10.0"
    }

    fn services(&self) -> &'static [Service] {
        &[Service { name: "iceberg-java", endpoint: |ports| ports.url(Ports::ICEBERG_JAVA) }]
    }

    fn ports(&self) -> &'static [(u16, &'static str)] {
        &[(Ports::ICEBERG_JAVA, "Iceberg's REST adapter")]
    }

    async fn prepare(&self, site: Site<'_>, runtime: &Runtime) -> Result<(), SandboxError> {
        if let Some(java) = &runtime.java {
            tools::compiles(java).map_err(|missing| SandboxError::MissingTools(vec![missing]))?;
        }
        let home = site.folder.home(self.name());
        files::private_dir(&home.join(WAREHOUSE))?;
        files::private_dir(&home)?;
        files::write_private(&home.join(PROGRAM_FILE), PROGRAM)
    }

    fn command(&self, site: Site<'_>, runtime: &Runtime) -> Command {
        let home = site.folder.home(self.name());
        let mut command = runtime.java(256);
        command
            .arg("-cp")
            .arg(runtime.files.join("*"))
            .arg(PROGRAM_FILE)
            .arg(site.ports().at(Ports::ICEBERG_JAVA).to_string())
            .arg("catalog.db")
            .arg(home.join(WAREHOUSE))
            .current_dir(home);
        command
    }

    async fn answers(&self, site: Site<'_>) -> Result<(), String> {
        let url = site.ports().url(Ports::ICEBERG_JAVA) + "/v1/namespaces";
        let status = get(&http()?, &url).await?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }

    fn access(&self, _: &str, site: Site<'_>) -> Access {
        Access::Warehouse {
            warehouse: format!("file://{}", site.folder.home(self.name()).join(WAREHOUSE).display()),
        }
    }
}
