//! Beginning, completing and recovering operations.

use crate::support::{
    address, becomes, edit, full_shard, intent, kafka, live, managed, map, op, record, shard, ty,
};
use datamesh_provider::{
    ErrorKind, Interruption, ObjectId, OpAction, Outcome, ProviderError, Refusal, SystemName,
};
use datamesh_state::{Origin, Recovery, Shard, ShardError, recover};
use proptest::prelude::*;
use serde_json::json;

const TOPIC: &str = "orders/facts@1:kafka_topic.stream";

fn refused() -> Outcome {
    Outcome::Rejected(Refusal { error: error() })
}

fn error() -> ProviderError {
    ProviderError::new(ErrorKind::Invalid, "kafka.default", "memory")
}

fn owned() -> Shard {
    let mut shard = shard();
    shard.resources.insert(
        address(TOPIC),
        record(TOPIC, json!({"partitions": 3, "config": {"a": "1", "b": "2"}})).into(),
    );
    shard
}

#[test]
fn a_creation_becomes_a_record() {
    let mut shard = shard();
    shard.begin(op("1"), intent(TOPIC, OpAction::Create, Some(json!({"partitions": 3})))).expect("begun");
    shard.verify().expect("sound");
    assert_eq!(shard.pending[&op("1")].epoch, shard.epoch);
    let there = live("stream", "one", json!({"partitions": 3, "replication_factor": 1}));
    let over = shard.complete(&op("1"), &Outcome::Done(there), &managed).expect("completed");
    assert_eq!(over.map(|intent| intent.step), Some("create".into()));
    let record = &shard.resources[&address(TOPIC)];
    assert_eq!(record.attributes, map(json!({"partitions": 3})));
    assert_eq!((record.generation, record.origin, &record.last_op), (1, Origin::Created, &Some(op("1"))));
    assert_eq!(record.incarnation.as_deref(), Some("one"));
    assert!(shard.pending.is_empty());
    shard.verify().expect("sound");
}

#[test]
fn each_outcome_leaves_what_it_says() {
    let update = || intent(TOPIC, OpAction::Update, Some(json!({"partitions": 6})));
    let outcomes = [
        (Outcome::Stale(None), false, 1),
        (refused(), false, 1),
        (Outcome::Indeterminate(Interruption::Stopped), true, 1),
        (Outcome::Partial(live("stream", "one", json!({"partitions": 6})), error()), false, 2),
        (Outcome::Done(live("stream", "one", json!({"partitions": 6}))), false, 2),
    ];
    for (outcome, pending, generation) in outcomes {
        let mut shard = owned();
        shard.begin(op("1"), update()).expect("begun");
        shard.complete(&op("1"), &outcome, &managed).expect("completed");
        assert_eq!(shard.pending.contains_key(&op("1")), pending, "{outcome:?}");
        assert_eq!(shard.resources[&address(TOPIC)].generation, generation, "{outcome:?}");
        shard.verify_after(&owned()).expect("sound");
    }
    let mut shard = owned();
    shard.begin(op("1"), intent(TOPIC, OpAction::Delete, None)).expect("begun");
    shard.complete(&op("1"), &Outcome::Deleted, &managed).expect("completed");
    assert!(shard.resources.is_empty() && shard.pending.is_empty());
}

#[test]
fn until_the_last_step_the_prior_stays() {
    let mut shard = owned();
    let planned = json!({"partitions": 6, "config": {"a": "1"}});
    let mut first = intent(TOPIC, OpAction::Update, Some(planned.clone()));
    first.step = "partitions".into();
    first.remaining = vec!["config".into()];
    shard.begin(op("1"), first).expect("begun");
    let between = live("stream", "one", json!({"partitions": 6, "config": {"a": "1", "b": "2"}}));
    shard.complete(&op("1"), &Outcome::Done(between), &managed).expect("completed");
    // `b` is still known as ours: the next step, or the next plan, withdraws it.
    let config = &shard.resources[&address(TOPIC)].attributes["config"];
    assert_eq!(config, &json!({"a": "1", "b": "2"}));
    shard.begin(op("2"), intent(TOPIC, OpAction::Update, Some(planned.clone()))).expect("begun");
    let after = live("stream", "one", planned.clone());
    shard.complete(&op("2"), &Outcome::Done(after), &managed).expect("completed");
    assert_eq!(shard.resources[&address(TOPIC)].attributes, map(planned));
}

