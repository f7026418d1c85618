//! The plan's rules, one by one, on a small resource type that holds data.

mod late;
mod sharing;

use super::*;
use crate::graph::{DesiredResource, ImportRequest, Lifecycle, Move, Removal};
use crate::manifest::model::OnRemove;
use datamesh_conformance::THING;
use datamesh_provider::{Facts, FileId, LiveObject, Object, ObjectId, Packed, Span, SpanMap};
use serde_json::{Value, json};

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn attributes(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn system() -> SystemName {
    SystemName::new("kafka", "default")
}

/// A mesh of a few things, built up by each test.
#[derive(Default)]
struct World {
    desired: DesiredGraph,
    prior: Prior,
    live: Snapshot,
    options: PlanOptions,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        world.desired.complete = true;
        world.prior.shards.insert("d".into(), ShardVersion { lineage: "ours".into(), serial: 1 });
        world
    }

    fn declares(&mut self, at: &str, id: &str, value: Value) -> &mut DesiredResource {
        let address = address(at);
        let object = Object {
            address: address.clone(),
            system: system(),
            id: ObjectId::new(id),
            attributes: attributes(value),
            on_create: Packed::default(),
            spans: SpanMap::default(),
        };
        self.desired.resources.entry(address).or_insert(DesiredResource {
            object,
            depends_on: BTreeSet::new(),
            lifecycle: Lifecycle::default(),
            source_path: "d/p.yaml".into(),
            span: None,
            notes: Vec::new(),
        })
    }

    fn records(&mut self, at: &str, id: &str, value: Value) -> &mut PriorResource {
        let address = address(at);
        let record = PriorResource {
            ty: address.ty().clone(),
            address: address.clone(),
            system: system(),
            id: ObjectId::new(id),
            source_path: "d/p.yaml".into(),
            incarnation: Some("i1".into()),
            attributes: attributes(value),
            computed: Packed::default(),
            depends_on: BTreeSet::new(),
            generation: 1,
            origin: Origin::Created,
            prevent_destroy: false,
            on_remove: None,
            unfinished: false,
        };
        self.prior.resources.entry(address).or_insert(record)
    }

    fn reads(&mut self, id: &str, reading: Reading) {
        let (ty, id) = (datamesh_provider::TypeName::new("fake_thing"), ObjectId::new(id));
        self.live.objects.push(SnapshotEntry { system: system(), ty, id, reading });
    }

    fn is_live(&mut self, id: &str, value: Value) {
        self.reads(id, Reading::Present(object(id, "i1", value)));
    }

    fn plan(&self) -> (Plan, Diagnostics) {
        self.judged(plan)
    }

    fn judged<T>(&self, judge: impl Fn(&PlanInput<'_>) -> T) -> T {
        let types = Types::new([&THING as &'static dyn datamesh_provider::ResourceType]);
        judge(&PlanInput {
            types: &types,
            desired: &self.desired,
            prior: &self.prior,
            live: &self.live,
            options: &self.options,
            environment: "test",
            inputs_digest: "sha256:0",
            again: None,
        })
    }

    /// The one change, and the codes of what was found.
    fn only(&self) -> (Option<(Action, String)>, Vec<&'static str>) {
        let (plan, diagnostics) = self.plan();
        assert!(plan.changes.len() <= 1, "{:?}", plan.changes);
        let change = plan.changes.into_iter().next().map(|change| (change.action, change.reason));
        (change, diagnostics.iter().map(|d| d.code.id).collect())
    }
}

fn object(id: &str, incarnation: &str, value: Value) -> LiveObject {
    LiveObject {
        id: ObjectId::new(id),
        incarnation: Some(incarnation.into()),
        attributes: attributes(value),
        computed: Packed::default(),
        owner: None,
    }
}

const A: &str = "d/p@1:fake_thing.a";
const B: &str = "d/p@1:fake_thing.b";

fn action(found: &(Option<(Action, String)>, Vec<&'static str>)) -> Option<Action> {
    found.0.as_ref().map(|(action, _)| *action)
}

#[test]
fn what_users_have_to_know_is_told_once() {
    let told = |reading: Reading, recorded: bool| {
        let mut world = World::new();
        world.declares(A, "a", json!({"size": 2})).notes = vec!["know this".to_owned()];
        if recorded {
            world.records(A, "a", json!({"size": 1}));
        }
        world.reads("a", reading);
        let change = world.plan().0.changes.remove(0);
        (change.action, change.notes.iter().any(|note| note == "know this"))
    };
    let live = |size| Reading::Present(object("a", "i1", json!({ "size": size })));
    assert_eq!(told(Reading::Absent, false), (Action::Create, true));
    assert_eq!(told(live(2), false), (Action::Adopt, true));
    assert_eq!(told(live(1), true), (Action::Update, false));
}

#[test]
fn what_is_declared_and_not_there_is_created() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 1})).object.on_create = attributes(json!({"config": {"k": "v"}}));
    world.reads("a", Reading::Absent);
    let (plan, diagnostics) = world.plan();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let change = &plan.changes[0];
    assert_eq!(change.action, Action::Create);
    assert_eq!(change.planned, Some(attributes(json!({"size": 1, "config": {"k": "v"}}))));
    assert_eq!(change.declared, Some(attributes(json!({"size": 1}))), "defaults are never managed");
    assert_eq!(plan.graph.operations.len(), 1);
}

