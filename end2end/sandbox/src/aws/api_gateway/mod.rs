//! Amazon API Gateway: REST APIs (its first version) and HTTP and WebSocket APIs (its second).
//!
//! A deployment is a snapshot that never changes; a stage points to one. Neither version has a client token:
//! the same CreateDeployment twice makes two deployments.

pub(crate) mod control;
pub(crate) mod model;
pub(crate) mod rest;
pub(crate) mod seed;
pub(crate) mod v2;

use axum::http::StatusCode;

use self::model::{Api, Stage};
use super::{
    model::Account,
    protocol::{AwsError, page},
};

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError {
        status: StatusCode::NOT_FOUND,
        ..AwsError::new("NotFoundException", message)
    }
}

fn bad_request(message: impl Into<String>) -> AwsError {
    AwsError::new("BadRequestException", message)
}

fn conflict(message: impl Into<String>) -> AwsError {
    AwsError {
        status: StatusCode::CONFLICT,
        ..AwsError::new("ConflictException", message)
    }
}

/// An API of the version that is spoken; the other version's are not found.
fn find<'a>(account: &'a Account, id: &str, rest: bool) -> Result<&'a Api, AwsError> {
    account
        .apis
        .get(id)
        .filter(|api| api.protocol.is_rest() == rest)
        .ok_or_else(|| not_found(format!("Invalid API identifier specified {}:{id}", account.id)))
}

fn find_mut<'a>(account: &'a mut Account, id: &str, rest: bool) -> Result<&'a mut Api, AwsError> {
    let missing = not_found(format!("Invalid API identifier specified {}:{id}", account.id));
    account
        .apis
        .get_mut(id)
        .filter(|api| api.protocol.is_rest() == rest)
        .ok_or(missing)
}

fn find_stage<'a>(api: &'a Api, name: &str) -> Result<&'a Stage, AwsError> {
    api.stages
        .get(name)
        .ok_or_else(|| not_found("Invalid stage identifier specified"))
}

fn unknown_deployment() -> AwsError {
    not_found("Invalid Deployment identifier specified")
}

/// Letters, digits and `_`: what a stage variable may be called.
fn check_variable(name: &str, value: &str) -> Result<(), AwsError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(bad_request(
            "Stage variable names can only have alphanumeric characters and underscores",
        ));
    }
    if !value.bytes().all(allowed) {
        return Err(bad_request(format!(
            "Stage variable value for {name} can only have alphanumeric characters and -._~:/?#&=,"
        )));
    }
    Ok(())
}

/// A page of deployments. As in the service, their order says nothing of their age.
fn paged<'a, T>(
    items: &[&'a T],
    token: Option<&str>,
    size: Option<&str>,
) -> Result<(Vec<&'a T>, Option<String>), AwsError> {
    let size = super::rest_json::number(size, "limit")
        .map_err(bad_request)?
        .unwrap_or(25);
    if size == 0 {
        return Err(bad_request("Invalid limit specified"));
    }
    page(items, token, size.min(500)).ok_or_else(|| bad_request("Invalid position parameter specified"))
}
