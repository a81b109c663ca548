//! AWS through its own SDKs: one connection, and the engines that use it.
//!
//! The SDK never retries here. A retried `CreateDeployment` makes two deployments, because it takes no client token; so
//! every call is one HTTP attempt (R10), and whoever calls decides about the next.

mod appspec;
pub(crate) mod call;
mod ecr;
mod ecs_codedeploy;
mod task_definition;

pub use ecs_codedeploy::EcsCodedeploy;

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::{path::PathBuf, time::Duration};

/// What may be set about the connection. Whatever is `None` comes from the SDK's own chain: `AWS_REGION`,
/// `AWS_ENDPOINT_URL…`, credentials from environment, profile, web identity, container or instance role.
#[derive(Debug, Clone)]
pub struct AwsOptions {
    pub region: Option<String>,
    /// One endpoint for every service.
    pub endpoint: Option<String>,
    /// A file in the form of `~/.aws/config`, read instead of it and of `~/.aws/credentials`.
    pub profile_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// How long a call may take, connection and answer included. Must be shorter than a worker's lease.
    pub call_timeout: Duration,
}

impl Default for AwsOptions {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            profile_file: None,
            connect_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(10),
        }
    }
}

/// The clients. Cloning shares their connections.
#[derive(Debug, Clone)]
pub struct Aws {
    codedeploy: aws_sdk_codedeploy::Client,
    ecs: aws_sdk_ecs::Client,
    ecr: aws_sdk_ecr::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
}

impl Aws {
    /// Reads the configuration. Talks to nobody yet: wrong credentials show at the first call.
    pub async fn connect(options: AwsOptions) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(options.connect_timeout)
            .operation_attempt_timeout(options.call_timeout)
            .operation_timeout(options.call_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled());
        if let Some(region) = options.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = options.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(file) = options.profile_file {
            let files = EnvConfigFiles::builder().with_file(EnvConfigFileKind::Config, file);
            loader = loader.profile_files(files.build());
        }
        let config = loader.load().await;
        Self {
            codedeploy: aws_sdk_codedeploy::Client::new(&config),
            ecs: aws_sdk_ecs::Client::new(&config),
            ecr: aws_sdk_ecr::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
        }
    }
}
