//! The IO half: a connection to one cluster.

use crate::client::Cluster;
use crate::topic::{apply, check, read};
use async_trait::async_trait;
use datamesh_provider::{
    Context, ErrorKind, Facts, ObjectId, OpDiagnostics, OpOutcome, Operation, Provider, ProviderError,
    ReadRequest, ReadResult, Sink, TypeName,
};
use std::time::Duration;

/// How long a busy cluster may take to show what it has acknowledged.
pub(crate) const SETTLE: Duration = Duration::from_secs(60);

#[async_trait]
impl Provider for Cluster {
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        let identity = self.cluster_id(cx).await?;
        if identity.is_empty() {
            let problem = self.problem(ErrorKind::Protocol).during("ask for the cluster's id");
            return Err(problem
                .message("the broker has no cluster id")
                .hint("Kafka 0.10.1 or newer is needed"));
        }
        Ok(Facts { identity, ..Facts::default() })
    }

    async fn read(&self, cx: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        read::read(self, cx, want, out).await;
    }

    async fn list(&self, cx: &Context, _: &TypeName, out: &dyn Sink<ObjectId>) -> Result<(), ProviderError> {
        let topics = self.all_topics(cx).await.map_err(|failure| self.failure(&failure, "list topics"))?;
        for name in topics.into_keys() {
            out.put(ObjectId::new(name));
        }
        Ok(())
    }

    async fn check(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>) {
        check::check(self, cx, ops, out).await;
    }

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        apply::apply(self, cx, ops, out).await;
    }

    fn settle(&self) -> Duration {
        SETTLE
    }
}
