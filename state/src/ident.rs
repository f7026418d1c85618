//! Identifiers from the run's own entropy.

use datamesh_provider::Entropy;

/// A random (version 4) UUID as text.
pub(crate) fn uuid(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
