//! The IO half: a connection to one cluster.

use crate::client::Cluster;
use crate::{acl, topic};
use async_trait::async_trait;
use datamesh_provider::{
    Context, ErrorKind, Facts, Listed, ObjectId, OpDiagnostics, OpOutcome, Operation, Provider,
    ProviderError, ReadRequest, ReadResult, Resource as _, Sink, TypeName,
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
        let (acls, topics) = split(want, |request| &request.ty);
        tokio::join!(topic::read::read(self, cx, &topics, out), acl::read::read(self, cx, &acls, out));
    }

    async fn list(&self, cx: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        if is_acl(ty) {
            let listed = acl::read::all(self, cx).await;
            if let acl::read::Listed::Bindings(all) = listed.map_err(|f| acl::read::explain(self, &f))? {
                all.into_keys().for_each(|name| out.put(ObjectId::new(name).into()));
            }
            return Ok(());
        }
        let topics = self.all_topics(cx).await.map_err(|failure| self.failure(&failure, "list topics"))?;
        for (name, shape) in topics {
            let details = [("partitions", shape.partitions), ("replication_factor", shape.replicas)];
            let details = details.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
            out.put(Listed { id: ObjectId::new(name), details });
        }
        Ok(())
    }

    async fn check(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>) {
        let (_, topics) = split(ops, |op| &op.ty);
        tokio::join!(
            topic::check::check(self, cx, &topics, out),
            topic::usage::check(self, cx, &topics, out),
            acl::check::check(self, cx, ops, out)
        );
    }

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        let (acls, topics) = split(ops, |op| &op.ty);
        topic::apply::apply(self, cx, &topics, out).await;
        acl::apply::apply(self, cx, &acls, out).await;
    }

    fn settle(&self) -> Duration {
        SETTLE
    }
}

fn is_acl(ty: &TypeName) -> bool {
    ty.as_str() == acl::KafkaAcl::NAME
}

/// Access control bindings, and everything else.
fn split<T>(all: &[T], ty: impl Fn(&T) -> &TypeName) -> (Vec<&T>, Vec<&T>) {
    all.iter().partition(|one| is_acl(ty(one)))
}
