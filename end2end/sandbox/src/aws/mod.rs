//! AWS: CodeDeploy, ECS, ECR, Elastic Load Balancing, Lambda, API Gateway and CloudWatch behind one endpoint, as the SDKs
//! are pointed at one.
//!
//! A request is recognised by its protocol, logged, struck by a fault if one is in place,
//! and performed on the account at the present virtual time. It is performed in a task of
//! its own: as in the real service, a client that gives up does not undo it.

mod api_gateway;
mod calls;
mod cbor;
mod cloudwatch;
mod codedeploy;
mod control;
mod control_services;
mod ecr;
mod ecs;
mod elbv2;
mod faults;
mod lambda;
mod model;
mod protocol;
mod query;
mod rest_json;
mod seed;
mod seed_elb;
mod seed_services;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::Value;

use self::{
    calls::{CallLog, Outcome},
    faults::{About, Faults, Hit, Kind, When},
    model::{Account, At},
    protocol::{AwsError, PROTOCOLS, Protocol, Service, Target, plain, without_nulls},
};
use crate::{Clock, Error, net::ResetSwitch};

const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The account: its resources, its call log and its faults. Clones share them.
#[derive(Debug, Clone)]
pub struct Aws {
    clock: Clock,
    account: Arc<Mutex<Account>>,
    calls: CallLog,
    faults: Faults,
}

/// What is sent back, if anything is.
enum Reply {
    Answer(Result<Value, AwsError>),
    Reset,
    Nothing,
}

impl Aws {
    pub(crate) fn new(clock: Clock, record: Option<&Path>) -> Result<Self, Error> {
        let salt = uuid::Uuid::now_v7().to_string();
        Ok(Self {
            clock,
            account: Arc::new(Mutex::new(Account::new(salt))),
            calls: CallLog::new(record)?,
            faults: Faults::default(),
        })
    }

    /// The endpoint of every AWS service.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// `/aws/…` and `/faults…` of the control API.
    pub(crate) fn control_router(&self) -> Router {
        control::router(self.clone())
    }

    /// The account as it stands now.
    fn account(&self) -> MutexGuard<'_, Account> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        lambda::settle(&mut account, self.clock.now());
        codedeploy::life::advance(&mut account, self.clock.now());
        ecs::advance(&mut account, self.clock.now());
        account
    }

    /// Performs an operation on the account. A deployment it makes may be hidden for a while.
    fn perform(&self, target: &Target, body: Value, hidden_seconds: Option<f64>) -> Result<Value, AwsError> {
        let mut account = self.account();
        let now = self.clock.now();
        let answer = match target.service {
            Some(Service::CodeDeploy) => codedeploy::call(&mut account, now, &target.operation, body),
            Some(Service::Ecs) => ecs::call(&mut account, now, &target.operation, body),
            Some(Service::Ecr) => ecr::call(&account, &target.operation, body),
            Some(Service::ElbV2) => elbv2::call(&mut account, &target.operation, body),
            Some(Service::Lambda) => lambda::call(&mut account, now, &target.operation, body),
            Some(Service::ApiGateway) => api_gateway::rest::call(&mut account, now, &target.operation, body),
            Some(Service::ApiGatewayV2) => api_gateway::v2::call(&mut account, now, &target.operation, body),
            Some(Service::CloudWatch) => cloudwatch::call(&account, now, &target.operation, body),
            None => Err(AwsError::unknown_operation()),
        };
        let answer = answer.map(without_nulls);
        if let (Ok(made), Some(seconds)) = (&answer, hidden_seconds)
            && let Some(deployment) = made["deploymentId"].as_str().and_then(|id| account.deployment_mut(id))
        {
            let wait = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
            deployment.visible_from = now.saturating_add(wait).map(At).ok();
        }
        answer
    }

    /// Takes a request through its faults to its reply.
    async fn handle(&self, number: u64, target: &Target, body: Value) -> Reply {
        let about = About {
            service: target.service,
            ..codedeploy::about(&self.account(), &body)
        };
        let hits = self.faults.strike(&target.operation, &about);
        self.calls.update(number, |call| {
            call.faults = hits.iter().map(|hit| hit.id.clone()).collect()
        });
        for hit in &hits {
            if let Some(reply) = self.before(hit).await {
                return reply;
            }
        }
        let hidden = hits.iter().find_map(|hit| match hit.kind {
            Kind::Invisible { seconds } => Some(seconds),
            _ => None,
        });
        let answer = self.perform(target, body, hidden);
        let shown_otherwise = self
            .account()
            .deployments
            .iter()
            .any(|each| each.shown_status.is_some());
        self.calls.update(number, |call| {
            call.effect = answer.is_ok();
            call.forged |= shown_otherwise;
        });
        for hit in &hits {
            if let Some(reply) = self.after(hit).await {
                return reply;
            }
        }
        Reply::Answer(answer)
    }

    /// The reply that a fault gives before the operation is performed.
    async fn before(&self, hit: &Hit) -> Option<Reply> {
        match &hit.kind {
            Kind::Throttle => Some(Reply::Answer(Err(AwsError::throttled()))),
            Kind::Error { when: When::Before, .. } => Some(Reply::Answer(Err(error_of(&hit.kind)))),
            Kind::Reset { when: When::Before } => Some(Reply::Reset),
            Kind::Hold { when: When::Before } => (!self.faults.wait(&hit.id).await).then_some(Reply::Nothing),
            Kind::Delay { milliseconds } => {
                tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
                None
            }
            _ => None,
        }
    }

    /// The reply that a fault gives in place of the answer, once the operation is performed.
    async fn after(&self, hit: &Hit) -> Option<Reply> {
        match &hit.kind {
            Kind::Error { when: When::After, .. } => Some(Reply::Answer(Err(error_of(&hit.kind)))),
            Kind::Reset { when: When::After } => Some(Reply::Reset),
            Kind::Hold { when: When::After } => (!self.faults.wait(&hit.id).await).then_some(Reply::Nothing),
            _ => None,
        }
    }
}

