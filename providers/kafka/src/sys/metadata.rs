//! The list of all topics. Asking for all creates none; asking by name would, where auto-creation is on.

use super::native::{coded, text};
use super::{Coded, Handle, open};
use rdkafka_sys as sys;
use std::ptr::{NonNull, null_mut};
use std::time::Duration;

/// What the list tells of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicShape {
    /// 0 where a broker knows no more than the name.
    pub(crate) partitions: usize,
    /// Of the partition that has the fewest.
    pub(crate) replicas: usize,
}

struct Metadata(NonNull<sys::rd_kafka_metadata>);

impl Drop for Metadata {
    fn drop(&mut self) {
        // SAFETY: it is ours, and gone after this.
        unsafe { sys::rd_kafka_metadata_destroy(self.0.as_ptr()) }
    }
}

impl Handle {
    /// Every topic we may see. Blocks the thread, at most this long.
    pub(crate) fn all_topics(&self, timeout: Duration) -> Result<Vec<(String, TopicShape)>, Coded> {
        let mut found = std::ptr::null();
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client lives; `found` is written to when the answer is 0.
        let code = unsafe { open::rd_kafka_metadata(self.ptr(), 1, null_mut(), &mut found, millis) };
        // SAFETY: there are no words.
        if let Some(error) = unsafe { coded(code, std::ptr::null()) } {
            return Err(error);
        }
        let Some(metadata) = NonNull::new(found.cast_mut()).map(Metadata) else { return Ok(Vec::new()) };
        let all = metadata.0.as_ptr();
        // SAFETY: the metadata lives until the end of this function. Only plain numbers and pointers are read: the
        // error numbers between them may be ones the generated enum does not have.
        unsafe {
            let topics = count((*all).topic_cnt);
            Ok((0..topics).map(|at| topic((*all).topics.add(at))).collect())
        }
    }
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// # Safety
/// The topic lives for the time of the call.
unsafe fn topic(topic: *const sys::rd_kafka_metadata_topic) -> (String, TopicShape) {
    // SAFETY: it lives, and with it its name and its array of partitions.
    unsafe {
        let partitions = count((*topic).partition_cnt);
        let replicas = (0..partitions).map(|at| count((*(*topic).partitions.add(at)).replica_cnt));
        (text((*topic).topic), TopicShape { partitions, replicas: replicas.min().unwrap_or(0) })
    }
}
