//! What the core and every provider agree on.
//!
//! This crate is plain data and traits: no runtime, no sockets, no files, no wall clock. A provider has two
//! halves. The pure half implements [`Resource`] for each of its types with typed attributes; the IO half
//! implements [`Provider`]. [`ProviderDef`] ties both together statically, so that validating, showing and
//! upgrading need no connection.

mod address;
mod canonical;
mod change;
mod context;
mod diagnostic;
mod duration;
mod error;
mod event;
mod loopback;
mod object;
mod operation;
mod packed;
mod provider;
mod redact;
mod resource;
mod secret;
mod span;

pub use address::{Address, AddressError, SystemName, TypeName};
pub use canonical::{append_canonical, canonical_json, canonical_text, digest, digest_json};
pub use change::{AttributeChange, ChangeSpec, Class, Disposition, Planned, View};
pub use context::{CallBudget, Cancel, CancelStage, Clock, Context, Entropy, LeaseGate, LeaseLost, OpenGate};
pub use diagnostic::{Code, Diagnostic, Diagnostics, Label, Severity};
pub use duration::{DurationError, parse_duration_ms, show_duration_ms};
pub use error::{ErrorKind, ProviderError};
pub use event::{Event, EventSink, NoEvents};
pub use loopback::is_loopback_host;
pub use object::{Attributes, Listed, LiveObject, Object, ObjectId, lineage_of};
pub use operation::{
    Interruption, OpAction, OpDiagnostics, OpOutcome, Operation, OperationId, Outcome, Refusal,
};
pub use packed::Packed;
pub use provider::{
    BoxFuture, Connect, ConnectRequest, Facts, Provider, ProviderDef, ReadRequest, ReadResult, Sink,
};
pub use redact::{Redactor, base64};
pub use resource::{AttributeSchema, DecodeError, Erased, Resource, ResourceType, Schema, decode, erase};
pub use secret::{Secret, SecretError, SecretResolver, SecretText};
pub use span::{
    FileId, Located, SPANNED_FIELDS, SPANNED_STRUCT, SourceFile, Sources, Span, SpanMap, Spanned,
};
