//! `datamesh new`: manifests from templates.

use super::init::{check_name, check_owner};
use super::version;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::cli::invocation::{Invocation, shown};
use crate::cli::templates::{self, Template};
use clap::{Args, Subcommand};
use datamesh_provider::Diagnostic;
use std::path::Path;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh new domain payments --owner payments@example.com
  datamesh new product payments/refunds --template streaming
  datamesh new version payments/refunds          its next major version, beside the old one

A manifest that is there already is never overwritten.")]
pub struct NewArgs {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// A data product
    #[command(after_help = "\
Examples:
  datamesh new product payments/refunds
  datamesh new product payments/daily-totals --template aggregate --owner payments@example.com")]
    Product {
        /// Its domain and name
        #[arg(value_name = "DOMAIN/NAME")]
        product: String,
        /// What it is like
        #[arg(long, short, value_enum, default_value_t, value_name = "TEMPLATE")]
        template: Template,
        /// Who owns it: an e-mail address or a team
        #[arg(long, value_name = "CONTACT", default_value = "data-team@example.com")]
        owner: String,
    },
    /// A domain
    #[command(after_help = "Examples:\n  datamesh new domain payments --owner payments@example.com")]
    Domain {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Who owns it: an e-mail address or a team
        #[arg(long, value_name = "CONTACT", default_value = "data-team@example.com")]
        owner: String,
    },
    /// The next major version of a product, beside the one there is
    ///
    /// A breaking change ships as a new version: both live side by side until the last consumer has moved. The new
    /// document spells its topic, table, subject and location so that none is the old one's.
    #[command(after_help = "\
Examples:
  datamesh new version order-management/orders-facts
  datamesh new version order-management/orders-facts@3     from version 3, where there are several")]
    Version {
        /// The product: `domain/name`, or `domain/name@version`
        #[arg(value_name = "PRODUCT")]
        product: String,
    },
}

pub fn run(args: &NewArgs, run: &Invocation) -> Exit {
    let done = run.root().and_then(|root| match &args.what {
        What::Product { product, template, owner } => new_product(&root, product, *template, owner),
        What::Domain { name, owner } => new_domain(&root, name, owner),
        What::Version { product } => version::create(&root, product),
    });
    match done {
        Ok(text) => {
            run.ui.out(&text);
            Exit::Ok
        }
        Err(diagnostic) => run.ui.fail(*diagnostic),
    }
}

fn new_product(
    root: &Path,
    product: &str,
    template: Template,
    owner: &str,
) -> Result<String, Box<Diagnostic>> {
    let (domain, name) = product.split_once('/').unwrap_or(("", product));
    if domain.is_empty() {
        let detail = format!("`{product}` says no domain: a product is named `domain/name`.");
        let help = format!("Such as `datamesh new product orders/{}`.", templates::to_kebab(name));
        return Err(Box::new(Diagnostic::error(crate::cli::codes::BAD_NAME, detail).help(help)));
    }
    check_name("domain", domain)?;
    check_name("product", name)?;
    check_owner(owner)?;
    let folder = root.join("domains").join(domain);
    let path = folder.join(format!("{name}.yaml"));
    files::write_new(&path, &templates::product(template, domain, name, owner))?;
    let mut text = format!("Wrote {}.\n", shown(&files::below(&path, root)));
    if !folder.join("domain.yaml").exists() {
        text.push_str(&format!(
            "\nNo domain.yaml is in domains/{domain}. If the domain has no manifest yet: `datamesh new domain {domain}`.\n"
        ));
    }
    text.push_str("\nNext:\n  edit it: say what one record means, and which fields it has\n  datamesh validate\n  datamesh plan\n");
    Ok(text)
}

fn new_domain(root: &Path, name: &str, owner: &str) -> Result<String, Box<Diagnostic>> {
    check_name("domain", name)?;
    check_owner(owner)?;
    let path = root.join("domains").join(name).join("domain.yaml");
    files::write_new(&path, &templates::domain(name, owner))?;
    Ok(format!(
        "Wrote {}.\n\nNext:\n  datamesh new product {name}/NAME --template streaming\n",
        shown(&files::below(&path, root))
    ))
}
