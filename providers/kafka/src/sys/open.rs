//! Functions of librdkafka whose answer is a number chosen by a broker.
//!
//! The generated bindings read such a number as a Rust enum, which is undefined behaviour for a number that the
//! enum does not list, such as the error code of a newer broker. The C functions return plain integers (a C enum
//! is an `int` here), and are declared so.

use rdkafka_sys as sys;
use std::ffi::{c_char, c_int};

unsafe extern "C" {
    pub(super) fn rd_kafka_event_error(event: *mut sys::rd_kafka_event_t) -> c_int;
    pub(super) fn rd_kafka_topic_result_error(result: *const sys::rd_kafka_topic_result_t) -> c_int;
    pub(super) fn rd_kafka_ConfigResource_error(resource: *const sys::rd_kafka_ConfigResource_t) -> c_int;
    pub(super) fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> c_int;
    pub(super) fn rd_kafka_ConfigEntry_source(entry: *const sys::rd_kafka_ConfigEntry_t) -> c_int;
    pub(super) fn rd_kafka_AclBinding_restype(acl: *const sys::rd_kafka_AclBinding_t) -> c_int;
    pub(super) fn rd_kafka_AclBinding_resource_pattern_type(acl: *const sys::rd_kafka_AclBinding_t) -> c_int;
    pub(super) fn rd_kafka_AclBinding_operation(acl: *const sys::rd_kafka_AclBinding_t) -> c_int;
    pub(super) fn rd_kafka_AclBinding_permission_type(acl: *const sys::rd_kafka_AclBinding_t) -> c_int;
    pub(super) fn rd_kafka_ConsumerGroupListing_state(
        group: *const sys::rd_kafka_ConsumerGroupListing_t,
    ) -> c_int;
    pub(super) fn rd_kafka_err2name(code: c_int) -> *const c_char;
    pub(super) fn rd_kafka_err2str(code: c_int) -> *const c_char;
    pub(super) fn rd_kafka_metadata(
        client: *mut sys::rd_kafka_t,
        all_topics: c_int,
        only: *mut sys::rd_kafka_topic_t,
        metadata: *mut *const sys::rd_kafka_metadata,
        timeout_ms: c_int,
    ) -> c_int;
    pub(super) fn rd_kafka_ConfigResource_set_config(
        resource: *mut sys::rd_kafka_ConfigResource_t,
        name: *const c_char,
        value: *const c_char,
    ) -> c_int;
    pub(super) fn rd_kafka_NewTopic_set_config(
        topic: *mut sys::rd_kafka_NewTopic_t,
        name: *const c_char,
        value: *const c_char,
    ) -> c_int;
    pub(super) fn rd_kafka_AdminOptions_set_request_timeout(
        options: *mut sys::rd_kafka_AdminOptions_t,
        timeout_ms: c_int,
        error: *mut c_char,
        error_size: usize,
    ) -> c_int;
    pub(super) fn rd_kafka_AdminOptions_set_operation_timeout(
        options: *mut sys::rd_kafka_AdminOptions_t,
        timeout_ms: c_int,
        error: *mut c_char,
        error_size: usize,
    ) -> c_int;
    pub(super) fn rd_kafka_AdminOptions_set_validate_only(
        options: *mut sys::rd_kafka_AdminOptions_t,
        yes: c_int,
        error: *mut c_char,
        error_size: usize,
    ) -> c_int;
}

pub(super) const SSL: i32 = -181;
pub(super) const INVALID_ARGUMENT: i32 = -186;
pub(super) const AUTHENTICATION: i32 = -169;
pub(super) const DESTROYED: i32 = -197;
