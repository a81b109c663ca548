//! What the use cases ask of the world outside the database. Wiring implements these with the adapters.

use async_trait::async_trait;
use tidegate_domain::name::TeamSlug;

/// The answer could not be had. Whoever asked must do without, or refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Who people are, as GitHub says.
#[async_trait]
pub trait Identity: Send + Sync + 'static {
    /// Teams of the configured organisation that this numeric person is a member of now. At most 60 s old (R5).
    ///
    /// # Errors
    /// When GitHub does not answer; approving fails closed then.
    async fn teams_of(&self, person: i64) -> Result<Vec<TeamSlug>, Unavailable>;
}
