//! What was read of a target a moment ago. Several looks at what waits there in a row, for a gate that was reported or a
//! deployment that ended, need not ask the cloud anew each time (R15). What is about to start never goes by this.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tidegate_adapters::Order;
use tidegate_domain::deployment::{Blocker, Preparation};
use tokio::time::Instant;

/// What would be deployed by an order, or what stands in its way.
type Prepared = Result<Preparation, Blocker>;

pub(super) struct Seen {
    /// How long it holds.
    fresh: Duration,
    read: Mutex<HashMap<String, (Instant, Prepared)>>,
}

impl Seen {
    pub(super) fn new(fresh: Duration) -> Self {
        Self {
            fresh,
            read: Mutex::default(),
        }
    }

    pub(super) fn get(&self, order: &Order) -> Option<Prepared> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, prepared) = read.get(&key(order))?;
        (at.elapsed() < self.fresh).then(|| prepared.clone())
    }

    pub(super) fn put(&self, order: &Order, prepared: &Prepared) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|_, (at, _)| at.elapsed() < self.fresh);
        read.insert(key(order), (Instant::now(), prepared.clone()));
    }

    /// Something ended: what runs may be another by now.
    pub(super) fn forget(&self) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Everything that a preparation depends on besides the cloud.
fn key(order: &Order) -> String {
    format!("{:?} {:?} {}", order.engine, order.traffic, order.image.pinned())
}
