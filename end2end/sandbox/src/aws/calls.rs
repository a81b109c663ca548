//! The log of every request in the order it came, and the file it may be recorded to.

use std::{
    collections::VecDeque,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::protocol::{AwsError, Service};
use crate::Error;

/// Calls kept in memory; older ones are forgotten.
const KEPT: usize = 20_000;

/// What became of a request, as far as its sender is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Not answered yet.
    Pending,
    Answered,
    /// The connection was reset instead of an answer.
    Reset,
    /// The answer was never sent: its fault was deleted while it was held.
    Dropped,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub number: u64,
    /// Virtual time of its arrival, RFC 3339.
    pub time: String,
    pub protocol: &'static str,
    pub service: Option<Service>,
    pub operation: String,
    pub request: Value,
    /// Of a binary protocol: the body as it came, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<String>,
    /// As the SDK numbers the tries of one call (`amz-sdk-request`), from 1.
    pub attempt: Option<u32>,
    /// The same for all tries of one call (`amz-sdk-invocation-id`).
    pub invocation: Option<String>,
    pub outcome: Outcome,
    /// Whether the operation was performed and succeeded, whatever was answered.
    pub effect: bool,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub response: Option<Value>,
    /// The bodies as they were on the wire, of a protocol that is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// Method, URI and body, and the headers and body of the answer, of protocols that use all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<String>,
    /// Whether the control API had a hand in the wording of the answer, so that it may say what
    /// the real service never does.
    pub forged: bool,
    /// The faults that befell it.
    pub faults: Vec<String>,
}

/// A shared handle to the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallLog(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    calls: VecDeque<Call>,
    count: u64,
    file: Option<File>,
}

impl CallLog {
    pub(crate) fn new(record: Option<&Path>) -> Result<Self, Error> {
        let file = record
            .map(|path| {
                File::options()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map_err(|source| Error::File {
                        path: path.to_owned(),
                        source,
                    })
            })
            .transpose()?;
        Ok(Self(Arc::new(Mutex::new(Inner {
            file,
            ..Inner::default()
        }))))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request that has come in and returns its number.
    pub(crate) fn begin(
        &self,
        now: Timestamp,
        protocol: &'static str,
        service: Option<Service>,
        operation: &str,
        request: Value,
        headers: &HeaderMap,
    ) -> u64 {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        let mut inner = self.inner();
        inner.count += 1;
        let number = inner.count;
        if inner.calls.len() == KEPT {
            inner.calls.pop_front();
        }
        inner.calls.push_back(Call {
            number,
            time: now.to_string(),
            protocol,
            service,
            operation: operation.to_owned(),
            request,
            request_bytes: None,
            attempt: text("amz-sdk-request").and_then(|value| {
                value
                    .split(';')
                    .find_map(|part| part.trim().strip_prefix("attempt=")?.parse().ok())
            }),
            invocation: text("amz-sdk-invocation-id"),
            outcome: Outcome::Pending,
            effect: false,
            status: None,
            error: None,
            response: None,
            request_body: None,
            response_body: None,
            wire: None,
            response_bytes: None,
            forged: false,
            faults: Vec::new(),
        });
        number
    }

    /// Changes an entry, unless the log was cleared meanwhile.
    pub(crate) fn update(&self, number: u64, edit: impl FnOnce(&mut Call)) {
        if let Some(call) = self.inner().calls.iter_mut().rev().find(|call| call.number == number) {
            edit(call);
        }
    }

    /// Notes what was answered, and records the exchange.
    pub(crate) fn answered(&self, number: u64, status: u16, answer: &Result<Value, AwsError>) {
        self.update(number, |call| {
            call.outcome = Outcome::Answered;
            call.status = Some(status);
            match answer {
                Ok(response) => call.response = Some(response.clone()),
                Err(error) => {
                    call.error = Some(error.code.clone());
                    call.response = Some(json!({ "__type": error.code, "message": error.message }));
                }
            }
        });
        self.record(number);
    }

    /// Notes that no answer was sent, and records the request.
    pub(crate) fn unanswered(&self, number: u64, outcome: Outcome) {
        self.update(number, |call| call.outcome = outcome);
        self.record(number);
    }

    fn record(&self, number: u64) {
        let mut inner = self.inner();
        let Inner { calls, file, .. } = &mut *inner;
        let (Some(file), Some(call)) = (file.as_mut(), calls.iter().rev().find(|call| call.number == number)) else {
            return;
        };
        // One write for a line, so that lines of several writers do not mix.
        if let Err(error) = serde_json::to_string(call)
            .map_err(std::io::Error::from)
            .and_then(|line| file.write_all(format!("{line}\n").as_bytes()))
        {
            tracing::error!(%error, "cannot record a call");
        }
    }

    /// Every call, or those of one operation.
    pub(crate) fn list(&self, operation: Option<&str>) -> Vec<Call> {
        self.inner()
            .calls
            .iter()
            .filter(|call| operation.is_none_or(|name| call.operation == name))
            .cloned()
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.inner().calls.clear();
    }
}
