//! Whether a task definition was registered by a call whose outcome is unknown: it bears the operation id in a tag.

use super::{prepare, target};
use crate::{
    CallError, Order,
    aws::{Aws, ecs},
};
use tidegate_domain::plan::Found;

/// The newest task definition of the running one's family that this operation registered.
pub(super) async fn registered(aws: &Aws, order: &Order) -> Result<Found, CallError> {
    match prepare::running(aws, target(order)?).await? {
        Ok(running) => ecs::registered(aws, order.operation, &running).await,
        Err(blocker) => Err(CallError::Unknown(blocker.why)),
    }
}