#[test]
fn what_would_break_the_shard_is_refused_and_changes_nothing() {
    let create = |of| intent(of, OpAction::Create, Some(json!({})));
    let mut shard = owned();
    let before = shard.clone();
    let refusals = [
        (create(TOPIC), "recorded already"),
        (create("sales/facts@1:kafka_topic.stream"), "another domain"),
        (create("orders/other@1:kafka_topic.stream"), "is claimed by"),
        (intent("orders/none@1:kafka_topic.x", OpAction::Update, Some(json!({}))), "only what is recorded"),
        (intent("orders/none@1:kafka_topic.x", OpAction::Delete, None), "only what is recorded"),
        (intent(TOPIC, OpAction::Delete, Some(json!({}))), "plans nothing"),
        (intent(TOPIC, OpAction::Update, None), "does not say"),
    ];
    for (intent, why) in refusals {
        let error = shard.begin(op("1"), intent).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(shard, before);
    }
    shard.begin(op("1"), intent(TOPIC, OpAction::Delete, None)).expect("begun");
    let again = shard.begin(op("2"), intent(TOPIC, OpAction::Delete, None));
    assert!(matches!(again, Err(ShardError::Busy { .. })));
    let repeated = shard.begin(op("1"), intent(TOPIC, OpAction::Delete, None));
    assert!(matches!(repeated, Err(ShardError::Repeated { .. })));
    let unknown = shard.complete(&op("9"), &Outcome::Deleted, &managed);
    assert!(matches!(unknown, Err(ShardError::NotPending { .. })));
    assert!(shard.forget(&address(TOPIC)).is_none(), "what is being deleted is not forgotten");
}

#[test]
fn one_object_has_one_owner_whatever_its_system_is_called() {
    let mut shard = owned();
    let other = SystemName::new("kafka", "second_name");
    shard.bind(&kafka(), "cluster-1").expect("bound");
    shard.bind(&other, "cluster-1").expect("bound");
    let owner = shard.owner_of(&other, &ty("kafka_topic"), &ObjectId::new("stream"));
    assert_eq!(owner, Some(&address(TOPIC)));
    let mut create = intent("orders/other@1:kafka_topic.stream", OpAction::Create, Some(json!({})));
    create.system = other.clone();
    assert!(matches!(shard.begin(op("1"), create), Err(ShardError::TwoOwners { .. })));
    let renamed = shard.bind(&other, "cluster-2");
    assert!(matches!(renamed, Err(ShardError::Identity { .. })));
    // An intent to create claims as well, before anything is there.
    let mut shard = crate::support::shard();
    shard.begin(op("1"), intent(TOPIC, OpAction::Create, Some(json!({})))).expect("begun");
    assert!(shard.owner_of(&kafka(), &ty("kafka_topic"), &ObjectId::new("stream")).is_some());
}

#[test]
fn adopting_describing_and_forgetting_need_no_operation() {
    let mut shard = shard();
    let there = live("stream", "one", json!({"partitions": 3}));
    shard
        .adopt(Origin::Adopted, address(TOPIC), kafka(), &there, map(json!({"partitions": 3})), &becomes())
        .expect("adopted");
    let before = shard.clone();
    assert_eq!(shard.resources[&address(TOPIC)].origin, Origin::Adopted);
    let mut same = becomes();
    same.declared = map(json!({"partitions": 3}));
    assert!(!shard.describe(&address(TOPIC), &same, Some("one")), "nothing new");
    let mut moved = same.clone();
    moved.source = Some("elsewhere.yaml".into());
    moved.declared = map(json!({"partitions": 3, "replication_factor": 1}));
    assert!(shard.redescribe(&address(TOPIC), &moved));
    assert_eq!(shard.resources[&address(TOPIC)].attributes, same.declared);
    assert!(shard.describe(&address(TOPIC), &moved, Some("two")));
    let record = &shard.resources[&address(TOPIC)];
    assert_eq!((record.generation, record.incarnation.as_deref()), (3, Some("two")));
    assert_eq!(record.attributes, moved.declared);
    shard.verify_after(&before).expect("sound");
    let twice = shard.adopt(Origin::Adopted, address(TOPIC), kafka(), &there, map(json!({})), &becomes());
    assert!(matches!(twice, Err(ShardError::Busy { .. })));
    let stolen = address("orders/other@1:kafka_topic.y");
    let stolen = shard.adopt(Origin::Adopted, stolen, kafka(), &there, map(json!({})), &becomes());
    assert!(matches!(stolen, Err(ShardError::TwoOwners { .. })));
    assert!(shard.forget(&address(TOPIC)).is_some());
    shard.verify_after(&before).expect("sound");
}

