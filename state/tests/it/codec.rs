//! What is compressed and encrypted comes back as it was, or not at all.

use crate::support::{codec, context, full_shard, request, ring};
use datamesh_provider::{Entropy, Secret};
use datamesh_state::{
    BlobStore, Codec, Condition, DocumentKey, DocumentKind, KeyError, KeyRing, MAX_BYTES, MemoryStore,
    StateError, StateErrorKind, StateKey, StateStore, decode, encode,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "prod/orders";
const SAMPLE: &[u8] = include_bytes!("../samples/shard-v1.json");
/// The same, encrypted with the key of thirty-two `07`, and the nonce of twelve `05`.
const SEALED: &[u8] = include_bytes!("../samples/shard-v1.sealed");
/// The same compressed before.
const SEALED_ZLIB: &[u8] = include_bytes!("../samples/shard-v1.zlib.sealed");
/// The same, with a key made from the passphrase below and the salt of sixteen `05`.
const SEALED_PASSPHRASE: &[u8] = include_bytes!("../samples/shard-v1.passphrase.sealed");
const PASSPHRASE: &str = "correct horse battery staple";

/// Always the same byte.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(5);
    }
}

fn open(codec: &Codec, bytes: &[u8]) -> Result<Vec<u8>, StateError> {
    codec.open(NAME, "s3://b/prod/orders", bytes.to_vec(), MAX_BYTES)
}

#[track_caller]
fn refused(codec: &Codec, bytes: &[u8]) -> (StateErrorKind, String) {
    let error = open(codec, bytes).expect_err("refused");
    assert!(error.to_string().contains("s3://b/prod/orders"), "{error}");
    (error.kind(), error.to_string())
}

fn sealed(codec: &Codec, text: &[u8]) -> Vec<u8> {
    codec.seal(NAME, text).expect("sealed")
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

fn passphrase(text: &str) -> Codec {
    let key = StateKey::from_passphrase("p1", Secret::new(text)).expect("a passphrase");
    of(vec![key])
}

fn of(keys: Vec<StateKey>) -> Codec {
    Codec::default().encrypting(KeyRing::new(keys).expect("keys"), context(1).entropy)
}

/// With the key of the samples.
fn frozen() -> Codec {
    Codec::default().encrypting(ring(&[("k1", 7)]), Arc::new(Fixed))
}

fn compressing() -> Codec {
    Codec::default().compressing(true)
}

fn all() -> [Codec; 4] {
    let encrypting = codec(&[("k1", 1)]);
    [Codec::default(), compressing(), encrypting.clone().compressing(false), encrypting]
}

proptest! {
    #[test]
    fn what_was_written_is_read(text in prop::collection::vec(any::<u8>(), 0..2000), times in 1usize..20) {
        let text = text.repeat(times);
        for codec in all() {
            prop_assert_eq!(&open(&codec, &sealed(&codec, &text)).expect("read"), &text);
        }
    }

    #[test]
    fn no_bytes_are_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..200), framed in any::<bool>()) {
        let bytes = if framed { [b"datamesh-frame ".as_slice(), &bytes].concat() } else { bytes };
        for codec in all() {
            let _ = open(&codec, &bytes);
        }
    }
}

#[test]
fn a_text_that_looks_like_a_frame_comes_back_as_well() {
    for text in [b"datamesh-frame 1 prod/orders 0 plain\n".as_slice(), b"datamesh-frame ", b""] {
        for codec in all() {
            assert_eq!(open(&codec, &sealed(&codec, text)).expect("read"), text, "{codec:?}");
        }
    }
}

#[test]
fn a_document_is_kept_as_it_is_unless_something_else_is_asked_for() {
    assert_eq!(sealed(&Codec::default(), SAMPLE), SAMPLE);
    let compressed = sealed(&compressing(), SAMPLE);
    assert!(compressed.starts_with(b"datamesh-frame 1 prod/orders "), "{compressed:?}");
    assert!(compressed.len() * 2 < SAMPLE.len(), "{} of {}", compressed.len(), SAMPLE.len());
    // Whatever is written, both are read.
    assert_eq!(open(&Codec::default(), &compressed).expect("read"), SAMPLE);
    assert_eq!(open(&compressing(), SAMPLE).expect("read"), SAMPLE);
    // What cannot be made smaller is left alone.
    let noise = sealed(&codec(&[("k1", 1)]), &[7; 3]);
    assert!(noise.starts_with(b"datamesh-frame 1 prod/orders 3 plain aes-256-gcm k1 - "));
}

