//! Topics that are to be deleted and are in use: what they hold, and who reads them.

use super::task::{Step, Task};
use crate::client::{Cluster, Failure};
use crate::codes;
use crate::sys::{Coded, Groups, Offset, Place};
use datamesh_provider::{BoxFuture, Context, Diagnostic, Diagnostics, OpDiagnostics, Operation, Sink};
use futures::stream::{self, StreamExt as _};
use std::collections::{BTreeSet, HashMap};

/// Topics, or groups, in one request.
const AT_ONCE: usize = 250;
const IN_FLIGHT: usize = 4;
/// A topic that was written to within this time is taken for one that still is.
const RECENT: u64 = 7 * DAY;
/// Names of groups in one sentence.
const GROUPS_NAMED: usize = 5;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What is known of the use of one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Use {
    /// Places between the first record and the end: compaction and transactions leave gaps.
    records: i64,
    /// When its newest record was written, in milliseconds since 1970.
    newest: Option<i64>,
    /// Groups with members that read it.
    groups: BTreeSet<String>,
    /// Why something of this is not known.
    unknown: BTreeSet<String>,
}

/// Tells of topics that are to be deleted while they are written to or read.
pub(crate) async fn check(
    cluster: &Cluster,
    cx: &Context,
    ops: &[&Operation],
    out: &dyn Sink<OpDiagnostics>,
) {
    let deletes = ops.iter().filter(|op| Step::of(op) == Some(Step::Delete));
    // What does not decode is refused when it is applied.
    let tasks: Vec<_> = deletes.filter_map(|op| Task::new(op).ok()).collect();
    if tasks.is_empty() {
        return;
    }
    let mut uses: HashMap<&str, Use> = tasks.iter().map(|task| (task.name(), Use::default())).collect();
    let topics: Vec<(&str, i32)> = tasks.iter().map(|task| (task.name(), task.partitions_now())).collect();
    let (offsets, groups) = tokio::join!(offsets(cluster, cx, &topics), groups(cluster, cx));
    held(&mut uses, offsets, cluster);
    read_by(&mut uses, groups, cluster);
    let now = cx.clock.now().as_millisecond();
    for task in &tasks {
        let found = uses.get(task.name()).and_then(|of| finding(task.name(), of, now));
        if let Some(diagnostic) = found {
            let diagnostics = Diagnostics::from(diagnostic);
            out.put(OpDiagnostics { id: task.op.id.clone(), about: Vec::new(), diagnostics });
        }
    }
}

type Offsets = Vec<(Place, Result<Vec<Offset>, Failure>)>;

/// Both ends and the newest record of every partition.
async fn offsets(cluster: &Cluster, cx: &Context, topics: &[(&str, i32)]) -> Offsets {
    let ask = |place, batch| -> BoxFuture<'_, _> {
        let call = move |left| cluster.ask(cx, cluster.handle().list_offsets(batch, place, left));
        Box::pin(async move { (place, cluster.again(cx, call).await) })
    };
    let places = [Place::Start, Place::End, Place::Newest];
    let calls =
        places.into_iter().flat_map(|place| topics.chunks(AT_ONCE).map(move |batch| ask(place, batch)));
    let calls: Vec<_> = calls.collect();
    stream::iter(calls).buffer_unordered(IN_FLIGHT).collect().await
}

type GroupsRead = Result<(Vec<Coded>, Vec<(String, BTreeSet<String>)>), Failure>;

/// Every group with members, and the topics these read.
async fn groups(cluster: &Cluster, cx: &Context) -> GroupsRead {
    let list = |left| cluster.ask(cx, cluster.handle().active_groups(left));
    let Groups { active, mut errors } = cluster.again(cx, list).await?;
    let names: Vec<&str> = active.iter().map(String::as_str).collect();
    let mut read = Vec::new();
    for batch in names.chunks(AT_ONCE) {
        let describe = |left| cluster.ask(cx, cluster.handle().read_by_groups(batch, left));
        for (group, topics) in cluster.again(cx, describe).await? {
            match topics {
                Ok(topics) => read.push((group, topics)),
                Err(error) => errors.push(error),
            }
        }
    }
    Ok((errors, read))
}

