//! Faults: what goes wrong with which request. A fault is put in place by the control API,
//! matches requests by operation, application and group, and befalls the nth match and so many after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::protocol::Service;

/// The body of `POST /faults`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Asked")]
pub(crate) struct Fault {
    /// The service, where two have an operation of the same name; none: every service.
    pub service: Option<Service>,
    /// Name of the operation; none: every operation.
    pub operation: Option<String>,
    /// Name of the application that the request is about.
    pub application: Option<String>,
    /// Name of the deployment group that the request is about.
    pub group: Option<String>,
    /// The first match that is affected, counted from 1.
    pub nth: u64,
    /// How many matches are affected from there on; 0 for all.
    pub count: u64,
    #[serde(flatten)]
    pub kind: Kind,
}

/// A fault as it is written, all members side by side, so that a misspelt one is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    service: Option<Service>,
    operation: Option<String>,
    application: Option<String>,
    group: Option<String>,
    nth: Option<u64>,
    count: Option<u64>,
    kind: String,
    when: Option<When>,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    milliseconds: Option<u64>,
    seconds: Option<f64>,
}

impl TryFrom<Asked> for Fault {
    type Error = String;

    fn try_from(asked: Asked) -> Result<Self, String> {
        let lacks = |member: &str| format!("a fault of kind `{}` needs `{member}`", asked.kind);
        let kind = match asked.kind.as_str() {
            "throttle" => Kind::Throttle,
            "error" => Kind::Error {
                when: asked.when.ok_or_else(|| lacks("when"))?,
                status: asked.status.unwrap_or(500),
                code: asked.code,
                message: asked.message,
            },
            "hold" => Kind::Hold {
                when: asked.when.ok_or_else(|| lacks("when"))?,
            },
            "reset" => Kind::Reset {
                when: asked.when.ok_or_else(|| lacks("when"))?,
            },
            "delay" => Kind::Delay {
                milliseconds: asked.milliseconds.ok_or_else(|| lacks("milliseconds"))?,
            },
            "invisible" => Kind::Invisible {
                seconds: asked.seconds.ok_or_else(|| lacks("seconds"))?,
            },
            other => {
                return Err(format!(
                    "no kind of fault `{other}`; there are throttle, error, hold, reset, delay, invisible"
                ));
            }
        };
        Ok(Self {
            service: asked.service,
            operation: asked.operation,
            application: asked.application,
            group: asked.group,
            nth: asked.nth.unwrap_or(1),
            count: asked.count.unwrap_or(1),
            kind,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Kind {
    /// ThrottlingException, without effect.
    Throttle,
    /// An error, by default 500 InternalFailure, although the effect may have taken place.
    Error {
        when: When,
        status: u16,
        code: Option<String>,
        message: Option<String>,
    },
    /// The answer waits until the fault is released, even if its sender has gone. `before`:
    /// the effect waits as well.
    Hold { when: When },
    /// The connection is reset instead of, or in the middle of, the answer.
    Reset { when: When },
    /// The answer takes this much longer, in real time.
    Delay { milliseconds: u64 },
    /// The deployment made by this request is not to be seen for so many virtual seconds.
    Invisible { seconds: f64 },
}

/// Relative to the effect of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    Before,
    After,
}

/// Whether what a fault holds may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gate {
    Closed,
    /// Held requests go on, later ones are not affected.
    Released,
    /// Held requests end without effect and without answer.
    Deleted,
}

/// A fault in place, with what it has done.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Placed {
    pub id: String,
    #[serde(flatten)]
    pub fault: Fault,
    /// Requests that matched.
    pub matched: u64,
    /// Requests that were affected.
    pub hits: u64,
    /// Requests held now.
    pub held: u64,
    #[serde(skip)]
    gate: watch::Sender<Gate>,
}

/// What a request is about, as far as it says.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub service: Option<Service>,
    pub application: Option<String>,
    pub group: Option<String>,
}

