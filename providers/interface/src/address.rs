//! Addresses: the names of resources in manifests, state, plans and flags.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The name of a resource type, such as `kafka_topic`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TypeName(String);

impl TypeName {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One live system of an environment: `kafka.default`, `registry.default`, `iceberg.lake`, `catalog.default`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SystemName {
    /// The key in the Mesh document: `kafka`, `registry`, `iceberg` or `catalog`.
    pub kind: String,
    /// Which of the environment's systems of that kind; `default` when nothing was said.
    pub name: String,
}

impl SystemName {
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

/// The address of a resource: `domain/product@version:type.name`, or `domain:type.name` without a product.
///
/// Every part is checked to be free of white space, control characters and the separators, so an address is
/// safe to print anywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    domain: String,
    product: Option<(String, u32)>,
    ty: TypeName,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address: {reason}; an address looks like `domain/product@1:kafka_topic.kafka`")]
pub struct AddressError {
    reason: &'static str,
}

fn part(text: &str, reason: &'static str) -> Result<String, AddressError> {
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.is_empty() || text.len() > 255 || !text.chars().all(clean) {
        return Err(AddressError { reason });
    }
    Ok(text.to_owned())
}

/// The last part may be the canonical form of an ACL binding, so it allows more, but nothing that could be
/// mistaken for a separator in front of it, and nothing unprintable.
fn last_part(text: &str) -> Result<String, AddressError> {
    let clean = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | '\\' | '$' | '<' | '>');
    if text.is_empty() || text.len() > 1024 || !text.chars().all(clean) {
        return Err(AddressError {
            reason: "the name after the type is empty or has characters it may not have",
        });
    }
    Ok(text.to_owned())
}

impl Address {
    /// The address of a resource that belongs to one version of a product.
    pub fn of_product(
        domain: &str,
        product: &str,
        version: u32,
        ty: TypeName,
        name: &str,
    ) -> Result<Self, AddressError> {
        Ok(Self {
            domain: part(domain, "the domain is empty or has characters it may not have")?,
            product: Some((
                part(product, "the product is empty or has characters it may not have")?,
                version,
            )),
            ty: TypeName::new(part(ty.as_str(), "the type is empty or has characters it may not have")?),
            name: last_part(name)?,
        })
    }

    /// The address of a resource that belongs to the domain itself.
    pub fn of_domain(domain: &str, ty: TypeName, name: &str) -> Result<Self, AddressError> {
        Ok(Self {
            domain: part(domain, "the domain is empty or has characters it may not have")?,
            product: None,
            ty: TypeName::new(part(ty.as_str(), "the type is empty or has characters it may not have")?),
            name: last_part(name)?,
        })
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Name and major version of the product, unless the resource is the domain's own.
    pub fn product(&self) -> Option<(&str, u32)> {
        self.product.as_ref().map(|(name, version)| (name.as_str(), *version))
    }

    /// `domain/product` without a version, as commands take it; the domain alone where there is no product.
    pub fn product_path(&self) -> String {
        match &self.product {
            Some((product, _)) => format!("{}/{product}", self.domain),
            None => self.domain.clone(),
        }
    }

    pub fn ty(&self) -> &TypeName {
        &self.ty
    }

    /// The part after the type: usually the output port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `domain/product@version`, or `domain`: what output is grouped by.
    pub fn owner(&self) -> String {
        match &self.product {
            Some((product, version)) => format!("{}/{product}@{version}", self.domain),
            None => self.domain.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.owner(), self.ty, self.name)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (owner, rest) = text.split_once(':').ok_or(AddressError { reason: "there is no `:`" })?;
        let (ty, name) =
            rest.split_once('.').ok_or(AddressError { reason: "there is no `.` after the type" })?;
        let ty = TypeName::new(ty);
        let Some((domain, product)) = owner.split_once('/') else {
            return Self::of_domain(owner, ty, name);
        };
        let (product, version) =
            product.rsplit_once('@').ok_or(AddressError { reason: "the product has no `@version`" })?;
        let digits =
            !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) && !version.starts_with('0');
        let number = version.parse().ok().filter(|_| digits);
        let version = number.ok_or(AddressError { reason: "the version is not a whole number from 1" })?;
        Self::of_product(domain, product, version, ty, name)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`domain/product@version:type.name`, or `domain:type.name` without a product.",
            "pattern": "^[^/@:]+(/[^/@:]+@[0-9]+)?:[^.]+\\..+$",
        })
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_a_round_trip() {
        for text in [
            "order-management/orders-facts@3:kafka_topic.kafka",
            "order-management:catalog_domain.self",
            "orders/facts@1:kafka_acl.topic:literal:orders.facts:User:sa:*:read",
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a",
            "a:b",
            "a/b:c.d",
            "a/b@0:c.d",
            "a/b@x:c.d",
            "a/b@1:c.",
            "a b:c.d",
            "a/b@1:c.d\u{1b}[31m",
            "a/b@+1:c.d",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
