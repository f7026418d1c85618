//! Owners of native objects.

use super::event::Event;
use super::open;
use super::{Coded, open::INVALID_ARGUMENT};
use rdkafka_sys as sys;
use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

/// How long the listener sleeps at most before it looks whether it shall end.
const POLL_MS: i32 = 1_000;

/// The client's main queue: answers, errors and log lines.
pub(super) struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues are documented as thread-safe; the pointer is used for nothing else.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    pub(super) fn main(client: *mut sys::rd_kafka_t) -> Option<Self> {
        // SAFETY: the client lives; the reference that is returned is ours to destroy.
        NonNull::new(unsafe { sys::rd_kafka_queue_get_main(client) }).map(Self)
    }

    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.0.as_ptr()
    }

    /// The next event, or nothing for a while.
    pub(super) fn next(&self) -> Option<Event> {
        // SAFETY: the queue lives; the event that is returned is ours to destroy.
        let event = unsafe { sys::rd_kafka_queue_poll(self.ptr(), POLL_MS) };
        // SAFETY: it came from the queue just now, and nobody else has it.
        NonNull::new(event).map(|event| unsafe { Event::new(event) })
    }

    /// Ends a wait in [`Queue::next`].
    pub(super) fn wake(&self) {
        // SAFETY: the queue lives.
        unsafe { sys::rd_kafka_queue_yield(self.ptr()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and gone after this.
        unsafe { sys::rd_kafka_queue_destroy(self.ptr()) }
    }
}

/// Native objects that are handed over as an array, and destroyed afterwards.
pub(super) struct Natives<T> {
    items: Vec<*mut T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Natives<T> {
    pub(super) fn new(destroy: unsafe extern "C" fn(*mut T)) -> Self {
        Self { items: Vec::new(), destroy }
    }

    /// Takes a new object, which must be destroyed by `destroy`; null is an error with these words.
    pub(super) fn take(&mut self, item: *mut T, why: &ErrorText) -> Result<*mut T, Coded> {
        if item.is_null() {
            return Err(invalid(why.text()));
        }
        self.items.push(item);
        Ok(item)
    }

    pub(super) fn array(&mut self) -> (*mut *mut T, usize) {
        (self.items.as_mut_ptr(), self.items.len())
    }
}

impl<T> Drop for Natives<T> {
    fn drop(&mut self) {
        for item in &self.items {
            // SAFETY: `take` took it over, and it is destroyed nowhere else.
            unsafe { (self.destroy)(*item) }
        }
    }
}

/// A buffer for the words of an error.
pub(super) struct ErrorText([c_char; 512]);

impl ErrorText {
    pub(super) fn new() -> Self {
        Self([0; 512])
    }

    pub(super) fn ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr()
    }

    pub(super) fn size(&self) -> usize {
        self.0.len()
    }

    fn text(&self) -> String {
        // SAFETY: librdkafka ends what it writes with a NUL, and the buffer began as NULs.
        let text = unsafe { text(self.0.as_ptr()) };
        if text.is_empty() { "librdkafka refused it without a word".to_owned() } else { text }
    }
}

/// An argument that librdkafka would not take; nothing was sent.
pub(super) fn invalid(message: impl Into<String>) -> Coded {
    Coded { code: INVALID_ARGUMENT, name: "_INVALID_ARG".into(), message: message.into() }
}

pub(super) fn c_text(text: &str) -> Result<CString, Coded> {
    CString::new(text).map_err(|_| invalid("a name or a value contains a NUL character"))
}

/// A copy of a text; null is empty, and what is no UTF-8 is replaced.
///
/// # Safety
/// `text` is null or a text with a NUL at its end, for the time of the call.
pub(super) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A native array as a slice; null is empty.
///
/// # Safety
/// `items` is null or points to `count` pointers that stay for `'a`.
pub(super) unsafe fn slice<'a, T>(items: *const *const T, count: usize) -> &'a [*const T] {
    if items.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(items, count) }
}

/// An error by its number and the words that came with it.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn coded(code: i32, words: *const c_char) -> Option<Coded> {
    if code == 0 {
        return None;
    }
    // SAFETY: the names are static; the words are as the caller promises.
    let (name, known, words) =
        unsafe { (text(open::rd_kafka_err2name(code)), text(open::rd_kafka_err2str(code)), text(words)) };
    Some(Coded { code, name, message: if words.is_empty() { known } else { words } })
}

/// An error object that somebody else owns; null is none.
///
/// # Safety
/// `error` is null or lives for the time of the call.
pub(super) unsafe fn borrowed_error(error: *const sys::rd_kafka_error_t) -> Option<Coded> {
    if error.is_null() {
        return None;
    }
    // SAFETY: it lives, as the caller promises, and with it its text.
    unsafe { coded(open::rd_kafka_error_code(error), sys::rd_kafka_error_string(error)) }
}

/// An error object that is ours; null is none.
///
/// # Safety
/// `error` is null or was just returned for us to destroy.
pub(super) unsafe fn owned_error(error: *mut sys::rd_kafka_error_t) -> Option<Coded> {
    // SAFETY: as the caller promises; it is destroyed once, after it was read.
    unsafe {
        let copy = borrowed_error(error);
        if !error.is_null() {
            sys::rd_kafka_error_destroy(error);
        }
        copy
    }
}

/// OAUTHBEARER tokens are fetched by librdkafka's own thread.
pub(super) fn refresh_tokens_in_background(client: *mut sys::rd_kafka_t) -> Result<(), Coded> {
    // SAFETY: the client lives; the error, if any, is ours.
    let error = unsafe { owned_error(sys::rd_kafka_sasl_background_callbacks_enable(client)) };
    error.map_or(Ok(()), Err)
}