#[test]
fn what_matches_is_no_change_and_a_second_plan_is_empty() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 1}));
    world.records(A, "a", json!({"size": 1}));
    world.is_live("a", json!({"size": 1, "config": {"theirs": "x"}}));
    let (plan, diagnostics) = world.plan();
    assert!(diagnostics.is_empty());
    assert!(!plan.has_changes() && !plan.has_work(), "a key nobody declared is not drift");
    assert_eq!(plan.summary().unchanged, 1);
}

#[test]
fn equal_existing_objects_are_adopted_and_different_ones_only_when_asked() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 1}));
    world.is_live("a", json!({"size": 1}));
    assert_eq!(action(&world.only()), Some(Action::Adopt));

    let mut world = World::new();
    world.declares(A, "a", json!({"size": 5}));
    world.is_live("a", json!({"size": 1}));
    assert_eq!(world.only(), (None, vec!["DM0303"]));
    world.options.adopt.insert(address(A));
    assert_eq!(action(&world.only()), Some(Action::Adopt));
    world.options.adopt.clear();
    world.desired.imports.push(ImportRequest { address: address(A), id: "a".into(), span: None });
    let (plan, _) = world.plan();
    assert_eq!(plan.changes[0].action, Action::Adopt);
    assert_eq!(plan.graph.operations.len(), 1, "taking it over changes it");
}

#[test]
fn drift_is_told_apart_from_a_changed_manifest() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 3}));
    world.records(A, "a", json!({"size": 3}));
    world.is_live("a", json!({"size": 2}));
    let (plan, _) = world.plan();
    assert_eq!(plan.changes[0].reason, "changed outside: set back to what is declared");
    assert_eq!(plan.drift.len(), 1);
    assert_eq!(plan.drift[0].attributes[0].before, Some(json!(3)));

    let mut world = World::new();
    world.declares(A, "a", json!({"size": 3}));
    world.records(A, "a", json!({"size": 2}));
    world.is_live("a", json!({"size": 2}));
    let (plan, _) = world.plan();
    assert_eq!((plan.changes[0].reason.as_str(), plan.drift.len()), ("the manifest changed", 0));
}

/// Between an effect and its record the live object is not what was last applied, and nobody else changed it.
#[test]
fn what_an_apply_is_at_work_on_has_not_drifted() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 3}));
    world.records(A, "a", json!({"size": 2}));
    world.is_live("a", json!({"size": 3}));
    let verdict = |world: &World| {
        let (report, found) = world.judged(drift_report);
        assert!(found.is_empty(), "{found:?}");
        report.entries.into_iter().map(|entry| (entry.verdict, entry.why)).collect::<Vec<_>>()
    };
    assert_eq!(verdict(&world), [(Verdict::Drifted, None)]);
    world.prior.pending = vec![Pending { address: address(A), holder: Some("ada".into()) }];
    assert_eq!(verdict(&world), [(Verdict::Pending, Some("being changed by ada".into()))]);
    // What nobody is at work on any more was judged by what is live.
    world.prior.pending[0].holder = None;
    assert_eq!(verdict(&world), [(Verdict::Drifted, None)]);
}

