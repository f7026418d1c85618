//! `datamesh graph`: the resources and what depends on what.

use super::open;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::graph::{Drawing, Format};
use crate::source;
use clap::Args;
use datamesh_core::graph::DesiredGraph;
use datamesh_core::graph::environment::environment;
use datamesh_core::graph::recorded::Recorded;
use datamesh_core::graph::resolve::resolve;
use datamesh_core::graph::selector::AddressGlob;
use datamesh_provider::Diagnostic;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh graph | dot -Tsvg > mesh.svg
  datamesh graph --format mermaid
  datamesh graph --target domain:orders --format json")]
pub struct GraphArgs {
    /// What to draw it as
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Only what these select: an address glob, `type:T`, `domain:D` or `product:P`. Repeatable
    #[arg(long = "target", value_name = "SELECTOR")]
    pub targets: Vec<String>,
}

pub fn run(args: &GraphArgs, run: &Invocation) -> Exit {
    match draw(args, run) {
        Ok((text, exit)) => {
            run.ui.out(&text);
            exit
        }
        Err(diagnostic) => run.ui.fail(*diagnostic),
    }
}

fn draw(args: &GraphArgs, run: &Invocation) -> Result<(String, Exit), Box<Diagnostic>> {
    let globs =
        args.targets.iter().map(|text| open::selector(text)).collect::<Result<Vec<AddressGlob>, _>>()?;
    let root = run.root()?;
    let load = source::load(&root).load;
    let mut found = load.diagnostics.clone();
    let mut desired = DesiredGraph::default();
    if let Some(mesh) = load.mesh().filter(|_| !load.stopped) {
        let (chosen, problems) =
            environment(mesh, run.global.environment.as_deref(), &root.to_string_lossy().replace('\\', "/"));
        found.extend(problems);
        if let Some(chosen) = chosen {
            let (graph, problems) = resolve(&load, &chosen, &Recorded::default());
            found.extend(problems);
            desired = graph;
        }
    }
    found.sort();
    let errors = found.errors().cloned().collect();
    let format = if run.ui.json { Format::Json } else { args.format };
    let quiet = run.ui.for_people();
    quiet.diagnostics(&errors, &load.sources);
    let keep = |address: &_| globs.is_empty() || globs.iter().any(|glob| glob.matches(address));
    let exit = if errors.has_errors() { Exit::Error } else { Exit::Ok };
    Ok((Drawing::new(&desired, keep).render(format), exit))
}
