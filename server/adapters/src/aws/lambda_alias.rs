//! The engine `lambda_alias`: a Lambda function's alias whose weights are set from here, any list of steps.
//!
//! Nothing at AWS moves by itself. Each call sets what it sets, guarded by the RevisionId of what was looked at; whether it
//! took effect is told by what is there.

use super::{Aws, ecr::in_registry, lambda};
use crate::{CallError, Engine, Order, engine::no_such_call};
use async_trait::async_trait;
use serde_json::Value;
use std::time::Instant;
use tidegate_domain::{
    deployment::{Blocker, CallKind, CloudStatus, Observation, Preparation, Run},
    plan::Found,
    time::Timestamp,
};

#[derive(Debug, Clone)]
pub struct LambdaAlias {
    aws: Aws,
}

impl LambdaAlias {
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }
}

#[async_trait]
impl Engine for LambdaAlias {
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Result<Preparation, Blocker>, CallError> {
        let (planned, registry) = tokio::try_join!(
            lambda::planned(&self.aws, order, &Value::Null),
            in_registry(&self.aws, order)
        )?;
        Ok(planned.and_then(|planned| Ok(lambda::assemble(order, now, &planned, registry?))))
    }

    async fn make(&self, order: &Order, run: &Run, kind: CallKind, by: Instant) -> Result<String, CallError> {
        match kind {
            CallKind::UpdateFunctionCode => lambda::update_code(&self.aws, order, run, &Value::Null, by).await,
            CallKind::PublishVersion => lambda::publish(&self.aws, order, run, &Value::Null, by).await,
            CallKind::ShiftTraffic { percent } => lambda::shift(&self.aws, order, run, percent, by).await,
            CallKind::ShiftBack => lambda::shift_back(&self.aws, order, run, by).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn find(&self, order: &Order, run: &Run, kind: CallKind, _: Timestamp) -> Result<Found, CallError> {
        match kind {
            CallKind::UpdateFunctionCode => lambda::find_code(&self.aws, order).await,
            CallKind::PublishVersion => lambda::find_version(&self.aws, order, run).await,
            CallKind::ShiftTraffic { percent } => lambda::found_shift(&self.aws, order, run, percent).await,
            CallKind::ShiftBack => lambda::found_back(&self.aws, order, run).await,
            other => Err(no_such_call(order, other)),
        }
    }

    async fn observe(
        &self,
        order: &Order,
        run: &Run,
        _: Option<&str>,
        now: Timestamp,
    ) -> Result<Observation, CallError> {
        let seen = lambda::look(&self.aws, order, run).await?;
        let forward = match seen.new_share() {
            100 => (CloudStatus::Succeeded, None),
            _ => seen.new_version(&order.image),
        };
        Ok(Observation {
            deployment: lambda::progress(forward, seen.new_share(), now),
            rollback: Some(lambda::progress(seen.way_back(), seen.old_share(), now)),
        })
    }
}