#[test]
fn an_object_changed_outside_to_what_is_now_declared_only_updates_the_record() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 3}));
    world.records(A, "a", json!({"size": 2}));
    world.is_live("a", json!({"size": 3}));
    let (plan, _) = world.plan();
    assert!(!plan.has_changes() && plan.has_work());
}

#[test]
fn what_is_no_longer_declared_is_among_what_the_plan_saw() {
    let mut world = World::new();
    world.declares(A, "a", json!({"config": {"kept": "1"}}));
    world.records(A, "a", json!({"size": 1, "config": {"kept": "1", "gone": "1"}}));
    world.is_live("a", json!({"size": 1, "config": {"kept": "1", "gone": "2", "theirs": "1"}}));
    let (plan, _) = world.plan();
    assert_eq!(
        plan.changes[0].live,
        Some(attributes(json!({"size": 1, "config": {"kept": "1", "gone": "2"}}))),
        "else the provider would not take it away"
    );
}

#[test]
fn absence_alone_never_deletes_data() {
    let mut world = World::new();
    world.records(A, "a", json!({"size": 1}));
    world.is_live("a", json!({"size": 1}));
    let found = world.only();
    assert_eq!(action(&found), Some(Action::Hold));
    assert!(found.0.expect("a change").1.contains("absence alone never deletes data"));
}

#[test]
fn what_decides_about_a_vanished_resource_goes_in_order() {
    let mut world = World::new();
    world.records(A, "a", json!({"size": 1}));
    world.is_live("a", json!({"size": 1}));
    world.options.on_remove = Some(OnRemove::Destroy);
    assert_eq!(action(&world.only()), Some(Action::Delete));
    world.records(A, "a", json!({})).on_remove = Some(OnRemove::Hold);
    assert_eq!(action(&world.only()), Some(Action::Hold), "the manifest's own word beats the environment's");
    let removal = |destroy| Removal { pattern: A.into(), destroy, span: None };
    world.desired.removals = vec![removal(true)];
    assert_eq!(action(&world.only()), Some(Action::Delete), "a Removed document beats both");
    world.desired.removals = vec![removal(false)];
    assert_eq!(action(&world.only()), Some(Action::Forget));
}

#[test]
fn adopted_resources_are_forgotten_never_deleted() {
    for mode in [Mode::Converge, Mode::Destroy] {
        let mut world = World::new();
        world.records(A, "a", json!({"size": 1})).origin = Origin::Adopted;
        world.is_live("a", json!({"size": 1}));
        world.options.on_remove = Some(OnRemove::Destroy);
        world.options.mode = mode;
        assert_eq!(action(&world.only()), Some(Action::Forget), "{mode:?}");
    }
}

#[test]
fn nothing_is_inferred_from_a_partial_or_broken_load() {
    let mut world = World::new();
    world.records(A, "a", json!({"size": 1}));
    world.is_live("a", json!({"size": 1}));
    world.options.on_remove = Some(OnRemove::Destroy);
    let holds = |world: &World, why: &str| {
        let found = world.only();
        assert_eq!(action(&found), Some(Action::Hold), "{why}");
        assert!(found.0.expect("a change").1.contains(why));
    };
    world.desired.complete = false;
    holds(&world, "could not be read");
    world.desired.missing_paths.insert("d/p.yaml".into());
    holds(&world, "git still tracks its manifest d/p.yaml");
    world.desired.missing_paths.clear();
    world.desired.complete = true;
    world.desired.unread_paths.insert("d/p.yaml".into());
    holds(&world, "was not read");
    world.desired.unread_paths.clear();
    world.options.scope.only = Some(BTreeSet::from([address(A)]));
    holds(&world, "a part of the mesh only");
}

#[test]
fn only_the_recorded_incarnation_is_deleted() {
    let mut world = World::new();
    world.records(A, "a", json!({"size": 1}));
    world.reads("a", Reading::Present(object("a", "i2", json!({"size": 1}))));
    world.options.mode = Mode::Destroy;
    assert_eq!(action(&world.only()), Some(Action::Forget));

    world.options.mode = Mode::Converge;
    world.declares(A, "a", json!({"size": 1}));
    assert_eq!(world.only(), (None, vec!["DM0306"]));
}

