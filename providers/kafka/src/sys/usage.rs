//! Whether topics are in use: what their partitions hold, and which groups read them.

use super::event::{Answers, Event};
use super::native::{ErrorText, Natives, borrowed_error, c_text, coded, slice, text};
use super::request::{Answer, Limits};
use super::{Coded, Handle, open};
use rdkafka_sys as sys;
use std::collections::BTreeSet;
use std::ffi::c_int;
use std::time::Duration;
use sys::rd_kafka_admin_op_t as Op;

/// Which place of a partition is asked for, by the number the protocol (ListOffsets) has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind the last record.
    End = -1,
    /// At the first record that is still there.
    Start = -2,
    /// At the record with the latest timestamp; brokers older than 3.0 do not know it.
    Newest = -3,
}

/// A place in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Negative where there is no such record.
    pub(crate) offset: i64,
    /// Of the record there, in milliseconds since 1970; negative where there is none.
    pub(crate) timestamp: i64,
    pub(crate) error: Option<Coded>,
}

/// The groups that have members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) active: Vec<String>,
    /// Why some brokers did not tell theirs.
    pub(crate) errors: Vec<Coded>,
}

/// Groups without members: DEAD and EMPTY.
const WITHOUT_MEMBERS: [c_int; 2] = [4, 5];

impl Handle {
    /// Looks a place up in every partition of these topics, whose numbers of partitions are given.
    pub(crate) fn list_offsets(
        &self,
        topics: &[(&str, i32)],
        place: Place,
        timeout: Duration,
    ) -> Result<Answer<Vec<Offset>>, Coded> {
        let total: i32 = topics.iter().map(|(_, partitions)| partitions).sum();
        let mut natives = Natives::new(sys::rd_kafka_topic_partition_list_destroy);
        // SAFETY: what is returned is ours.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(total) };
        let list = natives.take(list, &ErrorText::new())?;
        for (topic, partitions) in topics {
            let topic = c_text(topic)?;
            for partition in 0..*partitions {
                // SAFETY: the list and the text live, and the text is copied; what is returned lives in the list, and
                // one number of it is written.
                unsafe {
                    let added = sys::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
                    (*added).offset = place as i64;
                }
            }
        }
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: client, list, options and queue live; librdkafka copies what it needs.
        self.start(Op::RD_KAFKA_ADMIN_OP_LISTOFFSETS, limits, Event::listed_offsets, |options| unsafe {
            sys::rd_kafka_ListOffsets(self.ptr(), list, options, self.queue());
        })
    }

    /// Every group that has members now.
    pub(crate) fn active_groups(&self, timeout: Duration) -> Result<Answer<Groups>, Coded> {
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `list_offsets`.
        self.start(Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, limits, Event::groups, |options| unsafe {
            sys::rd_kafka_ListConsumerGroups(self.ptr(), options, self.queue());
        })
    }

    /// The topics that the members of each group read.
    pub(crate) fn read_by_groups(
        &self,
        groups: &[&str],
        timeout: Duration,
    ) -> Result<Answer<Answers<BTreeSet<String>>>, Coded> {
        let names = groups.iter().map(|name| c_text(name)).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let (array, count) = (pointers.as_mut_ptr(), pointers.len());
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `list_offsets`.
        self.start(Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, limits, Event::read_by, |options| unsafe {
            sys::rd_kafka_DescribeConsumerGroups(self.ptr(), array, count, options, self.queue());
        })
    }
}

impl Event {
    fn listed_offsets(&self) -> Vec<Offset> {
        let mut count = 0;
        // SAFETY: the event lives, and with it its result and the array; another type of event has null.
        unsafe {
            let result = sys::rd_kafka_event_ListOffsets_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let infos = slice(sys::rd_kafka_ListOffsets_result_infos(result, &mut count), count);
            infos.iter().map(|info| offset(*info)).collect()
        }
    }

    fn groups(&self) -> Groups {
        let (mut groups, mut errors) = (0, 0);
        // SAFETY: as in `listed_offsets`.
        unsafe {
            let result = sys::rd_kafka_event_ListConsumerGroups_result(self.ptr());
            if result.is_null() {
                return Groups::default();
            }
            let groups = slice(sys::rd_kafka_ListConsumerGroups_result_valid(result, &mut groups), groups);
            let errors = slice(sys::rd_kafka_ListConsumerGroups_result_errors(result, &mut errors), errors);
            let active = |group: &&*const sys::rd_kafka_ConsumerGroupListing_t| {
                !WITHOUT_MEMBERS.contains(&open::rd_kafka_ConsumerGroupListing_state(**group))
            };
            let name = |group: &*const sys::rd_kafka_ConsumerGroupListing_t| {
                text(sys::rd_kafka_ConsumerGroupListing_group_id(*group))
            };
            Groups {
                active: groups.iter().filter(active).map(name).collect(),
                errors: errors.iter().filter_map(|error| borrowed_error(*error)).collect(),
            }
        }
    }

    fn read_by(&self) -> Answers<BTreeSet<String>> {
        let mut count = 0;
        // SAFETY: as in `listed_offsets`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConsumerGroups_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
            slice(groups, count).iter().map(|group| read_by_group(*group)).collect()
        }
    }
}

/// # Safety
/// The answer lives for the time of the call.
unsafe fn offset(info: *const sys::rd_kafka_ListOffsetsResultInfo_t) -> Offset {
    // SAFETY: it lives, and with it the partition. Its error may be a number that the generated enum does not have, so
    // that is read as the integer it is in C.
    unsafe {
        let partition = sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info);
        let code = std::ptr::addr_of!((*partition).err).cast::<c_int>().read();
        Offset {
            topic: text((*partition).topic),
            partition: (*partition).partition,
            offset: (*partition).offset,
            timestamp: sys::rd_kafka_ListOffsetsResultInfo_timestamp(info),
            error: coded(code, std::ptr::null()),
        }
    }
}

/// # Safety
/// The group lives for the time of the call.
unsafe fn read_by_group(
    group: *const sys::rd_kafka_ConsumerGroupDescription_t,
) -> (String, Result<BTreeSet<String>, Coded>) {
    // SAFETY: it lives, and with it its name, its error and its members.
    unsafe {
        let name = text(sys::rd_kafka_ConsumerGroupDescription_group_id(group));
        if let Some(error) = borrowed_error(sys::rd_kafka_ConsumerGroupDescription_error(group)) {
            return (name, Err(error));
        }
        let members = sys::rd_kafka_ConsumerGroupDescription_member_count(group);
        let topics = (0..members).flat_map(|at| {
            let member = sys::rd_kafka_ConsumerGroupDescription_member(group, at);
            assigned(sys::rd_kafka_MemberDescription_assignment(member))
        });
        (name, Ok(topics.collect()))
    }
}

/// The topics of an assignment; null is none.
///
/// # Safety
/// The assignment is null or lives for the time of the call.
unsafe fn assigned(assignment: *const sys::rd_kafka_MemberAssignment_t) -> Vec<String> {
    if assignment.is_null() {
        return Vec::new();
    }
    // SAFETY: it lives, and with it its list; of a partition only the name is read.
    unsafe {
        let list = sys::rd_kafka_MemberAssignment_partitions(assignment);
        if list.is_null() || (*list).elems.is_null() {
            return Vec::new();
        }
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count).map(|at| text((*(*list).elems.add(at)).topic)).collect()
    }
}
