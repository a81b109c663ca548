//! Runs a sandbox until it is interrupted and prints where it listens.

use std::path::PathBuf;

use clap::Parser;
use tidegate_sandbox::{Options, Sandbox};

/// Stands in for AWS and GitHub on loopback, for tests and demonstrations.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port of the AWS endpoint (0: any free one)
    #[arg(long, default_value_t = 0)]
    aws_port: u16,
    /// Port of GitHub: web, API and Actions issuer (0: any free one)
    #[arg(long, default_value_t = 0)]
    github_port: u16,
    /// Port of the control API (0: any free one)
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Port of Slack and PagerDuty (0: any free one)
    #[arg(long, default_value_t = 0)]
    messages_port: u16,
    /// Seed file: {"aws": …, "github": …}
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Virtual seconds per real second
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Start with the clock standing still
    #[arg(long)]
    frozen: bool,
    /// Append every request to AWS and to GitHub's API, with its answer, to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let sandbox = Sandbox::start(Options {
        aws_port: arguments.aws_port,
        github_port: arguments.github_port,
        control_port: arguments.control_port,
        messages_port: arguments.messages_port,
        data: arguments.data,
        speed: arguments.speed,
        frozen: arguments.frozen,
        record: arguments.record,
    })
    .await?;
    println!("aws      {}", sandbox.aws_url());
    println!("github   {}", sandbox.github_url());
    println!("control  {}", sandbox.control_url());
    println!("messages {}", sandbox.messages_url());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
        () = sandbox.wait() => {}
    }
    Ok(())
}
