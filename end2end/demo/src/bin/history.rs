//! Writes the past into a new database, before the server's first start.

use clap::Parser;
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicI64},
};
use tidegate_demo::{play::Player, seed::Seed, story};
use tidegate_server::config;
use tidegate_store::{Clock, Db, PoolOptions};

/// Two weeks of a fictional organisation's deployments, in a new database.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server's configuration file
    #[arg(long, default_value = "infra/demo/tidegate.toml")]
    config: PathBuf,
    /// What the sandbox is seeded with
    #[arg(long, default_value = "end2end/sandbox/seeds/acme.json")]
    seed: PathBuf,
    /// Address of the database, such as sqlite://demo.db
    #[arg(long, env = "TIDEGATE_DATABASE_URL")]
    database: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match write(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-history: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn write(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let loaded = config::load(&arguments.config)?;
    let seed = Seed::load(&arguments.seed)?;
    let shift = Arc::new(AtomicI64::new(0));
    let options = PoolOptions {
        clock: Clock::Shifted(shift.clone()),
        ..PoolOptions::default()
    };
    let db = Db::connect(&arguments.database, options).await?;
    db.migrate().await?;
    let now = db.now().await?;
    let web = loaded.settings.github.web_url.get().trim_end_matches('/').to_owned();
    let acts = story::tell(&seed, &loaded.catalog, &web, now)?;
    Player::new(db.clone(), shift, &seed, &loaded.catalog)
        .play(acts)
        .await?;
    println!("{} events", db.audit_head().await?);
    db.close().await;
    Ok(())
}