#[test]
fn nothing_of_the_text_can_be_read_in_what_is_encrypted() {
    for codec in [codec(&[("k1", 1)]).compressing(false), passphrase(PASSPHRASE)] {
        let bytes = sealed(&codec, SAMPLE);
        assert!(!contains(&bytes, b"partitions") && !contains(&bytes, b"resources"));
        assert!(contains(SAMPLE, b"partitions") && contains(SAMPLE, b"resources"));
    }
    let codec = codec(&[("k1", 1)]);
    let twice = [(); 2].map(|()| sealed(&codec, SAMPLE));
    assert_ne!(twice[0], twice[1], "a nonce is used once");
}

#[test]
fn the_frozen_samples_are_read() {
    let raw = frozen();
    for (codec, bytes) in [(&raw, SEALED), (&raw, SEALED_ZLIB), (&passphrase(PASSPHRASE), SEALED_PASSPHRASE)]
    {
        let text = open(codec, bytes).expect("read");
        assert_eq!(text, SAMPLE);
        assert_eq!(decode("sample", &text).expect("a shard"), full_shard());
    }
    // And written; what compression makes of a text may differ from one version of it to the next.
    assert_eq!(sealed(&raw, SAMPLE), SEALED);
    let key = StateKey::from_passphrase("p1", Secret::new(PASSPHRASE)).expect("a passphrase");
    let fresh = Codec::default().encrypting(KeyRing::new(vec![key]).expect("keys"), Arc::new(Fixed));
    assert_eq!(sealed(&fresh, SAMPLE), SEALED_PASSPHRASE);
}

#[test]
fn every_changed_byte_is_noticed() {
    let raw = frozen();
    for bytes in [SEALED, SEALED_ZLIB] {
        for at in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut changed = bytes.to_vec();
                changed[at] ^= flip;
                let error = open(&raw, &changed).expect_err("changed");
                assert!(!error.to_string().is_empty(), "{at}");
            }
        }
        for cut in 0..bytes.len() {
            open(&raw, &bytes[..cut]).expect_err("cut");
        }
        open(&raw, &[bytes, b"\n"].concat()).expect_err("longer");
    }
    // Compressed alone nothing is signed; damage is seen all the same.
    let compressed = sealed(&compressing(), SAMPLE);
    for at in 0..compressed.len() {
        let mut changed = compressed.clone();
        changed[at] ^= 0x04;
        let same = open(&Codec::default(), &changed).is_ok_and(|text| text == SAMPLE);
        assert!(!same || changed == compressed, "byte {at}");
    }
}

/// A header that says the same in other words is another header.
#[test]
fn a_header_has_one_spelling() {
    let raw = frozen();
    let end = SEALED.iter().position(|byte| *byte == b'\n').expect("a line");
    let line = std::str::from_utf8(&SEALED[..end]).expect("text");
    for (from, to) in [
        (" 1 prod", " 01 prod"),
        (" plain ", "  plain "),
        ("k1 - 05", "k1 - 0505"),
        ("0505", "+505"),
        ("plain", "PLAIN"),
        (" k1 ", " k1 00000000000000000000000000000000 "),
        ("aes-256-gcm", "aes-128-gcm"),
    ] {
        assert!(line.contains(from), "{from}");
        let changed = [line.replacen(from, to, 1).as_bytes(), &SEALED[end..]].concat();
        open(&raw, &changed).expect_err(to);
    }
    let newer = [line.replacen("-frame 1 ", "-frame 2 ", 1).as_bytes(), &SEALED[end..]].concat();
    assert_eq!(refused(&raw, &newer).0, StateErrorKind::Unsupported);
    let large = [line.replacen(" plain", "9999999 plain", 1).as_bytes(), &SEALED[end..]].concat();
    assert!(refused(&raw, &large).1.contains("may have more than"));
}

