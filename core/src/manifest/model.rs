//! The manifest format as types: what a document of each kind may say.
//!
//! One definition serves the decoder, the JSON Schemas for editors, and the defaults. Every value that a later
//! step may complain about carries its place. What a key means is told where it is declared; whether its value
//! makes sense together with others is judged by resolve.

use crate::manifest::values::{ElementType, Node, OneOrMany, PartitionBy, Scalar, Values};
use datamesh_provider::{SecretText, Spanned};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// A value with its place, if somebody wrote it.
pub type Opt<T> = Option<Spanned<T>>;
/// [`Opt`] for a key that few of many values have: a mesh has hundreds of thousands of fields, most of them plain.
pub type Rare<T> = Option<Box<Spanned<T>>>;
/// A map in the order it was written, with the places of keys and values.
pub type Map<T> = IndexMap<Spanned<String>, Spanned<T>>;

/// The frame every document shares. `apiVersion` and `kind` chose the type before it was decoded.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "M: Deserialize<'de>, S: Deserialize<'de>"))]
pub struct Document<M, S> {
    #[serde(rename = "apiVersion")]
    pub api_version: Spanned<String>,
    pub kind: Spanned<String>,
    pub metadata: M,
    pub spec: Spanned<S>,
}

pub type DataProduct = Document<ProductMetadata, ProductSpec>;
pub type Domain = Document<Metadata, DomainSpec>;
pub type Mesh = Document<Metadata, MeshSpec>;
pub type Moved = Document<Option<Metadata>, MovedSpec>;
pub type Removed = Document<Option<Metadata>, RemovedSpec>;
pub type Import = Document<Option<Metadata>, ImportSpec>;
pub type AccessGrant = Document<Metadata, AccessGrantSpec>;
pub type GovernancePolicy = Document<Metadata, PolicySpec>;
pub type PolicyWaiver = Document<Metadata, WaiverSpec>;

/// `metadata` of every kind but DataProduct.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    pub name: Spanned<String>,
    /// Where the document belongs to a domain.
    pub domain: Opt<String>,
    #[serde(default)]
    pub labels: Map<Scalar>,
    #[serde(default)]
    pub annotations: Map<Scalar>,
}

/// `metadata` of a DataProduct.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductMetadata {
    /// kebab-case.
    pub name: Spanned<String>,
    /// The name of a Domain; free when no Domain manifest exists anywhere.
    pub domain: Spanned<String>,
    /// Contact: an e-mail address or a team.
    pub owner: Opt<String>,
    #[serde(default)]
    pub labels: Map<Scalar>,
    #[serde(default)]
    pub annotations: Map<Scalar>,
}

