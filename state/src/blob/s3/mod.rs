//! A store on S3, or whatever speaks like it: requests, and what their answers mean.
//!
//! Thin on purpose: `If-None-Match: *` and `If-Match` are all that is asked of the store, nothing is ever deleted, and
//! every doubt is handed up to the protocol above. The SDK's own retries are off: a conditional write that is sent
//! again behind our back would refuse itself.

mod answer;
mod settings;

pub use settings::{S3Keys, S3Settings};

use super::{Blob, BlobStore, Condition, PutError, Tag, check_name};
use crate::StateError;
use crate::codec::FRAME_BYTES;
use crate::format::MAX_BYTES;
use answer::{Answer, DateOfAnswer, answer};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use datamesh_provider::{BoxFuture, Clock};
use futures::FutureExt as _;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A request that changes nothing is sent this often.
const READS: u32 = 4;
/// After a failure the store is left alone for this long; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(150);

/// Blobs as objects of a bucket. Made without contacting anybody; its client lives on the runtime that asks first.
pub struct S3Store {
    settings: S3Settings,
    clock: Arc<dyn Clock>,
    client: OnceCell<Client>,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl S3Store {
    pub fn new(settings: S3Settings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, client: OnceCell::new() }
    }

    /// The same store with a client of its own, for another runtime.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::new(self.settings.clone(), Arc::clone(&self.clock))
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| self.settings.client()).await
    }

    /// The name of the object.
    fn object(&self, key: &str) -> Result<String, StateError> {
        key.split('/').try_for_each(|part| check_name("a part of a key", part))?;
        Ok(format!("{}{key}", self.settings.folder()))
    }

    fn failed(&self, key: &str, kind: ErrorKind, why: String) -> StateError {
        StateError::Io { place: self.place(key), source: Error::new(kind, why) }
    }

    /// What came of a read that was answered with an error; `Ok`: nothing is there.
    fn unread(&self, key: &str, answer: Answer) -> Result<(), StateError> {
        match answer {
            Answer::Missing => Ok(()),
            Answer::Refused(why) => Err(self.failed(key, ErrorKind::PermissionDenied, why)),
            Answer::Silent(why) | Answer::Busy(why) => Err(self.failed(key, ErrorKind::TimedOut, why)),
            Answer::Race(why) => Err(self.failed(key, ErrorKind::Other, why)),
            Answer::Condition => Err(self.failed(key, ErrorKind::Other, "412 for a read".into())),
        }
    }

    async fn read(&self, key: &str) -> Result<Option<(GetObjectOutput, DateOfAnswer)>, Answer> {
        let object = self.object(key).map_err(|error| Answer::Refused(error.to_string()))?;
        let date = DateOfAnswer::default();
        let request = self.client().await.get_object().bucket(&self.settings.bucket).key(object);
        match request.customize().interceptor(date.clone()).send().await {
            Ok(output) => Ok(Some((output, date))),
            Err(error) => match answer(&error) {
                Answer::Missing => Ok(None),
                other => Err(other),
            },
        }
    }

    async fn blob(&self, key: &str, output: GetObjectOutput, date: DateOfAnswer) -> Result<Blob, Answer> {
        let age = output.last_modified().and_then(|written| date.since(*written));
        let tag = output.e_tag().map(|tag| Tag(tag.to_owned()));
        let tag = tag.ok_or_else(|| Answer::Refused("the answer has no ETag".into()))?;
        let digest = output.metadata().and_then(|metadata| metadata.get(DIGEST)).cloned();
        let bytes = collect(output.body).await?;
        if digest.is_some_and(|digest| digest != sha256(&bytes)) {
            return Err(Answer::Busy(
                "it answers with the tag of one version and the content of another".into(),
            ));
        }
        Ok(Blob { bytes, tag, place: self.place(key), age })
    }

    async fn get_once(&self, key: &str) -> Result<Option<Blob>, Answer> {
        match self.read(key).await? {
            Some((output, date)) => self.blob(key, output, date).await.map(Some),
            None => Ok(None),
        }
    }

    async fn tag_once(&self, key: &str) -> Result<Option<Tag>, Answer> {
        let object = self.object(key).map_err(|error| Answer::Refused(error.to_string()))?;
        let request = self.client().await.head_object().bucket(&self.settings.bucket).key(object);
        match request.send().await.map_err(|error| answer(&error)) {
            Ok(output) => Ok(output.e_tag().map(|tag| Tag(tag.to_owned()))),
            Err(Answer::Missing) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Reads again where the answer is open, a few times.
    async fn insist<'a, T>(
        &self,
        read: impl Fn() -> BoxFuture<'a, Result<T, Answer>> + Send + Sync,
    ) -> Result<T, Answer> {
        let mut failures = 0;
        loop {
            match read().await {
                Err(Answer::Silent(_) | Answer::Busy(_)) if failures + 1 < READS => {}
                answer => return answer,
            }
            self.rest(failures).await;
            failures += 1;
        }
    }

    async fn list_once(&self, prefix: &str) -> Result<Vec<String>, Answer> {
        let client = self.client().await;
        let request = client.list_objects_v2().bucket(&self.settings.bucket).prefix(prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| answer(&error))?;
            let names = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(prefix));
            found.extend(names.filter(|name| check_name("an object", name).is_ok()).map(str::to_owned));
        }
        Ok(found)
    }
}

