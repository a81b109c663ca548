//! The outside world behind traits in domain types. Only workers call the mutating ones.
//!
//! The one invariant: every mutating call is one HTTP attempt (R10). Whoever calls decides about the next.

mod actions_oidc;
pub mod aws;
mod engine;
mod error;
mod github;
mod metrics;
pub mod notify;
pub mod probe;
mod rolling;

pub use actions_oidc::{ActionsOidc, TokenError};
pub use aws::{ApigatewayStage, Aws, AwsOptions, EcsCodedeploy, EcsNative, EcsTaskSets, LambdaAlias, LambdaCodedeploy};
pub use engine::{Engine, Order, Registry, RegistryFinding, Stray};
pub use error::CallError;
pub use github::{
    FoundCommit, Github, GithubClient, GithubOauth, GithubOptions, GithubUser, NewIssue, OauthError, OauthOptions,
    Pkce, SignedIn,
};
pub use metrics::{Alarm, AlarmState, CloudWatch, Metrics, Prometheus, PrometheusOptions, Read, Sources};
pub use rolling::Rolling;
