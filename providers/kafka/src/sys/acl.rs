//! Access control bindings: made, asked for and removed.

use super::event::Event;
use super::native::{ErrorText, Natives, borrowed_error, c_text, slice, text};
use super::request::{Answer, Limits};
use super::{Coded, Handle, open};
use rdkafka_sys as sys;
use std::ffi::{CString, c_char};
use std::time::Duration;
use sys::rd_kafka_AclOperation_t as Operation;
use sys::rd_kafka_AclPermissionType_t as Permission;
use sys::rd_kafka_ResourcePatternType_t as Pattern;
use sys::rd_kafka_ResourceType_t as ResourceType;
use sys::rd_kafka_admin_op_t as Op;

/// A binding as the protocol has it: kinds are its numbers, which a newer broker may have more of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawBinding {
    pub(crate) resource: i32,
    pub(crate) name: String,
    pub(crate) pattern: i32,
    pub(crate) principal: String,
    pub(crate) host: String,
    pub(crate) operation: i32,
    pub(crate) permission: i32,
}

/// The kinds of a binding of ours, which the client library has names for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kinds {
    pub(crate) resource: ResourceType,
    pub(crate) pattern: Pattern,
    pub(crate) operation: Operation,
    pub(crate) permission: Permission,
}

/// A binding to make, or to remove by all of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewBinding<'a> {
    pub(crate) kinds: Kinds,
    pub(crate) name: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) host: &'a str,
}

/// Its texts for the client library.
fn texts(binding: &NewBinding<'_>) -> Result<[CString; 3], Coded> {
    Ok([c_text(binding.name)?, c_text(binding.principal)?, c_text(binding.host)?])
}

/// What makes a native binding, or a native filter, of the parts of one.
type Make = unsafe extern "C" fn(
    ResourceType,
    *const c_char,
    Pattern,
    *const c_char,
    *const c_char,
    Operation,
    Permission,
    *mut c_char,
    usize,
) -> *mut sys::rd_kafka_AclBinding_t;

/// Native objects with all parts of these bindings.
fn natives(bindings: &[NewBinding<'_>], make: Make) -> Result<Natives<sys::rd_kafka_AclBinding_t>, Coded> {
    let mut natives = Natives::new(sys::rd_kafka_AclBinding_destroy);
    for binding in bindings {
        let ([name, principal, host], kinds) = (texts(binding)?, binding.kinds);
        let mut why = ErrorText::new();
        // SAFETY: the texts live and are copied; what is returned is ours.
        let native = unsafe {
            make(
                kinds.resource,
                name.as_ptr(),
                kinds.pattern,
                principal.as_ptr(),
                host.as_ptr(),
                kinds.operation,
                kinds.permission,
                why.ptr(),
                why.size(),
            )
        };
        natives.take(native, &why)?;
    }
    Ok(natives)
}

impl Handle {
    /// Makes bindings; what each came to, in their order. One that is there already is made again without a word.
    pub(crate) fn create_acls(
        &self,
        bindings: &[NewBinding<'_>],
        timeout: Duration,
    ) -> Result<Answer<Vec<Option<Coded>>>, Coded> {
        let mut natives = natives(bindings, sys::rd_kafka_AclBinding_new)?;
        let (array, count) = natives.array();
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: client, array, options and queue live; librdkafka copies what it needs.
        self.start(Op::RD_KAFKA_ADMIN_OP_CREATEACLS, limits, Event::created_acls, |options| unsafe {
            sys::rd_kafka_CreateAcls(self.ptr(), array, count, options, self.queue());
        })
    }

    /// Every binding there is.
    pub(crate) fn describe_acls(&self, timeout: Duration) -> Result<Answer<Vec<RawBinding>>, Coded> {
        let mut natives = Natives::new(sys::rd_kafka_AclBinding_destroy);
        let mut why = ErrorText::new();
        // SAFETY: null texts stand for all of them; what is returned is ours.
        let filter = unsafe {
            sys::rd_kafka_AclBindingFilter_new(
                ResourceType::RD_KAFKA_RESOURCE_ANY,
                std::ptr::null(),
                Pattern::RD_KAFKA_RESOURCE_PATTERN_ANY,
                std::ptr::null(),
                std::ptr::null(),
                Operation::RD_KAFKA_ACL_OPERATION_ANY,
                Permission::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
                why.ptr(),
                why.size(),
            )
        };
        let filter = natives.take(filter, &why)?;
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_acls`.
        self.start(Op::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, limits, Event::described_acls, |options| unsafe {
            sys::rd_kafka_DescribeAcls(self.ptr(), filter, options, self.queue());
        })
    }

    /// Removes bindings, each by all of its parts and no other; what each came to, in their order.
    pub(crate) fn delete_acls(
        &self,
        bindings: &[NewBinding<'_>],
        timeout: Duration,
    ) -> Result<Answer<Vec<Option<Coded>>>, Coded> {
        let mut natives = natives(bindings, sys::rd_kafka_AclBindingFilter_new)?;
        let (array, count) = natives.array();
        let limits = Limits { timeout, validate_only: false };
        // SAFETY: as in `create_acls`.
        self.start(Op::RD_KAFKA_ADMIN_OP_DELETEACLS, limits, Event::deleted_acls, |options| unsafe {
            sys::rd_kafka_DeleteAcls(self.ptr(), array, count, options, self.queue());
        })
    }
}

impl Event {
    fn created_acls(&self) -> Vec<Option<Coded>> {
        let mut count = 0;
        // SAFETY: the event lives, and with it its result and the array; another type of event has null.
        unsafe {
            let result = sys::rd_kafka_event_CreateAcls_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let results = slice(sys::rd_kafka_CreateAcls_result_acls(result, &mut count), count);
            results.iter().map(|result| borrowed_error(sys::rd_kafka_acl_result_error(*result))).collect()
        }
    }

    fn described_acls(&self) -> Vec<RawBinding> {
        let mut count = 0;
        // SAFETY: as in `created_acls`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeAcls_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let bindings = slice(sys::rd_kafka_DescribeAcls_result_acls(result, &mut count), count);
            bindings.iter().map(|binding| raw(*binding)).collect()
        }
    }

    fn deleted_acls(&self) -> Vec<Option<Coded>> {
        let mut count = 0;
        // SAFETY: as in `created_acls`.
        unsafe {
            let result = sys::rd_kafka_event_DeleteAcls_result(self.ptr());
            if result.is_null() {
                return Vec::new();
            }
            let responses = slice(sys::rd_kafka_DeleteAcls_result_responses(result, &mut count), count);
            let error = |response: &*const sys::rd_kafka_DeleteAcls_result_response_t| {
                borrowed_error(sys::rd_kafka_DeleteAcls_result_response_error(*response))
            };
            responses.iter().map(error).collect()
        }
    }
}

/// # Safety
/// The binding lives for the time of the call.
unsafe fn raw(binding: *const sys::rd_kafka_AclBinding_t) -> RawBinding {
    // SAFETY: it lives, and with it its texts.
    unsafe {
        RawBinding {
            resource: open::rd_kafka_AclBinding_restype(binding),
            name: text(sys::rd_kafka_AclBinding_name(binding)),
            pattern: open::rd_kafka_AclBinding_resource_pattern_type(binding),
            principal: text(sys::rd_kafka_AclBinding_principal(binding)),
            host: text(sys::rd_kafka_AclBinding_host(binding)),
            operation: open::rd_kafka_AclBinding_operation(binding),
            permission: open::rd_kafka_AclBinding_permission_type(binding),
        }
    }
}