#[test]
fn what_was_not_read_is_not_taken_for_gone() {
    let mut world = World::new();
    world.records(A, "a", json!({"size": 1}));
    world.options.mode = Mode::Destroy;
    assert_eq!(world.only(), (None, vec!["DM0308"]));
    world.reads("a", Reading::Absent);
    assert_eq!(action(&world.only()), Some(Action::Forget), "the system said that it does not exist");
}

#[test]
fn prevent_destroy_stops_destroy() {
    let mut world = World::new();
    world.records(A, "a", json!({"size": 1})).prevent_destroy = true;
    world.is_live("a", json!({"size": 1}));
    world.options.mode = Mode::Destroy;
    assert_eq!(world.only(), (None, vec!["DM0311"]));
}

#[test]
fn what_others_still_use_is_not_deleted_without_its_address() {
    let mut world = World::new();
    world.records("d/p@1:fake_thing.a", "a", json!({"size": 1}));
    world.is_live("a", json!({"size": 1}));
    world.options.on_remove = Some(OnRemove::Destroy);
    world.declares("d/q@1:fake_thing.b", "b", json!({"size": 1})).depends_on.insert(address(A));
    world.reads("b", Reading::Absent);
    let (plan, diagnostics) = world.plan();
    assert_eq!(diagnostics.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["DM0312"]);
    assert!(plan.change(&address(A)).is_none());
    world.options.allow_destroy.insert(address(A));
    let (plan, _) = world.plan();
    assert_eq!(plan.change(&address(A)).map(|c| c.action), Some(Action::Delete));
}

#[test]
fn a_physical_object_has_one_owner() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 1}));
    world.records(A, "a", json!({"size": 1}));
    world.declares("d/q@1:fake_thing.x", "a", json!({"size": 1}));
    world.is_live("a", json!({"size": 1}));
    let (_, diagnostics) = world.plan();
    assert_eq!(diagnostics.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["DM0305"]);
}

#[test]
fn an_object_one_address_loses_and_another_gains_is_moved() {
    for explicit in [true, false] {
        let mut world = World::new();
        world.records(A, "a", json!({"size": 1}));
        world.declares("d/new@1:fake_thing.a", "a", json!({"size": 1}));
        world.is_live("a", json!({"size": 1}));
        if explicit {
            let to = address("d/new@1:fake_thing.a");
            world.desired.moves.push(Move { from: address(A), to, span: None });
        }
        let (plan, diagnostics) = world.plan();
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(plan.changes.len(), 1);
        assert_eq!(plan.changes[0].moved_from, Some(address(A)));
        assert!(!plan.has_changes() && plan.has_work());
    }
}

#[test]
fn physical_names_are_fixed_at_creation() {
    let mut world = World::new();
    world.records(A, "old", json!({"size": 1}));
    world.declares(A, "new", json!({"size": 1}));
    world.is_live("old", json!({"size": 1}));
    world.reads("new", Reading::Absent);
    assert_eq!(world.only(), (None, vec!["DM0307"]));
}

#[test]
fn a_version_changed_in_place_is_an_error_and_holds_both_back() {
    let mut world = World::new();
    world.records("d/p@3:fake_thing.a", "a3", json!({"size": 1}));
    world.is_live("a3", json!({"size": 1}));
    world.declares("d/p@4:fake_thing.a", "a4", json!({"size": 1}));
    world.reads("a4", Reading::Absent);
    world.options.on_remove = Some(OnRemove::Destroy);
    let version = Some(Span { file: FileId(7), start: 40, end: 41 });
    world.desired.owners.insert("d/p@4".into(), version);
    let (plan, diagnostics) = world.plan();
    assert!(plan.changes.is_empty());
    let errors: Vec<_> = diagnostics.errors().filter(|d| d.code.id == "DM0313").collect();
    assert_eq!(errors.len(), 2);
    assert!(
        errors.iter().all(|error| error.labels.iter().map(|label| Some(label.span)).eq([version])),
        "{errors:?}"
    );
    assert_eq!(plan.held_back.keys().collect::<Vec<_>>(), ["d/p@3", "d/p@4"]);
    world.desired.removals.push(Removal { pattern: "d/p@3:**".into(), destroy: true, span: None });
    let (plan, diagnostics) = world.plan();
    assert!(diagnostics.is_empty());
    assert_eq!(plan.changes.len(), 2);
}