fn held(uses: &mut HashMap<&str, Use>, offsets: Offsets, cluster: &Cluster) {
    for (place, answer) in offsets {
        let found = match answer {
            Ok(found) => found,
            Err(failure) => {
                let why = cluster.failure(&failure, "ask what the topics hold").to_string();
                unknown(uses, &why);
                continue;
            }
        };
        for one in found {
            let Some(of) = uses.get_mut(one.topic.as_str()) else { continue };
            match one.error {
                Some(error) => _ = of.unknown.insert(error.to_string()),
                None => of.take(place, &one),
            }
        }
    }
}

fn read_by(uses: &mut HashMap<&str, Use>, groups: GroupsRead, cluster: &Cluster) {
    match groups {
        Ok((errors, read)) => {
            errors.iter().for_each(|error| unknown(uses, &error.to_string()));
            for (group, topics) in read {
                for topic in topics {
                    if let Some(of) = uses.get_mut(topic.as_str()) {
                        of.groups.insert(group.clone());
                    }
                }
            }
        }
        Err(failure) => {
            unknown(uses, &cluster.failure(&failure, "ask who reads the topics").to_string());
        }
    }
}

/// Something could not be asked of any of them.
fn unknown(uses: &mut HashMap<&str, Use>, why: &str) {
    uses.values_mut().for_each(|of| _ = of.unknown.insert(why.to_owned()));
}

impl Use {
    fn take(&mut self, place: Place, found: &Offset) {
        match place {
            Place::Start => self.records -= found.offset.max(0),
            Place::End => self.records += found.offset.max(0),
            Place::Newest if found.timestamp >= 0 => self.newest = self.newest.max(Some(found.timestamp)),
            Place::Newest => {}
        }
    }

    /// Whether somebody seems to write to it or to read it.
    fn is_active(&self, now: i64) -> bool {
        let recent = |at: i64| u64::try_from(now - at).unwrap_or(0) < RECENT;
        !self.groups.is_empty() || (self.records > 0 && self.newest.is_none_or(recent))
    }
}

fn finding(topic: &str, of: &Use, now: i64) -> Option<Diagnostic> {
    let mut said = Vec::new();
    if of.records > 0 {
        let records = if of.records == 1 { "1 record".to_owned() } else { format!("{} records", of.records) };
        let newest = of.newest.map(|at| format!(", the newest of {}", ago(now, at))).unwrap_or_default();
        said.push(format!("it holds about {records}{newest}"));
    }
    if !of.groups.is_empty() {
        said.push(format!("it is read by {}", group_names(&of.groups)));
    }
    if !of.unknown.is_empty() {
        let why = of.unknown.iter().cloned().collect::<Vec<_>>().join("; ");
        said.push(format!("not everything could be asked: {why}"));
    }
    if said.is_empty() {
        return None;
    }
    let said = said.join("; ");
    if !of.is_active(now) {
        let detail = format!("The topic {topic} is to be deleted: {said}.");
        return Some(Diagnostic::note(codes::HOLDS_RECORDS, detail));
    }
    let detail = format!("The topic {topic} is to be deleted and is in use: {said}.");
    let found = match of.groups.is_empty() {
        true => Diagnostic::warning(codes::IN_USE, detail),
        false => Diagnostic::error(codes::IN_USE, detail),
    };
    Some(found.help("stop its producers and consumers first; its records cannot be brought back"))
}

