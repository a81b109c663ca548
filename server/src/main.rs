//! The command line: a thin front over the library.

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use tidegate_server::{
    config,
    replay::{Replayed, replay},
    wiring,
};

/// The gate between a team's CI and its production on AWS.
#[derive(Parser)]
#[command(name = "tidegate", version, about, propagate_version = true)]
struct Cli {
    /// Configuration file.
    #[arg(long, global = true, default_value = "tidegate.toml", env = "TIDEGATE_CONFIG")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: pages, API, webhooks and the worker.
    Serve {
        /// Folder with the built site, as `cargo run -p xtask -- site` makes it.
        #[arg(long, env = "TIDEGATE_SITE", default_value = "site")]
        site: PathBuf,
    },
    /// Bring the database to this version's schema, then exit.
    Migrate {
        /// PostgreSQL: the role that `serve` runs as. It is given what it needs and cannot rewrite the audit log.
        #[arg(long, value_name = "NAME")]
        app_role: Option<String>,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Try health definitions on what was recorded.
    Health {
        #[command(subcommand)]
        command: HealthCommand,
    },
}

#[derive(Subcommand)]
enum HealthCommand {
    /// Say what a definition would have done to the deployments that were recorded.
    Replay(Box<Replayed>),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say what is wrong with the file: where, what, and what to write instead. Exit 1 if anything is.
    Check,
    /// Print the file's JSON Schema, for editors.
    Schema,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve { site } => wiring::serve(&cli.config, &site),
        Command::Migrate { app_role } => wiring::migrate(&cli.config, app_role),
        Command::Config {
            command: ConfigCommand::Check,
        } => check(&cli.config),
        Command::Config {
            command: ConfigCommand::Schema,
        } => schema(),
        Command::Health {
            command: HealthCommand::Replay(asked),
        } => replay(&cli.config, *asked).map(|said| println!("{}", said.trim_end())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn check(path: &std::path::Path) -> Outcome {
    let loaded = config::load(path)?;
    let targets: usize = loaded
        .catalog
        .services
        .iter()
        .map(|service| service.targets.len())
        .sum();
    println!(
        "{}: valid. {} services, {targets} targets, {} environments; version {}",
        path.display(),
        loaded.catalog.services.len(),
        loaded.catalog.environments.len(),
        &loaded.hash[..12],
    );
    Ok(())
}

fn schema() -> Outcome {
    println!("{}", serde_json::to_string_pretty(&config::schema())?);
    Ok(())
}
