//! The rules of Tidegate, and nothing else.
//!
//! Every decision of the product is made here: what a deployment may become next ([`Deployment::apply`]), who
//! counts towards a quorum ([`approval`]), what an approval is bound to ([`revision`]), what the worker does next
//! ([`plan()`]) and who may do what ([`access`]). This crate never reads a clock, a random number, a file or a
//! socket: time and ids are arguments. It compiles to WebAssembly, so that a page and the server cannot disagree.

pub mod access;
pub mod approval;
pub mod audit;
pub mod breakglass;
pub mod budget;
pub mod catalog;
pub mod ci;
pub mod deployment;
pub mod freeze;
pub mod gate;
pub mod health;
pub mod id;
pub mod migration;
pub mod name;
pub mod plan;
pub mod policy;
pub mod release;
pub mod revision;
pub mod smoke;
pub mod time;
pub mod traffic;

pub use access::{Action, Actor, Denial, Role};
pub use approval::{Approval, QuorumStatus};
pub use audit::{AuditEvent, EventKind, Subject};
pub use catalog::{Catalog, Service, Target};
pub use deployment::{Deployment, Refusal, State, StateName, Transition};
pub use freeze::Freeze;
pub use gate::{GateResult, GateStatus, Verdict};
pub use id::{ApprovalId, BreakGlassId, DeploymentId, OperationId, ReleaseId};
pub use name::{Digest, EnvironmentName, GateName, PersonRef, ServiceName, TeamSlug};
pub use plan::{Facts, Step, plan};
pub use policy::Policy;
pub use release::Release;
pub use revision::{Revision, RevisionHash};
pub use time::Timestamp;
pub use traffic::TrafficPlan;
