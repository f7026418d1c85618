//! The languages that contracts are written in.

use crate::manifest::model::SchemaFormat;

/// A language of schemas.
#[derive(Debug)]
pub struct Language {
    /// The word manifests have for it.
    pub format: &'static str,
    /// The registry's word.
    pub schema_type: &'static str,
    /// What its files end in.
    pub ending: &'static str,
}

impl Language {
    pub const ALL: [Self; 3] = [
        Self { format: "avro", schema_type: "AVRO", ending: ".avsc" },
        Self { format: "json", schema_type: "JSON", ending: ".json" },
        Self { format: "protobuf", schema_type: "PROTOBUF", ending: ".proto" },
    ];

    pub fn of(format: SchemaFormat) -> &'static Self {
        match format {
            SchemaFormat::Avro => &Self::ALL[0],
            SchemaFormat::Json => &Self::ALL[1],
            SchemaFormat::Protobuf => &Self::ALL[2],
        }
    }

    /// The one that a file of this name is in.
    pub fn of_file(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|language| name.ends_with(language.ending))
    }
}
