//! The document: frozen, checked, and never silently cut.

use crate::support::{edit, full_shard, shard};
use datamesh_state::{Shard, StateErrorKind, decode, encode};
use proptest::prelude::*;

const SAMPLE: &[u8] = include_bytes!("../samples/shard-v1.json");

fn kind(bytes: &[u8]) -> StateErrorKind {
    decode("prod/orders/42.json", bytes).expect_err("not a shard").kind()
}

/// A document with something else in it and a checksum that is right.
fn forged(change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> Vec<u8> {
    let mut value: serde_json::Value = serde_json::from_slice(SAMPLE).expect("JSON");
    let map = value.as_object_mut().expect("a map");
    map.remove("checksum");
    change(map);
    let body = datamesh_provider::canonical_json(&value);
    let checksum = datamesh_provider::digest(body.as_bytes());
    format!("{{\"checksum\":\"{checksum}\",{}\n", &body[1..]).into_bytes()
}

#[test]
fn the_frozen_sample_is_read_and_written_byte_for_byte() {
    let decoded = decode("sample", SAMPLE).expect("the sample");
    assert_eq!(decoded, full_shard());
    assert_eq!(encode(&decoded).expect("encodes"), SAMPLE);
    decoded.verify().expect("the sample verifies");
}

#[test]
fn every_damage_is_an_error_that_names_the_file() {
    for cut in [0, 1, 12, 100, SAMPLE.len() / 2, SAMPLE.len() - 2] {
        let error = decode("prod/orders/42.json", &SAMPLE[..cut]).expect_err("cut");
        assert_eq!(error.kind(), StateErrorKind::Corrupt, "{cut}");
        assert!(error.to_string().contains("prod/orders/42.json"), "{error}");
    }
    assert_eq!(kind(b"\xff\xfe"), StateErrorKind::Corrupt);
    assert_eq!(kind(b"[]"), StateErrorKind::Corrupt);
    let edited =
        String::from_utf8(SAMPLE.to_vec()).expect("text").replace("\"partitions\":3", "\"partitions\":4");
    let error = decode("x", edited.as_bytes()).expect_err("edited").to_string();
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn unknown_fields_are_errors_at_every_depth() {
    let top = forged(|map| drop(map.insert("extra".into(), 1.into())));
    let deep = forged(|map| {
        let record = map["resources"].as_object_mut().expect("a map").values_mut().next().expect("one");
        record.as_object_mut().expect("a map").insert("extra".into(), 1.into());
    });
    for bytes in [top, deep] {
        let error = decode("x", &bytes).expect_err("unknown").to_string();
        assert!(error.contains("extra"), "{error}");
    }
    // The forger itself is sound.
    decode("x", &forged(|_| ())).expect("unchanged");
}

#[test]
fn a_newer_format_asks_for_an_upgrade() {
    for bytes in [forged(|map| drop(map.insert("format".into(), 2.into()))), b"{\"format\": 9}".to_vec()] {
        let error = decode("x", &bytes).expect_err("newer");
        assert_eq!(error.kind(), StateErrorKind::Unsupported);
        assert!(error.hint().contains("upgrade"), "{}", error.hint());
    }
}

/// Records keep their text for the next writing of their shard.
#[test]
fn what_changed_since_it_was_written_is_written_as_it_is() {
    let mut shard = full_shard();
    let before = shard.clone();
    let first = encode(&shard).expect("encodes");
    assert_eq!(encode(&before).expect("encodes"), first);
    let at = shard.resources.keys().next().expect("one").to_string();
    let mut last = first.clone();
    // Shared with another version at first, then nobody else's.
    for _ in 0..2 {
        edit(&mut shard, &at).generation += 1;
        let next = encode(&shard).expect("encodes");
        assert_ne!(next, last);
        let anew = decode("x", &next).expect("decodes");
        assert_eq!((&anew, &encode(&anew).expect("encodes")), (&shard, &next));
        last = next;
    }
    assert_eq!(encode(&before).expect("encodes"), first, "another version is as it was");
    let tree = serde_json::to_value(&shard).expect("a tree");
    let from_tree: Shard = serde_json::from_value(tree).expect("a shard");
    assert_eq!(from_tree, shard);
}

proptest! {
    #[test]
    fn any_shard_survives_and_any_flipped_byte_is_noticed(
        serial in 1u64..,
        text in "\\PC{0,40}",
        key in "[a-z]{1,8}",
        number in any::<i64>(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..7,
    ) {
        let mut original = full_shard();
        original.serial = serial;
        let record = original.resources.values_mut().next().expect("one").make_mut();
        record.attributes.insert(key, serde_json::json!([text, number, null]));
        let bytes = encode(&original).expect("encodes");
        prop_assert_eq!(&decode("x", &bytes).expect("decodes"), &original);
        let mut flipped = bytes.clone();
        let at = at.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert!(decode("x", &flipped).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode("x", &bytes).is_err());
    }
}

#[test]
fn an_empty_shard_is_small_and_sound() {
    let bytes = encode(&shard()).expect("encodes");
    assert!(bytes.len() < 1000);
    assert_eq!(decode("x", &bytes).expect("decodes"), shard());
}
