//! Ids as file names, and back.

use datamesh_provider::{ObjectId, TypeName};

/// The folder of a type, below `entities/`.
pub(super) fn folder(ty: &TypeName) -> Option<&'static str> {
    FOLDERS.iter().find(|(name, _)| *name == ty.as_str()).map(|(_, folder)| *folder)
}

pub(super) const FOLDERS: [(&str, &str); 3] =
    [("catalog_domain", "domain"), ("catalog_product", "product"), ("catalog_lineage", "lineage")];

/// File systems take no longer names.
const LONGEST: usize = 255;
const EXTENSION: &str = ".json";

/// The file of an id. Only small letters, digits, `-`, `_` and inner dots stand for themselves, so that two ids
/// never share a file, not even where capitals do not count. `None` where the name would be too long.
pub(super) fn file_name(id: &ObjectId) -> Option<String> {
    let mut name = String::new();
    for (at, byte) in id.as_str().bytes().enumerate() {
        let plain = byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if plain || (byte == b'.' && at > 0) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name.push_str(EXTENSION);
    (name.len() <= LONGEST && name.len() > EXTENSION.len()).then_some(name)
}

/// The id of a file, if its name is one that [`file_name`] gives.
pub(super) fn id_of(name: &str) -> Option<ObjectId> {
    let mut rest = name.strip_suffix(EXTENSION)?.as_bytes();
    let mut bytes = Vec::new();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let id = ObjectId::new(String::from_utf8(bytes).ok()?);
    (file_name(&id).as_deref() == Some(name)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_one_safe_name() {
        let name = |id: &str| file_name(&ObjectId::new(id));
        assert_eq!(
            name("order-management/orders-facts@3").as_deref(),
            Some("order-management%2Forders-facts%403.json")
        );
        assert_eq!(name("..").as_deref(), Some("%2E..json"));
        assert_eq!(name("Ab").as_deref(), Some("%41b.json"));
        assert_eq!(name("ü").as_deref(), Some("%C3%BC.json"));
        assert_eq!(name(""), None);
        assert_eq!(name(&"a".repeat(250)).map(|n| n.len()), Some(255));
        assert_eq!(name(&"a".repeat(251)), None);
    }

    #[test]
    fn other_files_are_no_ids() {
        for name in [
            "README.md",
            ".json",
            "A.json",
            "%41b%.json",
            "%4",
            "a%2f.json",
            "%FF.json",
            "notes.JSON",
            "%61.json",
        ] {
            assert_eq!(id_of(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_id_reads_back(id in ".{1,20}") {
            let id = ObjectId::new(id);
            let name = file_name(&id).expect("short");
            prop_assert!(name.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b'\\'));
            prop_assert!(!name.starts_with('.'));
            prop_assert_eq!(id_of(&name), Some(id));
        }

        #[test]
        fn any_name_is_survived(name in ".{0,40}") {
            let _ = id_of(&name);
        }
    }
}
