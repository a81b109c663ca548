//! Stands in for AWS and GitHub, and for Slack and PagerDuty, over their real wire protocols.
//!
//! A program that speaks to AWS through its SDKs and to GitHub over HTTPS can be
//! pointed here instead and finds the same operations, the same errors and the same
//! delays, on a [`Clock`] that can be sped up, frozen and stepped. Everything is in
//! memory. A listener of its own, the control API, seeds the accounts and injects faults.
//!
//! It knows nothing of the program that calls it, and listens on loopback only.

mod aws;
mod clock;
mod control;
mod github;
mod messages;
mod net;

use std::{net::SocketAddr, path::PathBuf};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};

pub use aws::Aws;
pub use clock::Clock;
pub use github::GitHub;
pub use messages::Messages;

/// How to start a [`Sandbox`]. The default takes any free ports, real time and no seed.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port of the AWS endpoint, 0 for any.
    pub aws_port: u16,
    /// Port of GitHub (web, API and Actions issuer), 0 for any.
    pub github_port: u16,
    /// Port of the control API, 0 for any.
    pub control_port: u16,
    /// Port of Slack and PagerDuty, 0 for any.
    pub messages_port: u16,
    /// A JSON file `{"aws": …, "github": …}`: what `POST /aws/seed` and `POST /github/seed` take.
    pub data: Option<PathBuf>,
    /// Virtual seconds per real second.
    pub speed: f64,
    /// Start with the clock standing still, to be stepped.
    pub frozen: bool,
    /// Append every request to AWS, to GitHub's API and to Slack, with its answer, to this file, one JSON
    /// object a line.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            aws_port: 0,
            github_port: 0,
            control_port: 0,
            messages_port: 0,
            data: None,
            speed: 1.0,
            frozen: false,
            record: None,
        }
    }
}

impl Options {
    /// The default, recording to the file that the environment's `SANDBOX_RECORD` names, if any:
    /// for tests whose every request is one that the real services would take.
    #[must_use]
    pub fn recorded() -> Self {
        Self {
            record: std::env::var_os("SANDBOX_RECORD").map(PathBuf::from),
            ..Self::default()
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen { port: u16, source: std::io::Error },
    #[error("cannot open {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Seed { path: PathBuf, reason: String },
    #[error("the speed of the clock must be positive, not {0}")]
    Speed(f64),
}

/// A running sandbox: four listeners on 127.0.0.1, closed on drop.
#[derive(Debug)]
pub struct Sandbox {
    clock: Clock,
    aws: SocketAddr,
    github: SocketAddr,
    control: SocketAddr,
    messages: SocketAddr,
    servers: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Binds the listeners, loads the seed and serves until dropped.
    ///
    /// # Errors
    /// A port that is taken, a file that cannot be opened, a seed that is refused.
    pub async fn start(options: Options) -> Result<Self, Error> {
        if options.speed <= 0.0 || !options.speed.is_finite() {
            return Err(Error::Speed(options.speed));
        }
        let clock = Clock::new(options.speed);
        if options.frozen {
            clock.freeze(true);
        }
        let aws_listener = listen(options.aws_port).await?;
        let github_listener = listen(options.github_port).await?;
        let control_listener = listen(options.control_port).await?;
        let messages_listener = listen(options.messages_port).await?;
        let (aws, github, control, messages) = (
            address(&aws_listener, options.aws_port)?,
            address(&github_listener, options.github_port)?,
            address(&control_listener, options.control_port)?,
            address(&messages_listener, options.messages_port)?,
        );

        let aws_state = Aws::new(clock.clone(), options.record.as_deref())?;
        let github_state = GitHub::new(clock.clone());
        let messages_state = Messages::default();
        if let Some(path) = &options.record {
            let unopened = |source| Error::File {
                path: path.clone(),
                source,
            };
            github_state.record_to(path).map_err(unopened)?;
            messages_state.record_to(path).map_err(unopened)?;
        }
        let seeded = control::Seeded::default();
        let servers = vec![
            serve_with_reset(aws_listener, aws_state.router()),
            serve(github_listener, github_state.router(url(github))),
            serve_with_reset(messages_listener, messages_state.router()),
            serve(
                control_listener,
                control::router(&clock, &aws_state, &github_state, &messages_state, seeded.clone()),
            ),
        ];
        let sandbox = Self {
            clock,
            aws,
            github,
            control,
            messages,
            servers,
        };
        if let Some(path) = options.data {
            control::load_seed(&path, &sandbox.control_url()).await?;
        }
        seeded.done();
        Ok(sandbox)
    }

    /// Base URL of the AWS endpoint (every service), without a trailing slash.
    #[must_use]
    pub fn aws_url(&self) -> String {
        url(self.aws)
    }

    /// Base URL of GitHub: web, API and Actions issuer, without a trailing slash.
    #[must_use]
    pub fn github_url(&self) -> String {
        url(self.github)
    }

    /// Base URL of the control API, without a trailing slash.
    #[must_use]
    pub fn control_url(&self) -> String {
        url(self.control)
    }

    /// Base URL of Slack (`/slack`), PagerDuty (`/pagerduty`) and webhooks (`/hooks/{name}`), without a trailing slash.
    #[must_use]
    pub fn messages_url(&self) -> String {
        url(self.messages)
    }

    /// The clock that everything in this sandbox goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Waits until a listener ends, which it does only when the process is about to.
    pub async fn wait(mut self) {
        for server in std::mem::take(&mut self.servers) {
            let _ = server.await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

async fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|source| Error::Listen { port, source })
}

fn address(listener: &TcpListener, port: u16) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|source| Error::Listen { port, source })
}

fn serve(listener: TcpListener, router: Router) -> JoinHandle<()> {
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "listener ended");
        }
    })
}

/// As [`serve`], for handlers that may ask for their connection to be reset.
fn serve_with_reset(listener: TcpListener, router: Router) -> JoinHandle<()> {
    let service = router.into_make_service_with_connect_info::<net::ResetSwitch>();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(net::ResettableListener(listener), service).await {
            tracing::error!(%error, "listener ended");
        }
    })
}
