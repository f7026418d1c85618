//! Loading whole trees.

use crate::manifests::write_mesh;
use datamesh::source::{WorkingTree, load};
use datamesh_core::manifest::LoadOptions;
use std::num::NonZeroUsize;

#[test]
fn generated_manifests_load_the_same_on_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    write_mesh(folder.path(), 300).expect("files");
    let loaded = load(folder.path());
    assert!(loaded.load.diagnostics.is_empty(), "{:#?}", loaded.load.diagnostics);
    assert_eq!(loaded.load.manifests.len(), 1 + 6 + 300);
    assert!(loaded.load.complete());
    let tree = WorkingTree::open(folder.path()).expect("a tree");
    for threads in [1, 2, 16] {
        let options = LoadOptions { threads: NonZeroUsize::new(threads), ..LoadOptions::default() };
        let again = tree.load(&options);
        assert_eq!(again.inputs_digest(), loaded.load.inputs_digest());
        assert_eq!(format!("{:?}", again.manifests), format!("{:?}", loaded.load.manifests));
    }
}
