//! The program killed at random instants, on real servers: whatever it was doing, the next run finishes, and others see
//! what is declared and nothing else.
//!
//! `DATAMESH_KILLS=50` kills more often, `DATAMESH_KILL_SEED=K` makes other choices; the instants are as random as the
//! machine.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::servers::{Servers, servers};
use crate::under_way::UnderWay;
use crate::witness::Witness;
use datamesh_conformance::testing::{RealClock, SeededEntropy};
use datamesh_provider::{Clock as _, Entropy as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

/// How often the program is killed unless said otherwise.
const KILLS: u64 = 12;
/// Products beside the one that consumes.
const PRODUCTS: usize = 8;
/// Worlds with a local state; one more has it on S3.
const LOCAL: u64 = 3;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What is chosen by the seed.
struct Choice(SeededEntropy);

impl Choice {
    fn below(&self, most: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % most.max(1) as u64).unwrap_or(0)
    }
}

/// What the manifests declare.
#[derive(Debug)]
struct Goal {
    partitions: u64,
    days: u64,
    columns: usize,
    /// Of each product: how many versions its subject has; `None`: it is not declared.
    products: [Option<usize>; PRODUCTS],
}

impl Goal {
    const FIRST: Self = Self { partitions: 1, days: 7, columns: 0, products: [Some(1); PRODUCTS] };

