//! The outside world behind traits in domain types. Only workers call the mutating ones.
//!
//! The one invariant: every mutating call is one HTTP attempt (R10). Whoever calls decides about the next.

mod actions_oidc;
pub mod aws;
mod engine;
mod error;
mod github;

pub use actions_oidc::{ActionsOidc, TokenError};
pub use aws::{ApigatewayStage, Aws, AwsOptions, EcsCodedeploy, LambdaAlias, LambdaCodedeploy};
pub use engine::{Engine, Order, Registry, RegistryFinding, Stray};
pub use error::CallError;
pub use github::{
    FoundCommit, Github, GithubClient, GithubOauth, GithubOptions, GithubUser, OauthError, OauthOptions, Pkce, SignedIn,
};