#[test]
fn a_rename_takes_its_dependents_along() {
    let subject = "orders/facts@1:schema_subject.stream";
    let renamed = "orders/events@1:kafka_topic.stream";
    let mut shard = owned();
    let mut dependent = record(subject, json!({}));
    dependent.dependencies.insert(address(TOPIC));
    shard.resources.insert(address(subject), dependent.into());
    let before = shard.clone();
    shard.rename(&address(TOPIC), &address(renamed)).expect("renamed");
    shard.verify_after(&before).expect("sound");
    let moved = &shard.resources[&address(renamed)];
    assert_eq!((moved.generation, moved.product.as_deref()), (2, Some("orders/events@1")));
    assert!(shard.resources[&address(subject)].dependencies.contains(&address(renamed)));
    let after = shard.clone();
    shard.rename(&address(TOPIC), &address(renamed)).expect("a second time is nothing");
    assert_eq!(shard, after);
    for (from, to) in [
        (renamed, "sales/x@1:kafka_topic.stream"),
        (renamed, "orders/x@1:iceberg_table.stream"),
        ("orders/none@1:kafka_topic.x", "orders/x@1:kafka_topic.x"),
    ] {
        shard.rename(&address(from), &address(to)).expect_err(to);
        assert_eq!(shard, after);
    }
    shard.begin(op("1"), intent(renamed, OpAction::Delete, None)).expect("begun");
    let busy = shard.rename(&address(renamed), &address(TOPIC));
    assert!(matches!(busy, Err(ShardError::Busy { .. })));
}

#[test]
fn a_creation_records_what_is_declared_and_not_its_defaults() {
    let mut shard = shard();
    let mut create = intent(TOPIC, OpAction::Create, Some(json!({"partitions": 3, "replication_factor": 2})));
    create.becomes.as_mut().expect("there").declared = map(json!({"partitions": 3}));
    shard.begin(op("1"), create.clone()).expect("begun");
    let there = live("stream", "one", json!({"partitions": 3, "replication_factor": 2}));
    let mut recovered = shard.clone();
    shard.complete(&op("1"), &Outcome::Done(there.clone()), &managed).expect("completed");
    assert_eq!(shard.resources[&address(TOPIC)].attributes, map(json!({"partitions": 3})));
    let verdict = recover(&create, Some(&there), &managed);
    recovered.apply_recovery(&op("1"), &verdict, &managed).expect("stored");
    assert_eq!(recovered.resources, shard.resources);
    let other = live("stream", "one", json!({"partitions": 3, "replication_factor": 1}));
    assert!(matches!(recover(&create, Some(&other), &managed), Recovery::Conflict { .. }));
}

#[test]
fn a_deletion_of_two_steps_keeps_its_record_until_the_last() {
    for early in [Outcome::Done(live("stream", "one", json!({}))), Outcome::Deleted] {
        let mut shard = owned();
        let mut first = intent(TOPIC, OpAction::Delete, None);
        first.step = "level".into();
        first.remaining = vec!["delete".into()];
        shard.begin(op("1"), first).expect("begun");
        shard.complete(&op("1"), &early, &managed).expect("completed");
        assert_eq!(shard.resources[&address(TOPIC)].generation, 2, "{early:?}");
        shard.begin(op("2"), intent(TOPIC, OpAction::Delete, None)).expect("begun");
        shard.complete(&op("2"), &Outcome::Deleted, &managed).expect("completed");
        assert!(shard.resources.is_empty());
    }
}