fn error_of(kind: &Kind) -> AwsError {
    let Kind::Error {
        status, code, message, ..
    } = kind
    else {
        return AwsError::internal();
    };
    let usual = AwsError::internal();
    AwsError {
        status: StatusCode::from_u16(*status).unwrap_or(usual.status),
        code: code.clone().unwrap_or(usual.code),
        message: message.clone().or(usual.message),
    }
}

/// Answers whatever comes to the endpoint.
async fn answer(State(aws): State<Aws>, ConnectInfo(switch): ConnectInfo<ResetSwitch>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let recognised = PROTOCOLS
        .iter()
        .find_map(|protocol| Some((*protocol, protocol.recognise_whole(&head, &body)?)));
    let Some((protocol, target)) = recognised else {
        return unrecognised(&aws, &head, &body);
    };
    // In a task of its own, so that it goes on when the client hangs up.
    let reply = tokio::spawn(process(aws, protocol, target, head, body)).await;
    match reply {
        Ok(Some((status, headers, body))) => respond(status, headers, body),
        Ok(None) => reset(&switch),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Refuses what no protocol knows, and notes it: whoever sent it took a way that nobody has checked.
fn unrecognised(aws: &Aws, head: &Parts, body: &Bytes) -> Response {
    let operation = format!("{} {}", head.method, head.uri.path());
    let shown = Value::String(String::from_utf8_lossy(body).into_owned());
    let number = aws
        .calls
        .begin(aws.clock.now(), "unknown", None, &operation, shown, &head.headers);
    let answer = Err(AwsError::unknown_operation());
    let wire = PROTOCOLS[0].encode(&answer);
    aws.calls.answered(number, wire.status.as_u16(), &answer);
    respond(wire.status, wire.headers, wire.body)
}

/// From the log to the wire. `None`: the connection is to be reset.
async fn process(
    aws: Aws,
    protocol: &'static dyn Protocol,
    target: Target,
    head: Parts,
    body: Bytes,
) -> Option<(StatusCode, HeaderMap, Bytes)> {
    let decoded = protocol.read(&head, &body);
    let shown = decoded
        .clone()
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    let number = aws.calls.begin(
        aws.clock.now(),
        protocol.name(),
        target.service,
        &target.operation,
        shown,
        &head.headers,
    );
    if protocol.records_bodies() {
        let text = String::from_utf8_lossy(&body).into_owned();
        aws.calls.update(number, |call| call.request_body = Some(text));
    }
    if protocol.is_binary() {
        aws.calls
            .update(number, |call| call.request_bytes = Some(STANDARD.encode(&body)));
    }
    let signed = head.headers.contains_key(header::AUTHORIZATION);
    if protocol.keeps_wire() {
        aws.calls
            .update(number, |call| call.wire = Some(rest_json::exchange(&head, &body, None)));
    }
    let reply = match decoded {
        _ if !signed => Reply::Answer(Err(AwsError::missing_authentication())),
        Err(error) => Reply::Answer(Err(error)),
        Ok(input) => aws.handle(number, &target, input).await,
    };
    match reply {
        Reply::Answer(answer) => {
            let answer = answer.map_err(|error| protocol.dialect(&target, error));
            let wire = protocol.write(&target, &answer);
            if protocol.records_bodies() {
                let text = String::from_utf8_lossy(&wire.body).into_owned();
                aws.calls.update(number, |call| call.response_body = Some(text));
            }
            if protocol.keeps_wire() {
                aws.calls.update(number, |call| {
                    call.wire = Some(rest_json::exchange(&head, &body, Some(&wire)))
                });
            }
            if protocol.is_binary() {
                let bytes = STANDARD.encode(&wire.body);
                aws.calls.update(number, |call| call.response_bytes = Some(bytes));
            }
            aws.calls.answered(number, wire.status.as_u16(), &answer.map(plain));
            Some((wire.status, wire.headers, wire.body))
        }
        Reply::Reset => {
            aws.calls.unanswered(number, Outcome::Reset);
            None
        }
        Reply::Nothing => {
            aws.calls.unanswered(number, Outcome::Dropped);
            None
        }
    }
}

fn respond(status: StatusCode, mut headers: HeaderMap, body: Bytes) -> Response {
    let id = uuid::Uuid::now_v7().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.entry("x-amzn-requestid").or_insert(id);
    }
    (status, headers, body).into_response()
}

/// Begins an answer and resets the connection before its end.
fn reset(switch: &ResetSwitch) -> Response {
    switch.arm();
    let pieces = futures::stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ]);
    Response::builder()
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header(header::CONTENT_LENGTH, "64")
        .body(Body::from_stream(pieces))
        .unwrap_or_default()
}