/// What a request is told when a fault befalls it.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub id: String,
    pub kind: Kind,
}

/// A shared handle to all faults in place.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    placed: Arc<Mutex<Vec<Placed>>>,
    counter: Arc<watch::Sender<u64>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            placed: Arc::default(),
            counter: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Faults {
    fn placed(&self) -> MutexGuard<'_, Vec<Placed>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.counter.send_modify(|count| *count += 1);
    }

    pub(crate) fn add(&self, fault: Fault) -> Placed {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let placed = Placed {
            id: format!("fault-{number}"),
            fault,
            matched: 0,
            hits: 0,
            held: 0,
            gate: watch::Sender::new(Gate::Closed),
        };
        self.placed().push(placed.clone());
        placed
    }

    pub(crate) fn list(&self) -> Vec<Placed> {
        self.placed().clone()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Placed> {
        self.placed().iter().find(|each| each.id == id).cloned()
    }

    /// Lets go what the fault holds, and what would come to it later.
    pub(crate) fn release(&self, id: &str) -> bool {
        let found = self.placed().iter().find(|each| each.id == id).map(|each| {
            each.gate.send_replace(Gate::Released);
        });
        found.is_some()
    }

    /// Takes the fault away; what it holds is never answered.
    pub(crate) fn delete(&self, id: &str) -> bool {
        let mut placed = self.placed();
        let before = placed.len();
        placed.retain(|each| {
            if each.id == id {
                each.gate.send_replace(Gate::Deleted);
            }
            each.id != id
        });
        placed.len() < before
    }

    pub(crate) fn clear(&self) {
        for fault in self.placed().drain(..) {
            fault.gate.send_replace(Gate::Deleted);
        }
    }

    /// The faults that befall a request, in the order in which they were put in place.
    pub(crate) fn strike(&self, operation: &str, about: &About) -> Vec<Hit> {
        let mut struck = Vec::new();
        for each in self.placed().iter_mut() {
            let fault = &each.fault;
            let matches = fault.operation.as_deref().is_none_or(|name| name == operation)
                && (fault.service.is_none() || fault.service == about.service)
                && (fault.application.is_none() || fault.application == about.application)
                && (fault.group.is_none() || fault.group == about.group)
                && *each.gate.borrow() == Gate::Closed;
            if !matches {
                continue;
            }
            each.matched += 1;
            if each.matched >= fault.nth && (fault.count == 0 || each.hits < fault.count) {
                each.hits += 1;
                struck.push(Hit {
                    id: each.id.clone(),
                    kind: fault.kind.clone(),
                });
            }
        }
        if !struck.is_empty() {
            self.changed();
        }
        struck
    }

    /// Waits at the gate of a fault. False: the request is to be dropped.
    pub(crate) async fn wait(&self, id: &str) -> bool {
        let Some(mut gate) = self.enter(id) else {
            return true;
        };
        let end = gate.wait_for(|gate| *gate != Gate::Closed).await;
        let go_on = end.is_ok_and(|gate| *gate == Gate::Released);
        if let Some(each) = self.placed().iter_mut().find(|each| each.id == id) {
            each.held -= 1;
        }
        self.changed();
        go_on
    }

    fn enter(&self, id: &str) -> Option<watch::Receiver<Gate>> {
        let gate = {
            let mut placed = self.placed();
            let each = placed.iter_mut().find(|each| each.id == id)?;
            each.held += 1;
            each.gate.subscribe()
        };
        self.changed();
        Some(gate)
    }

    /// Waits until a fault satisfies the condition; `None` if it does not exist (any more).
    pub(crate) async fn until(&self, id: &str, condition: impl Fn(&Placed) -> bool) -> Option<Placed> {
        let mut counter = self.counter.subscribe();
        loop {
            let placed = self.get(id)?;
            if condition(&placed) {
                return Some(placed);
            }
            counter.changed().await.ok()?;
        }
    }
}