#[test]
fn nothing_takes_the_place_of_something_else() {
    let codec = codec(&[("k1", 1)]);
    let bytes = sealed(&codec, SAMPLE);
    for other in ["prod/sales", "test/orders", "_history/prod/orders/42", "_runs/prod/orders"] {
        let error = codec.open(other, other, bytes.clone(), MAX_BYTES).expect_err(other);
        assert!(
            error.to_string().contains(&format!("it is prod/orders, in the place of {other}")),
            "{error}"
        );
        // Nor with its name changed to fit.
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("a line");
        let line = std::str::from_utf8(&bytes[..end]).expect("text").replace(NAME, other);
        let renamed = [line.as_bytes(), &bytes[end..]].concat();
        let error = codec.open(other, other, renamed, MAX_BYTES).expect_err(other);
        assert_eq!(error.kind(), StateErrorKind::Sealed);
    }
}

#[test]
fn the_first_key_writes_and_every_key_reads() {
    let old = sealed(&codec(&[("k1", 1)]), SAMPLE);
    let both = codec(&[("k2", 2), ("k1", 1)]);
    assert_eq!(open(&both, &old).expect("read"), SAMPLE);
    let new = sealed(&both, SAMPLE);
    assert_eq!(open(&codec(&[("k2", 2)]), &new).expect("read"), SAMPLE);
    let (kind, text) = refused(&codec(&[("k2", 2)]), &old);
    assert_eq!(kind, StateErrorKind::NoKey);
    assert!(text.contains("`k1`") && text.contains("`k2`"), "{text}");
    let (kind, text) = refused(&Codec::default(), &old);
    assert_eq!(kind, StateErrorKind::NoKey);
    assert!(text.contains("`k1`") && text.contains("no keys are configured"), "{text}");
}

#[test]
fn another_key_of_the_same_id_reads_nothing() {
    let bytes = sealed(&codec(&[("k1", 1)]), SAMPLE);
    let (kind, text) = refused(&codec(&[("k1", 2)]), &bytes);
    assert_eq!(kind, StateErrorKind::Sealed);
    assert!(text.contains("`k1` is not the one"), "{text}");
    // One made from a passphrase neither.
    let key = StateKey::from_passphrase("k1", Secret::new(PASSPHRASE)).expect("a passphrase");
    let other = of(vec![key]);
    assert_eq!(refused(&other, &bytes).0, StateErrorKind::Sealed);
}

#[test]
fn what_is_not_encrypted_is_refused_where_it_has_to_be() {
    for plain in [SAMPLE.to_vec(), sealed(&compressing(), SAMPLE), Vec::new()] {
        let (kind, text) = refused(&codec(&[("k1", 1)]), &plain);
        assert_eq!(kind, StateErrorKind::Plaintext);
        assert!(text.contains("is not encrypted"), "{text}");
    }
}

#[test]
fn a_passphrase_opens_what_it_sealed_and_nothing_else() {
    let bytes = sealed(&passphrase(PASSPHRASE), SAMPLE);
    // Another process: it makes the key again from the salt beside it, and goes on with that salt.
    let again = passphrase(PASSPHRASE);
    assert_eq!(open(&again, &bytes).expect("read"), SAMPLE);
    let salt = |bytes: &[u8]| {
        let line = bytes.split(|byte| *byte == b'\n').next().expect("a line").to_vec();
        String::from_utf8(line).expect("text").split(' ').nth(7).expect("a salt").to_owned()
    };
    let second = sealed(&again, SAMPLE);
    assert_eq!(salt(&second), salt(&bytes));
    let other = passphrase("incorrect horse battery staple");
    assert_eq!(refused(&other, &bytes).0, StateErrorKind::Sealed);
}