/// A store may read an object's headers and its content one after the other, and a write may come in between: the
/// content's digest among the headers tells. Whoever puts an object there by other means need not give one.
const DIGEST: &str = "datamesh-sha256";

fn sha256(bytes: &[u8]) -> String {
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    Sha256::digest(bytes).iter().fold(String::new(), hex)
}

/// The whole body, as long as it is one of ours.
async fn collect(mut body: ByteStream) -> Result<Vec<u8>, Answer> {
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| Answer::Silent(error.to_string()))?;
        if bytes.len() + part.len() > MAX_BYTES + FRAME_BYTES {
            return Err(Answer::Refused(format!("it has more than {MAX_BYTES} bytes")));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// A bucket may keep versions, but whether it does is its owner's affair: none are counted on.
#[async_trait]
impl BlobStore for S3Store {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        let found = self.insist(|| self.get_once(key).boxed()).await;
        found.or_else(|bad| self.unread(key, bad).map(|()| None))
    }

    async fn tag(&self, key: &str) -> Result<Option<Tag>, StateError> {
        let found = self.insist(|| self.tag_once(key).boxed()).await;
        found.or_else(|bad| self.unread(key, bad).map(|()| None))
    }

    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        let object = self.object(key)?;
        let request = self.client().await.put_object().bucket(&self.settings.bucket).key(object);
        // What is compressed or encrypted is no JSON.
        let kind = if bytes.starts_with(b"{") { "application/json" } else { "application/octet-stream" };
        let request = request.content_type(kind).metadata(DIGEST, sha256(bytes));
        let request = request.body(ByteStream::from(bytes.to_vec()));
        let request = match when {
            Condition::CreateOnly => request.if_none_match("*"),
            Condition::IfMatch(tag) => request.if_match(&tag.0),
        };
        let refused = |why| Err(PutError::Failed(self.failed(key, ErrorKind::PermissionDenied, why)));
        match request.send().await {
            Ok(output) => match output.e_tag() {
                Some(tag) => Ok(Tag(tag.to_owned())),
                None => Err(PutError::Unknown("the answer has no ETag".to_owned())),
            },
            Err(error) => match answer(&error) {
                Answer::Condition => Err(PutError::Conflict),
                // What was to be changed is not there: never answered by making it.
                Answer::Missing if matches!(when, Condition::IfMatch(_)) => Err(PutError::Conflict),
                Answer::Missing => refused("the bucket is not there".to_owned()),
                Answer::Refused(why) => refused(why),
                Answer::Race(why) | Answer::Busy(why) | Answer::Silent(why) => Err(PutError::Unknown(why)),
            },
        }
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError> {
        let prefix = format!("{}/", self.object(folder)?);
        let mut names = match self.insist(|| self.list_once(&prefix).boxed()).await {
            Ok(names) => names,
            Err(Answer::Missing) => {
                return Err(self.failed(folder, ErrorKind::NotFound, "the bucket is not there".into()));
            }
            Err(bad) => self.unread(folder, bad).map(|()| Vec::new())?,
        };
        names.sort_unstable();
        Ok(names.into_iter().map(|name| format!("{folder}/{name}")).collect())
    }

    async fn rest(&self, failures: u32) {
        self.clock.sleep(PAUSE * 2u32.saturating_pow(failures)).await;
    }

    fn place(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.settings.bucket, self.settings.folder())
    }
}
