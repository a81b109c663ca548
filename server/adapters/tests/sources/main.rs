//! The readers of metrics against servers that are not ours. `scripts/test.sh emulator prometheus` starts them; without them
//! these tests show as ignored, and fail when run all the same.
#![cfg(test)]

mod emulator;
mod prometheus;

use std::time::{Duration, Instant};
use tidegate_adapters::{Aws, AwsOptions};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The address of a server, from the environment.
fn server(variable: &str, script: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `{script}`"))
}

async fn aws(endpoint: &str) -> Aws {
    let mut profile = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(
        &mut profile,
        b"[default]\nregion = eu-west-1\naws_access_key_id = test\naws_secret_access_key = test\n",
    )
    .unwrap();
    Aws::connect(AwsOptions {
        endpoint: Some(endpoint.to_owned()),
        profile_file: Some(profile.path().to_owned()),
        ..AwsOptions::default()
    })
    .await
}