#[test]
fn keys_are_32_bytes_and_are_never_shown() {
    let base64 = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let hex = "01".repeat(32);
    let bytes = sealed(&codec(&[("k1", 1)]), SAMPLE);
    for text in [base64, &hex, &format!(" {hex}\n")] {
        let key = StateKey::new("k1", &Secret::new(text)).expect("a key");
        assert_eq!(format!("{key:?}"), "StateKey(k1, …)");
        let codec = of(vec![key]);
        assert!(!format!("{codec:?}").contains("01"), "{codec:?}");
        assert_eq!(open(&codec, &bytes).expect("read"), SAMPLE);
    }
    for text in ["", "hunter2", &"01".repeat(31), &"0g".repeat(32), &base64[..43], "AQEBAQ=="] {
        let error = StateKey::new("k1", &Secret::new(text)).expect_err(text);
        assert_eq!(error, KeyError::Bytes);
    }
    let key = |id: &str| StateKey::new(id, &Secret::new(hex.clone()));
    for id in ["", "-", "a b", "ü", &"x".repeat(65)] {
        assert_eq!(key(id).expect_err(id), KeyError::Id);
    }
    assert_eq!(StateKey::from_passphrase("p", Secret::new("short")).expect_err("short"), KeyError::Short);
    assert_eq!(KeyRing::new(vec![]).expect_err("none"), KeyError::None);
    let twice = vec![key("a").expect("a key"), key("a").expect("a key")];
    assert_eq!(KeyRing::new(twice).expect_err("twice"), KeyError::Twice);
}

#[test]
fn whole_shards_are_written_and_read_through_it() {
    futures::executor::block_on(async {
        let backend = MemoryStore::default();
        let store = StateStore::over(backend.clone()).coded(codec(&[("k1", 1)]));
        let domains = ["orders".to_owned(), "sales".to_owned()];
        for seed in 1..3 {
            let cx = context(seed);
            let mut locked = store.lock(&cx, request(&domains, Duration::ZERO)).await.expect("locked");
            locked.update("orders", |_| Ok(())).await.expect("written");
            locked.release().await.expect("released");
        }
        assert_eq!(store.load("prod").await.expect("loaded").shards.len(), 2);
        assert!(store.version("prod", "orders", 2).await.expect("read").is_some(), "a copy is read");
        for key in ["prod/orders", "prod/sales", "_history/prod/orders/2"] {
            let raw = backend.get(key).await.expect("read").expect("there").bytes;
            assert!(
                raw.starts_with(format!("datamesh-frame 1 {key} ").as_bytes()) && !contains(&raw, b"lineage")
            );
        }
        // Another shard in its place, and a plain one that somebody made up.
        let sales = backend.get("prod/sales").await.expect("read").expect("there").bytes;
        let orders = backend.get("prod/orders").await.expect("read").expect("there").bytes;
        backend.overwrite("prod/orders", sales);
        let error = store.load("prod").await.expect_err("swapped");
        assert!(error.to_string().contains("it is prod/sales, in the place of prod/orders"), "{error}");
        let shard = encode(&full_shard()).expect("encoded");
        backend.overwrite("prod/orders", shard);
        assert_eq!(store.load("prod").await.expect_err("plain").kind(), StateErrorKind::Plaintext);
        backend.overwrite("prod/orders", orders);
        store.load("prod").await.expect("as it was");
        // And whoever has no key.
        let without = StateStore::over(backend.clone());
        assert_eq!(without.load("prod").await.expect_err("no key").kind(), StateErrorKind::NoKey);
    });
}

#[test]
fn documents_are_written_and_read_through_it() {
    futures::executor::block_on(async {
        let backend = MemoryStore::default();
        let store = StateStore::over(backend.clone()).coded(codec(&[("k1", 1)]));
        for kind in [DocumentKind::Run, DocumentKind::Recovery, DocumentKind::Plan, DocumentKind::Done] {
            let key = DocumentKey::new(kind, "prod", "x");
            let _ = store.create_document(&key, b"a canary").await.expect("made");
            assert_eq!(store.document(&key).await.expect("read").as_deref(), Some(b"a canary".as_slice()));
        }
        for folder in ["_runs", "_recovery", "_plans", "_done"] {
            let raw = backend.get(&format!("{folder}/prod/x")).await.expect("read").expect("there").bytes;
            assert!(!contains(&raw, b"canary"));
        }
        let raw = backend.get("_runs/prod/x").await.expect("read").expect("there").bytes;
        backend.put("_plans/prod/y", &raw, &Condition::CreateOnly).await.expect("copied");
        let key = DocumentKey::new(DocumentKind::Plan, "prod", "y");
        store.document(&key).await.expect_err("a run is no plan");
    });
}