#[test]
fn an_error_holds_back_its_product_and_what_depends_on_it_only() {
    let mut world = World::new();
    world.declares("d/bad@1:fake_thing.a", "a", json!({"size": 1}));
    world.reads("a", Reading::Unreadable("no answer".into()));
    world
        .declares("d/user@1:fake_thing.b", "b", json!({}))
        .depends_on
        .insert(address("d/bad@1:fake_thing.a"));
    world.reads("b", Reading::Absent);
    world.declares("d/other@1:fake_thing.c", "c", json!({}));
    world.reads("c", Reading::Absent);
    let (plan, diagnostics) = world.plan();
    assert_eq!(diagnostics.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["DM0308"]);
    assert_eq!(plan.held_back.keys().collect::<Vec<_>>(), ["d/bad@1", "d/user@1"]);
    assert_eq!(plan.changes.len(), 1);
}

#[test]
fn what_a_domain_owns_holds_back_the_products_that_use_it_only() {
    let mut world = World::new();
    world.declares("d:fake_thing.space", "space", json!({}));
    world.reads("space", Reading::Unreadable("no answer".into()));
    world.declares("d:fake_thing.entry", "entry", json!({}));
    world.reads("entry", Reading::Absent);
    world.declares("d/table@1:fake_thing.a", "a", json!({})).depends_on.insert(address("d:fake_thing.space"));
    world.reads("a", Reading::Absent);
    world.declares("d/topic@1:fake_thing.b", "b", json!({})).depends_on.insert(address("d:fake_thing.entry"));
    world.reads("b", Reading::Absent);
    let (plan, _) = world.plan();
    assert_eq!(plan.held_back.keys().collect::<Vec<_>>(), ["d/table@1"]);
    let made: Vec<String> = plan.changes.iter().map(|change| change.address.to_string()).collect();
    assert_eq!(made, ["d:fake_thing.entry", "d/topic@1:fake_thing.b"]);
}

#[test]
fn another_system_than_the_recorded_one_stops_the_plan() {
    let mut world = World::new();
    world.records(A, "a", json!({"size": 1}));
    world.declares(A, "a", json!({"size": 1}));
    world.reads("a", Reading::Absent);
    world.prior.systems.insert(system(), "cluster-1".into());
    let facts = Facts { identity: "cluster-2".into(), ..Facts::default() };
    world.live.systems.push(SystemFacts { system: system(), facts });
    assert_eq!(world.only(), (None, vec!["DM0309"]));
}

#[test]
fn marks_of_another_mesh_are_respected() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 1}));
    let mut theirs = object("a", "i1", json!({"size": 1}));
    theirs.owner = Some("other-lineage/x/y@1:fake_thing.a".into());
    world.reads("a", Reading::Present(theirs));
    assert_eq!(world.only(), (None, vec!["DM0304"]));
}

#[test]
fn operations_wait_for_what_they_depend_on_and_deletes_go_the_other_way() {
    let mut world = World::new();
    world.declares(A, "a", json!({"size": 1}));
    world.declares(B, "b", json!({"size": 1})).depends_on.insert(address(A));
    world.reads("a", Reading::Absent);
    world.reads("b", Reading::Absent);
    let names = |plan: &Plan| -> Vec<Vec<String>> {
        let name = |at: &usize| plan.graph.operations[*at].address.name().to_owned();
        plan.graph.groups.iter().map(|group| group.iter().map(name).collect()).collect()
    };
    assert_eq!(names(&world.plan().0), [["a"], ["b"]]);

    let mut world = World::new();
    world.records(A, "a", json!({"size": 1}));
    world.records(B, "b", json!({"size": 1})).depends_on.insert(address(A));
    world.is_live("a", json!({"size": 1}));
    world.is_live("b", json!({"size": 1}));
    world.options.mode = Mode::Destroy;
    assert_eq!(names(&world.plan().0), [["b"], ["a"]]);
}

#[test]
fn equal_inputs_give_equal_plans() {
    let mut world = World::new();
    for n in 0..50 {
        world.declares(&format!("d/p{n}@1:fake_thing.a"), &format!("t{n}"), json!({"size": n}));
        world.reads(&format!("t{n}"), Reading::Absent);
    }
    let text = |world: &World| serde_json::to_string(&world.plan().0).expect("a plan");
    let first = text(&world);
    world.live.objects.reverse();
    assert_eq!(first, text(&world));
}