    /// Wants something else; says what.
    fn change(&mut self, choice: &Choice) -> &'static str {
        match choice.below(4) {
            0 => {
                self.partitions += 1;
                self.days += 1;
                "more partitions, another retention"
            }
            1 => {
                self.columns += 1;
                self.products.iter_mut().flatten().for_each(|versions| *versions += 1);
                "one more column"
            }
            2 => {
                self.days += 1;
                self.columns += 1;
                self.products.iter_mut().flatten().for_each(|versions| *versions += 1);
                "one more column, another retention"
            }
            _ => {
                // The first one is consumed by another domain.
                let some: Vec<usize> = (0..2).map(|_| 1 + choice.below(PRODUCTS - 1)).collect();
                for one in BTreeSet::from_iter(some) {
                    self.products[one] = if self.products[one].is_some() { None } else { Some(1) };
                }
                "products go and come"
            }
        }
    }

    fn write(&self, mesh: &Mesh) {
        let mut fields = "    - { name: id, type: string, required: true }\n".to_owned();
        for n in 0..self.columns {
            fields += &format!("    - {{ name: extra_{n}, type: string }}\n");
        }
        let Self { partitions, days, .. } = self;
        let kafka = format!(
            "  - {{ type: streaming, technology: kafka, partitions: {partitions}, retention: {days}d }}\n"
        );
        let spec = format!(
            "schema:\n  fields:\n{fields}output_ports:\n{kafka}  - {{ type: batch, technology: iceberg }}\n"
        );
        for (n, product) in self.products.iter().enumerate() {
            match product {
                Some(_) => mesh.product(&name(n), &spec),
                None => {
                    drop(std::fs::remove_file(mesh.path().join(format!("domains/sales/{}.yaml", name(n)))))
                }
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let declared = self.products.iter().enumerate().filter(|(_, product)| product.is_some());
        declared.map(|(n, _)| name(n)).collect()
    }
}

fn name(n: usize) -> String {
    format!("p{n:02}")
}

/// One mesh that is killed again and again.
struct World {
    mesh: Mesh,
    witness: Witness,
    prefix: String,
    leases: bool,
    choice: Choice,
    goal: Goal,
    said: String,
    clock: RealClock,
}

impl World {
    fn new(servers: &Servers, witness: Witness, number: u64, seed: u64) -> Self {
        let prefix = unique(&format!("kills-{number}"));
        let systems = Systems::shared(servers, &prefix);
        let leases = number == LOCAL;
        let mut environment = systems.environment();
        environment["on_remove"] = json!("destroy");
        let mut mesh = Mesh::with(&systems);
        if leases {
            environment["state"] = mesh.state_on_s3(servers, &format!("kills-{}", std::process::id()));
        }
        mesh.mesh_document(&environment);
        let head = "apiVersion: datamesh.example.com/v1\n";
        mesh.file(
            "domains/finance/all.yaml",
            &format!(
                "{head}kind: Domain\nmetadata: {{ name: finance }}\nspec: {{ description: What is paid, owner: \
                 f@example.com }}\n---\n{head}kind: DataProduct\nmetadata: {{ name: report, domain: finance, owner: \
                 f@example.com }}\nspec:\n  schema:\n    fields: [{{ name: id, type: string, required: true }}]\n  \
                 output_ports: [{{ type: batch, technology: iceberg }}]\n  lineage: {{ sources: [sales.p00.v1] }}\n"
            ),
        );
        witness.make_topic(&format!("{prefix}foreign"), 1, &json!({}));
        let choice = Choice(SeededEntropy::new(seed.wrapping_mul(1_000).wrapping_add(number)));
        Self {
            mesh,
            witness,
            prefix,
            leases,
            choice,
            goal: Goal::FIRST,
            said: String::new(),
            clock: RealClock::default(),
        }
    }

    /// Kills so many runs, and checks after each.
    fn live(&mut self, kills: u64) {
        let (mut killed, mut fresh) = (0, true);
        for attempt in 0.. {
            assert!(attempt < 20 + 10 * kills, "runs end before they are killed\n{}", self.said);
            if killed == kills {
                break;
            }
            let what = if fresh { "everything is new" } else { self.goal.change(&self.choice) };
            self.goal.write(&self.mesh);
            let began = self.clock.monotonic();
            let args = ["apply", "--auto-approve"];
            fresh = false;
            if !self.kill(&args, 3 * PRODUCTS) {
                self.mesh.is_settled();
                continue;
            }
            killed += 1;
            // Who recovers may be killed as well.
            if killed < kills && self.choice.below(3) == 0 {
                self.unlock();
                killed += u64::from(self.kill(&args, 2));
            }
            self.unlock();
            let settled = self.mesh.apply_settles();
            let found = settled.err.matches("left by an interrupted apply").count();
            self.check();
            let seconds = (self.clock.monotonic() - began).as_secs();
            self.said += &format!("{}{what}; {found} operations settled, {seconds} s\n", self.prefix);
        }
    }

    /// Starts a run and kills it somewhere; whether it was still running.
    fn kill(&mut self, args: &[&str], operations: usize) -> bool {
        let mut run = UnderWay::start(&self.mesh, args);
        let after = self.choice.below(operations);
        let more = self.choice.below(40);
        if run.until_done(after) {
            pause(Duration::from_millis(more as u64));
        }
        // Of one that has ended it does nothing.
        run.child.kill().expect("killable");
        let ran = run.end();
        self.said +=
            &format!("{}killed after {after} operations and {more} ms: {:?}\n", self.prefix, ran.code);
        assert!(matches!(ran.code, None | Some(0)), "{ran}\n{}", self.said);
        ran.code.is_none()
    }

    /// The lock of a dead run outlives it on S3.
    fn unlock(&self) {
        if !self.leases {
            return;
        }
        let held = self.mesh.run(&["lock", "list", "--json"]).exits(0).out;
        let holders = held.lines().filter_map(|line| {
            let line: Value = serde_json::from_str(line).expect("an object");
            line["holder"]["id"].as_str().map(str::to_owned)
        });
        for run in holders.collect::<BTreeSet<_>>() {
            self.mesh.run(&["force-unlock", &run, "--auto-approve"]).exits(0);
        }
    }

    /// What others see is what is declared.
    fn check(&mut self) {
        let (prefix, said) = (&self.prefix, &self.said);
        self.mesh.run(&["drift"]).exits(0);
        let state: Value =
            serde_json::from_str(&self.mesh.run(&["state", "pull", "sales"]).exits(0).out).expect("JSON");
        assert_eq!(state["pending"], json!({}), "{said}");
        let names = self.goal.names();
        let mut topics: Vec<String> = names.iter().map(|name| format!("{prefix}sales.{name}.v1")).collect();
        topics.insert(0, format!("{prefix}foreign"));
        assert_eq!(self.witness.topics(prefix), topics, "{said}");
        let catalog = self.mesh.sql_catalog();
        let tables: Vec<String> = names.iter().map(|name| format!("sales.{name}")).collect();
        assert_eq!(self.witness.tables(&catalog, "sales").unwrap_or_default(), tables, "{said}");
        for (n, product) in self.goal.products.iter().enumerate() {
            let subject = format!("/subjects/{prefix}sales.{}.v1-value/versions", name(n));
            let (status, versions) = self.witness.registry("GET", &subject);
            let count = versions.as_array().map(Vec::len);
            match product {
                Some(wanted) => {
                    assert_eq!((status, count), (200, Some(*wanted)), "{subject}: {versions}\n{said}")
                }
                None => assert_eq!(status, 404, "{subject}: {versions}\n{said}"),
            }
        }
        let one = &names[self.choice.below(names.len())];
        let topic = self.witness.topic(&format!("{prefix}sales.{one}.v1"));
        assert_eq!(topic["partitions"], json!(self.goal.partitions), "{one}: {topic}\n{said}");
        let retention = (self.goal.days * 86_400_000).to_string();
        assert_eq!(topic["config"]["retention.ms"], json!(retention), "{one}: {topic}\n{said}");
        let table = self.witness.table(&catalog, &format!("sales.{one}"));
        let columns = table["columns"].as_array().map(Vec::len);
        assert_eq!(columns, Some(1 + self.goal.columns), "{one}: {table}\n{said}");
    }

    /// Takes everything away, killed once more on the way.
    fn end(mut self) -> String {
        let all = ["destroy", "--all", "--auto-approve"];
        self.kill(&all, 3 * PRODUCTS);
        self.unlock();
        self.mesh.run(&all).exits(0);
        let foreign = format!("{}foreign", self.prefix);
        assert_eq!(self.witness.topics(&self.prefix), [foreign.as_str()], "{}", self.said);
        for namespace in ["sales", "finance"] {
            assert_eq!(self.witness.tables(&self.mesh.sql_catalog(), namespace), None, "{}", self.said);
        }
        assert_eq!(
            self.mesh.run(&["state", "list"]).exits(0).out.matches("sales/").count(),
            0,
            "{}",
            self.said
        );
        self.witness.delete_topic(&foreign);
        self.said
    }
}

#[expect(clippy::disallowed_methods, reason = "the test waits for another process")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn whatever_is_killed_is_finished_by_the_next_run() {
    let Some(servers) = servers() else { return };
    let kills = variable("DATAMESH_KILLS").unwrap_or(KILLS);
    let seed = variable("DATAMESH_KILL_SEED").unwrap_or(1);
    // Where locks outlive their run each kill takes longer.
    let on_s3 = kills / 6;
    let worlds = (0..=LOCAL).map(|number| {
        let share = (kills - on_s3) / LOCAL + u64::from(number < (kills - on_s3) % LOCAL);
        let share = if number == LOCAL { on_s3 } else { share };
        Witness::of(servers).map(|witness| (World::new(servers, witness, number, seed), share))
    });
    let Some(worlds) = worlds.collect::<Option<Vec<_>>>() else { return };
    let said: Vec<String> = std::thread::scope(|scope| {
        let live = |(mut world, share): (World, u64)| {
            world.live(share);
            world.end()
        };
        let threads: Vec<_> = worlds.into_iter().map(|world| scope.spawn(move || live(world))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let _ = std::io::stdout().write_all(format!("seed {seed}:\n{}", said.concat()).as_bytes());
}