fn group_names(groups: &BTreeSet<String>) -> String {
    let mut names: Vec<&str> = groups.iter().map(String::as_str).take(GROUPS_NAMED).collect();
    let more = format!("{} more", groups.len().saturating_sub(GROUPS_NAMED));
    if groups.len() > GROUPS_NAMED {
        names.push(&more);
    }
    let what = if groups.len() == 1 { "the consumer group" } else { "the consumer groups" };
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{what} {} and {last}", rest.join(", ")),
        _ => format!("{what} {}", names.concat()),
    }
}

/// How long ago, in one unit.
fn ago(now: i64, at: i64) -> String {
    let passed = u64::try_from(now - at).unwrap_or(0);
    let count = |size: u64, unit: &str| match passed / size {
        1 => format!("1 {unit} ago"),
        many => format!("{many} {unit}s ago"),
    };
    match passed {
        0..MINUTE => "less than a minute ago".to_owned(),
        MINUTE..HOUR => count(MINUTE, "minute"),
        HOUR..DAY => count(HOUR, "hour"),
        _ => count(DAY, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn at(offset: i64, timestamp: i64) -> Offset {
        Offset { topic: "t".into(), partition: 0, offset, timestamp, error: None }
    }

    /// A topic of two partitions, one of them empty.
    fn written(before: u64) -> Use {
        let mut of = Use::default();
        let newest = NOW - i64::try_from(before).expect("fits");
        for (place, full, empty) in [
            (Place::Start, at(40, -1), at(7, -1)),
            (Place::End, at(52, -1), at(7, -1)),
            (Place::Newest, at(51, newest), at(-1, -1)),
        ] {
            of.take(place, &full);
            of.take(place, &empty);
        }
        of
    }

    fn told(of: &Use) -> Option<(&'static str, String)> {
        finding("t", of, NOW).map(|found| (found.code.id, found.detail))
    }

    #[test]
    fn nobody_uses_it() {
        assert_eq!(told(&Use::default()), None);
    }

    #[test]
    fn recent_records_are_a_warning_and_old_ones_a_note() {
        let recent = told(&written(3 * MINUTE));
        let words = "The topic t is to be deleted and is in use: it holds about 12 records, the newest of 3 minutes ago.";
        assert_eq!(recent, Some(("DM0523", words.to_owned())));
        let old = told(&written(RECENT));
        let words = "The topic t is to be deleted: it holds about 12 records, the newest of 7 days ago.";
        assert_eq!(old, Some(("DM0524", words.to_owned())));
        let unknown_age = Use { newest: None, ..written(RECENT) };
        assert_eq!(told(&unknown_age).map(|(code, _)| code), Some("DM0523"), "it may be recent");
    }

    #[test]
    fn readers_are_named() {
        let groups = |count: usize| (0..count).map(|n| format!("g{n}")).collect();
        for (count, words) in [
            (1, "it is read by the consumer group g0."),
            (2, "it is read by the consumer groups g0 and g1."),
            (7, "it is read by the consumer groups g0, g1, g2, g3, g4 and 2 more."),
        ] {
            let of = Use { groups: groups(count), ..Use::default() };
            let (code, detail) = told(&of).expect("told");
            assert!(code == "DM0523" && detail.ends_with(words), "{code} {detail}");
        }
    }

    #[test]
    fn what_could_not_be_asked_is_said() {
        let of = Use { unknown: ["no answer".to_owned()].into(), ..written(10 * DAY) };
        let (code, detail) = told(&of).expect("told");
        assert!(
            code == "DM0524" && detail.ends_with("10 days ago; not everything could be asked: no answer.")
        );
    }

    #[test]
    fn one_unit_says_how_long_ago() {
        let words = [
            (0, "less than a minute ago"),
            (MINUTE, "1 minute ago"),
            (2 * HOUR, "2 hours ago"),
            (DAY, "1 day ago"),
        ];
        for (passed, want) in words {
            assert_eq!(ago(NOW, NOW - i64::try_from(passed).expect("fits")), want);
        }
        assert_eq!(ago(NOW, NOW + 5), "less than a minute ago", "clocks differ");
    }
}
