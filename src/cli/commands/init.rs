//! `datamesh init`: a new mesh, or a look at the one that is here.

use super::{doctor, validate};
use crate::cli::exit::Exit;
use crate::cli::invocation::{Invocation, shown};
use crate::cli::templates::{self, Template};
use crate::cli::{codes, files};
use crate::sandbox;
use clap::Args;
use datamesh_core::manifest::MESH_FILE;
use datamesh_provider::Diagnostic;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the sandbox listens unless told otherwise.
const KAFKA: &str = "127.0.0.1:19092";
const REGISTRY: &str = "http://127.0.0.1:19090/apis/ccompat/v7";

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh init                                 a mesh with a first domain and product
  datamesh init --bare                          datamesh.yaml only
  datamesh init --domain sales --owner sales@example.com
  datamesh sandbox up && datamesh init          its environment points to the sandbox of this folder

In a mesh that is there already, init does what `datamesh doctor` does: it changes nothing.")]
pub struct InitArgs {
    /// Only datamesh.yaml and .gitignore, no domain and no product
    #[arg(long)]
    pub bare: bool,
    /// Name of the first domain
    #[arg(long, value_name = "NAME", default_value = "orders", conflicts_with = "bare")]
    pub domain: String,
    /// Name of the first product
    #[arg(long, value_name = "NAME", default_value = "order-lines", conflicts_with = "bare")]
    pub product: String,
    /// What the first product is like
    #[arg(long, value_enum, default_value_t, value_name = "TEMPLATE", conflicts_with = "bare")]
    pub template: Template,
    /// Who owns both: an e-mail address or a team
    #[arg(long, value_name = "CONTACT", default_value = "data-team@example.com")]
    pub owner: String,
}

/// Where the servers of the new environment are.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) kafka: String,
    pub(crate) registry: String,
    /// Whether a sandbox in the folder told.
    pub(crate) from_sandbox: bool,
}

pub async fn run(args: &InitArgs, run: &Invocation) -> Exit {
    if let Some(root) = run.mesh_around() {
        run.ui.err(&format!("There is a mesh already, in {}. Checking it.\n\n", shown(&root)));
        let manifests = validate::tree(&root, &[], run, false);
        // A Mesh document that does not load has been reported just now.
        return if manifests == Exit::Ok { doctor::backends(run, root).await } else { manifests };
    }
    let root = run.folder();
    let endpoints = endpoints(&root).await;
    match make(args, &root, &endpoints) {
        Ok(written) => {
            run.ui.out(&report(&written, &endpoints));
            Exit::Ok
        }
        Err(diagnostic) => run.ui.fail(*diagnostic),
    }
}

/// The addresses of the sandbox below the root, or those it would have.
pub(crate) async fn endpoints(root: &Path) -> Endpoints {
    let mut endpoints =
        Endpoints { kafka: KAFKA.to_owned(), registry: REGISTRY.to_owned(), from_sandbox: false };
    let status = sandbox::status(&root.join(sandbox::DEFAULT_DIR)).await.unwrap_or_default();
    for server in status.servers {
        let slot = match server.name {
            "kafka" => &mut endpoints.kafka,
            "registry" => &mut endpoints.registry,
            _ => continue,
        };
        *slot = server.endpoint;
        endpoints.from_sandbox = true;
    }
    endpoints
}

/// Writes the files of a new mesh; their paths below the root.
fn make(args: &InitArgs, root: &Path, endpoints: &Endpoints) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    for (what, name) in [("domain", &args.domain), ("product", &args.product)] {
        check_name(what, name)?;
    }
    check_owner(&args.owner)?;
    let name = root
        .file_name()
        .map_or_else(|| "mesh".to_owned(), |name| templates::to_kebab(&name.to_string_lossy()));
    let mut written = Vec::new();
    let mut write = |path: PathBuf, text: &str| {
        files::write_new(&path, text)?;
        written.push(files::below(&path, root));
        Ok::<_, Box<Diagnostic>>(())
    };
    // The Mesh document last: what is there without it is no mesh yet, and the next attempt starts over.
    if !args.bare {
        let folder = root.join("domains").join(&args.domain);
        write(folder.join("domain.yaml"), &templates::domain(&args.domain, &args.owner))?;
        let product = templates::product(args.template, &args.domain, &args.product, &args.owner);
        write(folder.join(format!("{}.yaml", args.product)), &product)?;
    }
    write(root.join(MESH_FILE), &templates::mesh(&name, &endpoints.kafka, &endpoints.registry))?;
    let ignored = root.join(".gitignore");
    if files::ensure_line(&ignored, ".datamesh/")? {
        written.push(PathBuf::from(".gitignore"));
    }
    Ok(written)
}

pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Box<Diagnostic>> {
    if templates::is_kebab(name) {
        return Ok(());
    }
    let detail = format!("`{name}` cannot name a {what}: names are kebab-case, such as `order-lines`.");
    let help = format!("Did you mean `{}`?", templates::to_kebab(name));
    Err(Box::new(Diagnostic::error(codes::BAD_NAME, detail).help(help)))
}

/// An owner goes into YAML as it is.
pub(crate) fn check_owner(owner: &str) -> Result<(), Box<Diagnostic>> {
    let clean = |c: char| c.is_ascii_alphanumeric() || "@._+/-".contains(c);
    if owner.starts_with(|c: char| c.is_ascii_alphabetic()) && owner.chars().all(clean) {
        return Ok(());
    }
    let detail = format!("`{owner}` is no contact: an e-mail address or the name of a team.");
    Err(Box::new(
        Diagnostic::error(codes::BAD_NAME, detail)
            .help("Such as `orders-team@example.com` or `orders-team`."),
    ))
}

fn report(written: &[PathBuf], endpoints: &Endpoints) -> String {
    let mut out = String::from("Wrote:\n");
    for path in written {
        let _ = writeln!(out, "  {}", shown(path));
    }
    let _ = writeln!(
        out,
        "\nThe environment `sandbox` is at Kafka {} and registry {}.",
        endpoints.kafka, endpoints.registry
    );
    out.push_str("\nNext:\n");
    let mut step = |command: &str, why: &str| {
        let _ = writeln!(out, "  {command:24} {why}");
    };
    step("datamesh validate", "check every manifest");
    if !endpoints.from_sandbox {
        step("datamesh sandbox up", "start Kafka and a schema registry on this machine");
    }
    step("datamesh plan", "see what would be made");
    step("datamesh apply", "make it");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_safe_in_yaml() {
        for good in ["a@example.com", "orders-team", "acme/orders"] {
            assert!(check_owner(good).is_ok(), "{good}");
        }
        for bad in ["", "@acme", "a: b", "a\nb", "\"x\"", "a b"] {
            assert!(check_owner(bad).is_err(), "{bad:?}");
        }
    }
}