#[test]
fn what_was_adopted_and_deleted_outside_is_ours_when_made_again() {
    let mut shard = owned();
    edit(&mut shard, TOPIC).origin = Origin::Adopted;
    let mut again = intent(TOPIC, OpAction::Create, Some(json!({"partitions": 3})));
    again.before = Some(map(json!({"partitions": 3})));
    shard.begin(op("1"), again).expect("begun");
    let there = live("stream", "two", json!({"partitions": 3}));
    shard.complete(&op("1"), &Outcome::Done(there), &managed).expect("completed");
    let record = &shard.resources[&address(TOPIC)];
    assert_eq!((record.origin, record.generation), (Origin::Created, 2));
    assert_eq!(record.incarnation.as_deref(), Some("two"));
}

#[test]
fn a_write_goes_forward_only() {
    let before = full_shard();
    let with = |change: &dyn Fn(&mut Shard)| {
        let mut next = before.clone();
        change(&mut next);
        next.verify_after(&before)
    };
    with(&|_| ()).expect("the same is sound");
    let topic = || address(TOPIC);
    let backwards = [
        with(&|shard| shard.lineage = "another".into()),
        with(&|shard| {
            let twin = shard.resources[&topic()].clone();
            shard.resources.insert(address("orders/other@1:kafka_topic.stream"), twin);
        }),
        with(&|shard| shard.epoch -= 1),
        with(&|shard| shard.serial -= 1),
        with(&|shard| edit(shard, TOPIC).generation = 4),
        with(&|shard| drop(edit(shard, TOPIC).attributes.remove("config"))),
        with(&|shard| shard.pending.clear()).and(with(&|shard| drop(shard.resources.remove(&topic())))),
    ];
    for (at, result) in backwards.into_iter().enumerate() {
        assert!(result.is_err(), "{at}");
    }
}

#[test]
fn recovery_of_a_creation() {
    let planned = json!({"partitions": 3, "config": {"a": "1"}});
    let create = intent(TOPIC, OpAction::Create, Some(planned.clone()));
    assert_eq!(recover(&create, None, &managed), Recovery::NotCreated);
    let same = live("stream", "one", json!({"partitions": 3, "config": {"a": "1", "theirs": "x"}}));
    assert_eq!(recover(&create, Some(&same), &managed), Recovery::Created(same.clone()));
    let other = live("stream", "one", json!({"partitions": 9, "config": {"a": "1"}}));
    let verdict = recover(&create, Some(&other), &managed);
    assert!(
        matches!(&verdict, Recovery::Conflict { differs, .. } if *differs == ["partitions"]),
        "{verdict:?}"
    );
    let half = live("stream", "one", json!({"partitions": 3}));
    assert!(matches!(recover(&create, Some(&half), &managed), Recovery::Conflict { .. }));
    let mut early = create.clone();
    early.remaining = vec!["config".into()];
    assert_eq!(recover(&early, Some(&half), &managed), Recovery::Created(half.clone()));

    let mut shard = shard();
    shard.begin(op("1"), create).expect("begun");
    let mut person = shard.clone();
    person.apply_recovery(&op("1"), &verdict, &managed).expect("stored");
    assert!(person.pending.contains_key(&op("1")), "a conflict is for a person");
    shard.apply_recovery(&op("1"), &Recovery::Created(same), &managed).expect("stored");
    assert!(shard.pending.is_empty());
    assert_eq!(shard.resources[&address(TOPIC)].attributes, map(planned));
}

