//! Where a store is, and how it is spoken to.

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use std::fmt;
use std::time::Duration;

/// What `state: { backend: s3, … }` says.
#[derive(Clone, Debug, Default)]
pub struct S3Settings {
    pub bucket: String,
    /// Before every key; without it the bucket is ours alone.
    pub prefix: Option<String>,
    pub region: Option<String>,
    /// Default: AWS, by its region.
    pub endpoint: Option<String>,
    /// The bucket in the path rather than in the host.
    pub path_style: bool,
    /// The authority that signed the endpoint's certificate, as PEM, beside those the system trusts.
    pub ca: Option<Vec<u8>>,
    /// One request takes no longer.
    pub attempt: Duration,
    /// Default: the environment, profiles, web identity, the machine's role, as every AWS tool looks for them.
    pub keys: Option<S3Keys>,
}

/// Credentials, never shown.
#[derive(Clone)]
pub struct S3Keys {
    pub access_key: String,
    pub secret_key: String,
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Keys(…)")
    }
}

/// What a store without regions is told.
const ANY_REGION: &str = "us-east-1";

impl S3Settings {
    /// `prefix/`, or nothing.
    pub(super) fn folder(&self) -> String {
        match self.prefix.as_deref().map(|prefix| prefix.trim_matches('/')) {
            None | Some("") => String::new(),
            Some(prefix) => format!("{prefix}/"),
        }
    }

    fn http(&self) -> SharedHttpClient {
        let mut trust = TrustStore::default();
        if let Some(pem) = &self.ca {
            trust.add_pem_certificate(pem.clone());
        }
        let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
        match TlsContext::builder().with_trust_store(trust).build() {
            Ok(context) => builder.tls_context(context).build_https(),
            Err(_) => builder.build_https(),
        }
    }

    pub(super) async fn client(&self) -> Client {
        let http = self.http();
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(self.attempt)
            .connect_timeout(self.attempt / 3)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled());
        if let Some(S3Keys { access_key, secret_key }) = &self.keys {
            loader =
                loader.credentials_provider(Credentials::new(access_key, secret_key, None, None, "settings"));
        }
        let region = self.region.as_deref().or(self.endpoint.as_ref().map(|_| ANY_REGION));
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let shared = loader.load().await;
        // Stores that are not AWS refuse checksums that nobody asked for.
        let config = Builder::from(&shared)
            .force_path_style(self.path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Client::from_conf(config)
    }
}
