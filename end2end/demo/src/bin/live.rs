//! Goes on from the past while the server runs: releases, requests, approvals, and a canary on its way.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};
use tidegate_demo::{
    live::{self, Addresses},
    seed::Seed,
};

/// The present of a fictional organisation, through the portal's and the sandbox's public interfaces.
#[derive(Debug, Parser)]
struct Arguments {
    /// The portal's address
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    portal: String,
    /// GitHub's address
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    github: String,
    /// The address of the sandbox's control API
    #[arg(long, default_value = "http://127.0.0.1:8083")]
    control: String,
    /// What the sandbox is seeded with
    #[arg(long, default_value = "end2end/sandbox/seeds/acme.json")]
    seed: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-live: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let seed = Seed::load(&arguments.seed)?;
    let addresses = Addresses {
        portal: arguments.portal,
        github: arguments.github,
        control: arguments.control,
    };
    live::play(&seed, &addresses).await?;
    Ok(())
}
