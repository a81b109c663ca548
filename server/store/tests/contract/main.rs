//! What the store promises, told as stories. Each is run on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

/// Runs each story on both databases: `NAME::on_sqlite` and `NAME::on_postgres`.
macro_rules! stories {
    ($(async fn $name:ident($scratch:ident) $body:block)+) => {$(
        async fn $name($scratch: tidegate_store::testing::Scratch) $body

        mod $name {
            use tidegate_store::testing::Scratch;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                Box::pin(super::$name(Scratch::sqlite().await)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                Box::pin(super::$name(Scratch::postgres().await)).await;
            }
        }
    )+};
}

mod audit;
mod breakglass;
mod changes;
mod claims;
mod deployments;
mod given;
mod health;
mod history;
mod links;
mod monitors;
mod once;
mod releases;
mod roles;
mod sessions;
mod setup;