/// `spec` of a DataProduct.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductSpec {
    pub description: Opt<String>,
    /// Default: internal.
    pub classification: Opt<Classification>,
    pub deprecated: Opt<Deprecated>,
    pub schema: Opt<ProductSchema>,
    pub slo: Opt<Slo>,
    #[serde(default)]
    pub output_ports: Vec<Spanned<OutputPort>>,
    pub lineage: Opt<Lineage>,
    pub lifecycle: Opt<Lifecycle>,
    /// Overrides for single environments.
    #[serde(default)]
    pub environments: Map<EnvironmentOverride>,
    /// Where the product exists; default: everywhere.
    pub only_environments: Opt<Vec<Spanned<String>>>,
    /// For retention classes: `logs`.
    pub data_class: Opt<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Classification {
    Public,
    Internal,
    Confidential,
    Restricted,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deprecated {
    /// `YYYY-MM-DD`.
    pub since: Opt<String>,
    /// `YYYY-MM-DD`.
    pub sunset: Opt<String>,
    /// `domain/product@version`.
    pub replaced_by: Opt<String>,
}

/// The contract.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductSchema {
    /// Default: avro.
    pub format: Opt<SchemaFormat>,
    /// An absolute URL ending in `/subjects/<subject>`; its host is mapped by the environment. Absent: one subject
    /// `<topic>-value` per Kafka port.
    pub registry: Opt<String>,
    /// The major version of the contract, not the registry's counter. Default: 1.
    pub version: Opt<u32>,
    /// Absent: BACKWARD when the subject is created, otherwise unmanaged.
    pub compatibility: Opt<Compatibility>,
    /// The full record name; default `<domain_snake>.<ProductPascal>`.
    pub record: Opt<String>,
    /// Field names; implies `required`.
    pub primary_key: Opt<Vec<Spanned<String>>>,
    /// A file beside the manifest, instead of `fields`: `.avsc`, `.json` or `.proto`, registered as it is written.
    pub source: Opt<String>,
    /// Schemas of other products that the file uses.
    #[serde(default)]
    pub references: Vec<Spanned<SchemaReference>>,
    /// The registry's mode for the subject.
    pub mode: Opt<String>,
    #[serde(default)]
    pub fields: Vec<Spanned<Field>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchemaFormat {
    Avro,
    Json,
    Protobuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Compatibility {
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
    None,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaReference {
    /// What the file calls it: the full name of an Avro type, a Protobuf import, a `$ref` of JSON Schema.
    pub name: Spanned<String>,
    /// `domain/product@version`.
    pub product: Spanned<String>,
}

/// One field of a contract, or of a struct within it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: Spanned<String>,
    /// `string boolean int long float double decimal(p,s) date time timestamp timestamp_ntz uuid binary enum array
    /// map struct`, or an SQL synonym.
    #[serde(rename = "type")]
    pub ty: Spanned<String>,
    pub description: Opt<String>,
    /// NOT NULL. Default: false.
    pub required: Opt<bool>,
    /// Leaves the field out of `completeness`. Default: false.
    pub optional: Opt<bool>,
    pub default: Rare<Node>,
    /// The symbols of an `enum`, or the value type of a `map`.
    pub values: Rare<Values>,
    /// Of an `array`.
    pub items: Rare<ElementType>,
    /// Of a `map`; default: string.
    pub keys: Rare<ElementType>,
    /// Of a `struct`.
    #[serde(default)]
    pub fields: Vec<Spanned<Field>>,
    pub pii: Opt<bool>,
    pub pii_type: Opt<PiiType>,
    pub pii_reason: Rare<String>,
    pub governance: Opt<Protection>,
    /// Earlier names, oldest first.
    pub renamed_from: Rare<OneOrMany<Spanned<String>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PiiType {
    Email,
    Phone,
    Ssn,
    Name,
    Address,
    Ip,
    Card,
    Iban,
    Dob,
    Location,
    NationalId,
    Other,
}

/// How a PII field is protected, weakest first; hashing and tokenizing are equally strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    #[serde(rename = "mask-last-4")]
    MaskLast4,
    HashBeforePublish,
    Tokenize,
    Encrypt,
    Redact,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// A duration.
    pub freshness: Opt<String>,
    /// `99.9%` or `99.9`.
    pub availability: Opt<Scalar>,
    /// 0 to 1.
    pub quality_score: Opt<Scalar>,
    /// 0 to 1.
    pub completeness: Opt<Scalar>,
    /// SQL predicates.
    #[serde(default)]
    pub quality_checks: Vec<Spanned<String>>,
}

/// An output port. Which keys are allowed depends on `technology`; resolve says so.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputPort {
    /// Default: the technology. Required when two ports share it.
    pub name: Opt<String>,
    #[serde(rename = "type")]
    pub ty: Opt<PortType>,
    pub technology: Spanned<Technology>,
    /// Which of the environment's systems of this technology. Default: `default`.
    pub cluster: Opt<String>,
    /// Kafka: avro, json, protobuf. Iceberg: parquet.
    pub format: Opt<String>,

    // Kafka.
    pub topic: Opt<String>,
    pub key: Rare<PortKey>,
    pub partitions: Opt<u32>,
    pub replication_factor: Opt<u16>,
    /// A duration.
    pub retention: Opt<String>,
    /// `delete`, `compact` or `compact,delete`.
    pub cleanup: Opt<String>,
    /// Any topic config.
    #[serde(default)]
    pub config: Map<Scalar>,
    #[serde(default)]
    pub consumers: Vec<Spanned<Consumer>>,
    #[serde(default)]
    pub producers: Vec<Spanned<Producer>>,

    // Iceberg.
    pub location: Opt<String>,
    /// `namespace.name`.
    pub table: Opt<String>,
    /// Default: 2. Upgrade only.
    pub format_version: Opt<u8>,
    #[serde(default)]
    pub partition_by: Vec<Spanned<PartitionBy>>,
    #[serde(default)]
    pub sort_by: Vec<Spanned<PartitionBy>>,
    #[serde(default)]
    pub properties: Map<Scalar>,

    // REST: text for the catalog, never fetched.
    pub endpoint: Rare<String>,
    pub auth: Rare<RestAuth>,
    pub openapi: Rare<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortType {
    Streaming,
    Batch,
    Api,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Technology {
    Kafka,
    Iceberg,
    Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RestAuth {
    Oauth2,
    Mtls,
    None,
}

/// The record key of a Kafka port.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortKey {
    pub fields: Spanned<Vec<Spanned<String>>>,
    pub format: Opt<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    pub principal: Spanned<String>,
    pub group: Opt<String>,
    pub host: Opt<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Producer {
    pub principal: Spanned<String>,
    pub transactional_id: Opt<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// `<domain-or-alias>.<product>.v<n>`, or an outside dataset.
    #[serde(default)]
    pub sources: Vec<Spanned<String>>,
    /// `dbt://project/path.sql`.
    pub transformation: Opt<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// Delete data and schemas for good. Default: false.
    pub purge: Opt<bool>,
    pub prevent_destroy: Opt<bool>,
    /// What happens when the manifest vanishes.
    pub on_remove: Opt<OnRemove>,
    /// Attributes whose drift is left alone.
    #[serde(default)]
    pub ignore_changes: Vec<Spanned<String>>,
    /// `data-loss`.
    #[serde(default)]
    pub allow: Vec<Spanned<Allowance>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRemove {
    Hold,
    Forget,
    Destroy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Allowance {
    DataLoss,
}

/// What one environment does differently. Never schema, names, classification or PII.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentOverride {
    #[serde(default)]
    pub ports: Map<PortOverride>,
    pub slo: Opt<Slo>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortOverride {
    pub partitions: Opt<u32>,
    pub replication_factor: Opt<u16>,
    pub retention: Opt<String>,
    #[serde(default)]
    pub config: Map<Scalar>,
    #[serde(default)]
    pub properties: Map<Scalar>,
    pub consumers: Opt<Vec<Spanned<Consumer>>>,
    pub producers: Opt<Vec<Spanned<Producer>>>,
}

/// `spec` of a Domain.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainSpec {
    pub description: Opt<String>,
    pub owner: Opt<String>,
    /// Properties of the Iceberg namespaces this domain owns.
    #[serde(default)]
    pub namespace_properties: Map<Scalar>,
    /// Other names by which topics and lineage speak of this domain.
    #[serde(default)]
    pub aliases: Vec<Spanned<String>>,
    /// Products consumers may name although no manifest declares them.
    #[serde(default)]
    pub external: Vec<Spanned<String>>,
    /// Whether every product of this domain has a manifest here. Default: false.
    pub complete: Opt<bool>,
    #[serde(default)]
    pub code_owners: Vec<Spanned<String>>,
    #[serde(default)]
    pub contacts: Vec<Spanned<String>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovedSpec {
    pub from: Spanned<String>,
    pub to: Spanned<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovedSpec {
    /// An address, or a glob over addresses such as `orders/facts@2:**`.
    pub address: Spanned<String>,
    pub destroy: Spanned<bool>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportSpec {
    pub address: Spanned<String>,
    /// The topic, the subject, `namespace.table`, or the qualified name.
    pub id: Spanned<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessGrantSpec {
    /// `domain/product@version`.
    pub product: Spanned<String>,
    pub port: Opt<String>,
    /// A product, a domain or a team.
    pub consumer: Spanned<String>,
    pub purpose: Opt<String>,
    pub access: Opt<Access>,
    /// `YYYY-MM-DD`.
    pub expires: Opt<String>,
    pub approved_by: Opt<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Read,
    Write,
}

/// `spec` of a GovernancePolicy.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Default: deny.
    pub enforcement: Opt<Enforcement>,
    /// `YYYY-MM-DD`: warn before, deny from then on.
    pub effective_from: Opt<String>,
    pub applies_to: Opt<AppliesTo>,
    pub selector: Opt<PolicySelector>,
    pub naming_conventions: Opt<NamingConventions>,
    pub pii_handling: Opt<PiiHandling>,
    pub quality_requirements: Opt<QualityRequirements>,
    pub interoperability: Opt<Interoperability>,
    pub retention: Opt<RetentionRules>,
    #[serde(default)]
    pub rules: Vec<Spanned<PolicyRule>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    Deny,
    Warn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AppliesTo {
    All,
    Changed,
    New,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySelector {
    #[serde(default)]
    pub domains: Vec<Spanned<String>>,
    #[serde(default)]
    pub classifications: Vec<Spanned<Classification>>,
    #[serde(default)]
    pub labels: Map<Scalar>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamingConventions {
    pub tables: Opt<String>,
    pub columns: Opt<String>,
    pub topics: Opt<String>,
    pub enforcement: Opt<Enforcement>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PiiHandling {
    pub detection: Opt<PiiDetection>,
    #[serde(default)]
    pub actions: Vec<Spanned<PiiAction>>,
    pub enforcement: Opt<Enforcement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PiiDetection {
    Automatic,
    Off,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PiiAction {
    pub field_type: Spanned<PiiType>,
    /// `hash_sha256`, `mask_last_4`, `redact`, or a word of `governance`.
    pub action: Spanned<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QualityRequirements {
    pub minimum_quality_score: Opt<Scalar>,
    #[serde(default)]
    pub required_checks: Vec<Spanned<String>>,
    pub enforcement: Opt<Enforcement>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interoperability {
    pub timestamp_format: Opt<String>,
    pub currency_format: Opt<String>,
    pub country_format: Opt<String>,
    pub id_format: Opt<String>,
    pub enforcement: Opt<Enforcement>,
}

/// The longest retention by class; every value is a duration.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionRules {
    pub default: Opt<String>,
    pub pii_data: Opt<String>,
    pub logs: Opt<String>,
    pub enforcement: Opt<Enforcement>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    pub name: Spanned<String>,
    /// CEL.
    pub when: Opt<String>,
    /// CEL.
    pub assert: Spanned<String>,
    pub message: Opt<String>,
    pub severity: Opt<Enforcement>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaiverSpec {
    pub rule: Spanned<String>,
    /// `domain/product@version`.
    pub product: Spanned<String>,
    pub reason: Spanned<String>,
    pub ticket: Opt<String>,
    pub approved_by: Spanned<String>,
    /// `YYYY-MM-DD`.
    pub expires: Spanned<String>,
}

/// `spec` of the Mesh document.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshSpec {
    /// A company's own API group, accepted beside `datamesh.example.com`.
    pub api_group: Opt<String>,
    pub governance: Opt<MeshGovernance>,
    #[serde(default)]
    pub limits: Option<LimitSettings>,
    #[serde(default)]
    pub environments: Map<Environment>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshGovernance {
    #[serde(default)]
    pub approvers: Vec<Spanned<String>>,
}

/// Raises of the built-in limits.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    pub file_bytes: Opt<u64>,
    pub total_bytes: Opt<u64>,
    pub documents: Opt<u64>,
    pub depth: Opt<u64>,
    pub scalar_bytes: Opt<u64>,
    pub alias_nodes: Opt<u64>,
    pub fields: Opt<u64>,
    pub nesting: Opt<u64>,
    pub partitions: Opt<u64>,
}

/// One environment: where its systems are, and how careful to be with them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    pub state: Spanned<StateSettings>,
    /// By cluster name. Each provider checks its own settings.
    #[serde(default)]
    pub kafka: Map<Node>,
    #[serde(default)]
    pub registry: Map<Node>,
    #[serde(default)]
    pub iceberg: Map<Node>,
    pub catalog: Opt<Node>,
    pub defaults: Opt<EnvironmentDefaults>,
    pub names: Opt<NamePrefixes>,
    #[serde(default)]
    pub principals: Map<String>,
    pub plan_credentials: Opt<Node>,
    pub drift: Opt<DriftSettings>,
    /// Default: hold.
    pub on_remove: Opt<OnRemove>,
    /// Calls under way per system. Default: 10.
    pub parallelism: Opt<u16>,
    /// Default: false.
    pub protected: Opt<bool>,
    /// How absolute addresses in manifests map here.
    #[serde(default)]
    pub endpoints: Map<String>,
    pub audit: Opt<AuditSettings>,
}

/// Who may vouch for the names in audit records.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// Whose ID tokens (OpenID Connect) are believed.
    #[serde(default)]
    pub identity: Vec<Spanned<TrustedIssuer>>,
    /// Whoever writes needs an ID token. Default: false.
    pub required: Opt<bool>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    /// As its tokens name it (`iss`): an https address, without a query.
    pub issuer: Spanned<String>,
    /// Whom its tokens have to be for (`aud`).
    pub audience: Spanned<String>,
    /// A file with the certificates in PEM that its server is trusted by, beside the usual ones.
    pub ca_file: Opt<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateSettings {
    pub backend: Spanned<StateBackend>,
    /// Of `local`: a folder, relative to the root.
    pub path: Opt<String>,
    /// Of `s3`.
    pub bucket: Opt<String>,
    pub prefix: Opt<String>,
    pub region: Opt<String>,
    pub endpoint: Opt<String>,
    pub path_style: Opt<bool>,
    pub tls: Opt<Node>,
    pub encryption: Opt<StateEncryption>,
}

/// Everything the state holds is encrypted, and plan files with it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateEncryption {
    /// The first writes, all of them read: a new key is put in front, and `datamesh state upgrade` writes anew what the
    /// others wrote.
    pub keys: Vec<Spanned<StateKeySettings>>,
}

/// One of `ref` and `passphrase`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateKeySettings {
    /// Stands beside what it encrypted: letters, digits, `-` and `_`.
    pub id: Spanned<String>,
    /// Where a key of 32 bytes is, in base64 or hexadecimal digits: `${env:NAME}` or `${file:PATH}`.
    #[serde(rename = "ref")]
    pub reference: Opt<SecretText>,
    /// Where a passphrase is, of 16 characters or more; a key is made from it with Argon2id.
    pub passphrase: Opt<SecretText>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateBackend {
    Local,
    S3,
}

/// Fill creates only; never compared.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentDefaults {
    pub kafka: Opt<KafkaDefaults>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaDefaults {
    pub partitions: Opt<u32>,
    pub replication_factor: Opt<u16>,
}

/// Put before physical names, after policies judged them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamePrefixes {
    pub topic_prefix: Opt<String>,
    pub subject_prefix: Opt<String>,
    pub namespace_prefix: Opt<String>,
    pub group_prefix: Opt<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftSettings {
    #[serde(default)]
    pub ignore: Vec<Spanned<DriftIgnore>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftIgnore {
    pub address: Spanned<String>,
    #[serde(default)]
    pub attributes: Vec<Spanned<String>>,
    /// `YYYY-MM-DD`.
    pub until: Opt<String>,
    pub reason: Opt<String>,
}
