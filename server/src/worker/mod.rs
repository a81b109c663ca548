//! The worker: brings every deployment from where it stands to where it comes to rest.
//!
//! One loop, [`Reconciler::run`]: claim a deployment that is due (a lease with a fencing epoch), observe what the
//! planner [needs](tidegate_domain::plan::needs), ask [`plan`](tidegate_domain::plan()) for the one thing to do, do it,
//! record it, and again, until there is nothing to do before a known moment. Several deployments are attended at once,
//! each by a task of its own; the database sees to it that no two of one lane are ever in flight.
//!
//! # Activations take no input
//! A task is told which deployment, and nothing else. Whatever it knows it has just read: the deployment from the
//! database, the rest from the cloud and from GitHub. Wake-ups ([`Db::changes`], a due time, a person's click) only make
//! it look sooner. So a crash at any line is followed by the same line, by this replica or another, and a missed wake-up
//! costs time but never an outcome.
//!
//! # Side effects, once
//! 1. The intent is committed: which call, under which epoch, for which operation id. 2. The call is made, one HTTP
//!    attempt, with a deadline shorter than what is left of the lease. 3. The outcome is committed. When no clear answer
//!    came, or the process died in between, the call stays open; whoever attends next looks for its effect by the
//!    operation id and makes it again only when nothing was found for the settling time ([`Options::settle`]).
//!
//! Every save under a claim is refused by the database once the lease is lost, and a task checks its lease on the
//! monotonic clock right before a call: a replica that was paused for longer than its lease writes nothing and starts
//! nothing when it wakes (R12). No wall clock is read: leases and expiries go by the database's time (R14).
//!
//! # What it never does
//! Decide. What happens next is said by the domain, and what people may do by the use cases. The worker may ask
//! [`crate::service`] how to read something, and knows nothing of HTTP.
//!
//! # Beside the loop
//! [`enrich`] completes what CI reported by what GitHub knows, [`strays`] stops cloud deployments that surface after
//! their operation was closed. [`monitors`] is a loop of its own: suites that run on a schedule. So is [`history`]:
//! health between deployments. [`Outbox`] is another: it tells people.

mod attend;
mod budget;
mod calls;
mod enrich;
mod health;
mod health_table;
mod history;
mod lease;
mod monitors;
mod observe;
mod outbox;
mod probe;
mod reconcile;
mod record;
mod rolling;
mod seen;
mod strays;

pub(crate) use health_table::Measured;
pub use history::{HealthHistory, HistoryOptions};
pub use monitors::{MonitorOptions, Monitors};
pub use outbox::{Channels, HealthTable, Hears, Outbox, OutboxOptions, Routed};
pub use reconcile::Reconciler;
pub use rolling::{RollingImport, RollingOptions};

use std::{collections::HashMap, sync::Arc, time::Duration};
use tidegate_adapters::{CallError, Engine};
use tidegate_domain::catalog::{self, EngineKind};
#[cfg(doc)]
use tidegate_store::Db;

/// The engines of this process, one for each kind of compute.
#[derive(Clone, Default)]
pub struct Engines(HashMap<EngineKind, Arc<dyn Engine>>);

impl Engines {
    #[must_use]
    pub fn with(mut self, kind: EngineKind, engine: impl Engine + 'static) -> Self {
        self.0.insert(kind, Arc::new(engine));
        self
    }

    pub(crate) fn of(&self, engine: &catalog::Engine) -> Result<&dyn Engine, CallError> {
        self.0
            .get(&engine.kind())
            .map(|engine| &**engine)
            .ok_or_else(|| CallError::Refused {
                code: "NoSuchEngine".to_owned(),
                message: format!("this process does not run the engine {}", engine.name()),
                retry: true,
            })
    }
}

/// How the worker goes about it. The default is what production wants; only `owner` must be given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names this process among replicas; a new one at each start.
    pub owner: String,
    /// How long a claim holds without being renewed. It is renewed at each third of it.
    pub lease: Duration,
    /// How long a call may stay unfound before it is taken as never made.
    pub settle: Duration,
    /// The longest one call may take. Kept below the lease.
    pub call_deadline: Duration,
    /// Deployments attended at once.
    pub concurrency: usize,
    /// The longest pause before a deployment is looked at again, whatever the plan says.
    pub longest_pause: Duration,
    /// The longest pause of the loop itself, for wake-ups that got lost.
    pub idle: Duration,
    /// Reads at the cloud per second and deployment group (R15: at most 2).
    pub reads_per_second: f64,
    /// How long tasks may take to finish what they are at when the process is asked to end (R16).
    pub farewell: Duration,
    /// How often new releases and strays are looked for.
    pub rounds: Duration,
}

impl Options {
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            lease: Duration::from_secs(30),
            settle: Duration::from_secs(60),
            call_deadline: Duration::from_secs(10),
            concurrency: 16,
            longest_pause: Duration::from_secs(20),
            idle: Duration::from_secs(5),
            reads_per_second: 2.0,
            farewell: Duration::from_secs(25),
            rounds: Duration::from_secs(15),
        }
    }
}

/// A span as the database's times count it.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
