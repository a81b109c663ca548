//! What was read of a target a moment ago. Several looks at what waits there in a row, for a gate that was reported or a
//! deployment that ended, need not ask the cloud anew each time (R15). What is about to start never goes by this.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
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
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// Grows with each end of a deployment: what was read across one is not kept.
    era: u64,
    prepared: HashMap<String, (Instant, Prepared)>,
}

impl Seen {
    pub(super) fn new(fresh: Duration) -> Self {
        Self {
            fresh,
            read: Mutex::default(),
        }
    }

    pub(super) fn get(&self, order: &Order) -> Option<Prepared> {
        let read = self.lock();
        let (at, prepared) = read.prepared.get(&key(order))?;
        (at.elapsed() < self.fresh).then(|| prepared.clone())
    }

    /// To be asked for before reading, and given to [`Seen::put`] after.
    pub(super) fn era(&self) -> u64 {
        self.lock().era
    }

    pub(super) fn put(&self, order: &Order, era: u64, prepared: &Prepared) {
        let mut read = self.lock();
        if read.era == era {
            read.prepared.retain(|_, (at, _)| at.elapsed() < self.fresh);
            read.prepared.insert(key(order), (Instant::now(), prepared.clone()));
        }
    }

    /// Something ended on this replica: what runs may be another by now.
    pub(super) fn forget(&self) {
        let mut read = self.lock();
        read.era += 1;
        read.prepared.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that a preparation depends on besides the cloud.
fn key(order: &Order) -> String {
    format!("{:?} {:?} {}", order.engine, order.traffic, order.image.pinned())
}
