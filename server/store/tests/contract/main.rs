//! What the store promises, told as stories. Each is run on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

/// Runs each story on both databases: `NAME::on_sqlite` and `NAME::on_postgres`.
macro_rules! stories {
    ($($(#[$meta:meta])* async fn $name:ident($scratch:ident) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn story($scratch: tidegate_store::testing::Scratch) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                Box::pin(story(tidegate_store::testing::Scratch::sqlite().await)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                Box::pin(story(tidegate_store::testing::Scratch::postgres().await)).await;
            }
        }
    )+};
}

mod deployments;
mod given;
mod releases;
