//! `datamesh demo`: the example mesh planned from a recorded snapshot, without any server.
//!
//! The recording (see `src/cli/demo/record.py`) is the state and the live objects of the example mesh as applied,
//! with a topic changed and another made outside; the manifests are the example's with later edits over them.

use crate::cli::codes;
use crate::cli::example;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::engine::OsEntropy;
use datamesh_provider::{Diagnostic, Entropy as _};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Edits that lie over the example.
const OVER: &[(&str, &str)] = &[
    ("datamesh.yaml", include_str!("../demo/mesh/datamesh.yaml")),
    ("domains/orders/order-events.yaml", include_str!("../demo/mesh/domains/orders/order-events.yaml")),
    ("domains/orders/returns.yaml", include_str!("../demo/mesh/domains/orders/returns.yaml")),
];

/// The manifest that was removed since.
const GONE: &str = "domains/orders/shipments.yaml";

/// What was applied, by domain.
const STATE: &[(&str, &str)] = &[
    ("customers", include_str!("../demo/recording/customers.json")),
    ("orders", include_str!("../demo/recording/orders.json")),
    ("payments", include_str!("../demo/recording/payments.json")),
];

const SNAPSHOT: &str = include_str!("../demo/recording/snapshot.json");

const STORY: &str = "\
The mesh of a small shop, a week after it was applied. Since then, in git:
  - orders/order-events got a field, more partitions, and a shorter retention
  - orders/returns is a new product; somebody made its topic by hand already
  - the manifest of orders/shipments was removed
and behind the mesh's back somebody changed the retention of payments/payment-events.
Nothing is contacted: the live side is a recording.

";

const NEXT: &str = "
  +  will be created    ~  will be changed     >  exists, and is taken over as it is
  =  held: its manifest is gone, but absence alone never deletes data
  !  loses data, and says why

On real servers of this machine, in a few minutes:  datamesh quickstart
";

pub fn run(run: &Invocation) -> Exit {
    let folder = match unpack() {
        Ok(folder) => folder,
        Err(error) => {
            let detail = format!("The demo cannot be unpacked: {error}.");
            let help = "It needs a little room in the folder for temporary files (TMPDIR).";
            return run.ui.fail(Diagnostic::error(codes::FILE, detail).help(help));
        }
    };
    if !run.ui.json {
        run.ui.out(STORY);
    }
    let snapshot = folder.join("snapshot.json");
    let mut args: Vec<OsString> = vec!["datamesh".into(), "-C".into(), folder.clone().into(), "plan".into()];
    args.extend(["--snapshot".into(), snapshot.into()]);
    args.extend(run.global.no_color.then(|| "--no-color".into()));
    args.extend(run.ui.json.then(|| "--json".into()));
    let exit = crate::cli::run(args, run.providers);
    // What stays behind is a few small files in the folder for temporary ones.
    let _ = fs::remove_dir_all(&folder);
    if exit == Exit::Ok && !run.ui.json {
        run.ui.out(NEXT);
    }
    exit
}

/// Puts the manifests, the state and the snapshot into a folder of their own.
fn unpack() -> io::Result<PathBuf> {
    let mut random = [0; 8];
    OsEntropy.fill(&mut random);
    let name = format!("datamesh-demo-{:016x}", u64::from_ne_bytes(random));
    let folder = std::env::temp_dir().join(name);
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let kept = example::FILES.iter().filter(|(name, _)| *name != GONE);
    for (name, text) in kept.chain(OVER) {
        put(&folder.join(name), text)?;
    }
    for (domain, text) in STATE {
        put(&folder.join(format!(".datamesh/state/production/{domain}/1.json")), text)?;
    }
    put(&folder.join("snapshot.json"), SNAPSHOT)?;
    Ok(folder)
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, text)
}