#[test]
fn recovery_of_an_update_takes_what_is_there_as_the_prior() {
    let mut update = intent(TOPIC, OpAction::Update, Some(json!({"partitions": 6, "config": {"a": "9"}})));
    update.before = Some(map(json!({"partitions": 3, "config": {"a": "1", "b": "2"}})));
    update.incarnation = Some("one".into());
    let half = live("stream", "one", json!({"partitions": 6, "config": {"a": "1", "b": "2", "theirs": "x"}}));
    let verdict = recover(&update, Some(&half), &managed);
    let expected = map(json!({"partitions": 6, "config": {"a": "1", "b": "2"}}));
    assert!(matches!(&verdict, Recovery::Updated { prior, .. } if *prior == expected), "{verdict:?}");
    assert_eq!(recover(&update, None, &managed), Recovery::DeletedOutside);
    let other = live("stream", "two", json!({}));
    assert!(matches!(recover(&update, Some(&other), &managed), Recovery::ReplacedOutside(_)));

    let before = owned();
    let mut shard = owned();
    shard.begin(op("1"), update).expect("begun");
    let mut gone = shard.clone();
    shard.apply_recovery(&op("1"), &verdict, &managed).expect("stored");
    assert_eq!(shard.resources[&address(TOPIC)].attributes, expected);
    shard.verify_after(&before).expect("sound");
    gone.apply_recovery(&op("1"), &Recovery::DeletedOutside, &managed).expect("stored");
    assert!(gone.pending.is_empty() && gone.resources.contains_key(&address(TOPIC)));
}

#[test]
fn recovery_of_a_deletion() {
    let mut delete = intent(TOPIC, OpAction::Delete, None);
    delete.incarnation = Some("one".into());
    let ours = live("stream", "one", json!({}));
    let other = live("stream", "two", json!({}));
    let cases = [
        (None, Recovery::Deleted, false),
        (Some(&ours), Recovery::NotDeleted, true),
        (Some(&other), Recovery::ReplacedOutside(other.clone()), false),
    ];
    for (live, expected, kept) in cases {
        let verdict = recover(&delete, live, &managed);
        assert_eq!(verdict, expected);
        let mut shard = owned();
        shard.begin(op("1"), delete.clone()).expect("begun");
        shard.apply_recovery(&op("1"), &verdict, &managed).expect("stored");
        assert!(shard.pending.is_empty());
        assert_eq!(shard.resources.contains_key(&address(TOPIC)), kept);
    }
}

#[derive(Clone, Debug)]
struct Step {
    name: u8,
    action: OpAction,
    outcome: u8,
}

fn step() -> impl Strategy<Value = Step> {
    let action = prop_oneof![Just(OpAction::Create), Just(OpAction::Update), Just(OpAction::Delete)];
    (0u8..4, action, 0u8..6).prop_map(|(name, action, outcome)| Step { name, action, outcome })
}

proptest! {
    /// Whatever is begun, and however it ends, each write of it verifies against the one before.
    #[test]
    fn any_history_is_sound(steps in prop::collection::vec(step(), 1..40)) {
        let mut shard = shard();
        for (at, Step { name, action, outcome }) in steps.into_iter().enumerate() {
            let of = format!("orders/p@1:kafka_topic.t{name}");
            let planned = (action != OpAction::Delete).then(|| json!({"n": at}));
            let mut next = shard.clone();
            let id = op(&at.to_string());
            if next.begin(id.clone(), intent(&of, action, planned)).is_err() {
                prop_assert_eq!(&next, &shard);
                // What is pending is decided by what is there, as a later run would.
                let Some((id, intent)) = next.pending.iter().next().map(|(id, i)| (id.clone(), i.clone())) else {
                    continue;
                };
                let there = live(intent.object.as_str(), "one", json!({"n": at}));
                let verdict = recover(&intent, (outcome % 2 == 0).then_some(&there), &managed);
                next.apply_recovery(&id, &verdict, &managed).expect("stored");
                next.verify_after(&shard).expect("sound");
                shard = next;
                continue;
            }
            next.verify_after(&shard).expect("sound with its intent");
            let begun = next.clone();
            let there = live(&format!("t{name}"), "one", json!({"n": at}));
            let outcome = match (action, outcome) {
                (_, 0) => Outcome::Stale(None),
                (_, 1) => refused(),
                (_, 2) => Outcome::Indeterminate(Interruption::Unreported),
                (OpAction::Delete, _) => Outcome::Deleted,
                (_, 3) => Outcome::Partial(there, error()),
                _ => Outcome::Done(there),
            };
            next.complete(&id, &outcome, &managed).expect("completed");
            next.verify_after(&begun).expect("sound with its outcome");
            shard = next;
        }
    }
}
