//! What is certain after a call to AWS, and what is not.
//!
//! A refusal is certain only when AWS answered with one, or when the request provably never left. A time-out, a broken
//! connection and a 5xx say nothing: the effect may be there.

use crate::{CallError, error::chain};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
        },
        orchestrator::HttpResponse,
        result::SdkError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, error::metadata::ProvideErrorMetadata};
use std::{
    error::Error,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// Codes with which AWS refuses a call that it may accept later. None of them leaves an effect behind.
const LATER: [&str; 17] = [
    "DeploymentLimitExceededException",
    "ExpiredToken",
    "ExpiredTokenException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestExpired",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
    "UpdateInProgressException",
];

/// Lets one request leave while there is time, and notes whether it left. What fails before that took no effect.
///
/// The moment is given by whoever holds the lease, before the first read: a process that was paused does not send, when it
/// wakes, what somebody else may have taken over (R12).
#[derive(Debug, Clone)]
pub(super) struct Sent {
    left: Arc<AtomicBool>,
    before: Instant,
}

impl Sent {
    pub(super) fn before(before: Instant) -> Self {
        Self {
            left: Arc::default(),
            before,
        }
    }

    fn yet(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    fn leave(&self, now: Instant) -> Result<(), TooLate> {
        if now >= self.before {
            return Err(TooLate);
        }
        self.left.store(true, Ordering::Release);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time for this call was over before it was sent")]
struct TooLate;

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(self.leave(Instant::now())?)
    }
}

/// Keeps an answer's bytes beside the SDK's reading of them, which drops what its version does not know.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer(Arc<Mutex<Option<Vec<u8>>>>);

impl Answer {
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = context.response().body().bytes().map(<[u8]>::to_vec);
        Ok(())
    }
}

/// The failure of a mutating call.
pub(super) fn failed<E>(error: &SdkError<E, HttpResponse>, sent: &Sent) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    told(error, sent.yet())
}

/// The failure of a read.
pub(crate) fn unread<E>(error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    told(error, true)
}

fn told<E>(error: &SdkError<E, HttpResponse>, sent: bool) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            if service.raw().status().is_success() {
                return CallError::Unknown(format!("its answer cannot be read: {}", chain(service.err())));
            }
            let status = service.raw().status().as_u16();
            answered(status, service.err().code(), service.err().message())
        }
        SdkError::ConstructionFailure(_) if !sent => CallError::refused("ConstructionFailure", chain(error), false),
        _ if !sent || never_connected(error) => CallError::refused("NotSent", chain(error), true),
        _ => CallError::Unknown(chain(error)),
    }
}

/// AWS's code of an error, where it answered with one.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    match error {
        SdkError::ServiceError(service) => service.err().code(),
        _ => None,
    }
}

fn answered(status: u16, code: Option<&str>, message: Option<&str>) -> CallError {
    let later = code.is_some_and(|code| LATER.contains(&code)) || status == 429;
    let code = code.map_or_else(|| format!("HTTP {status}"), str::to_owned);
    let message = message.unwrap_or("no message").to_owned();
    // 408 comes from something in between that had passed the request on, or not.
    let clear = later || (matches!(status, 400..=499) && status != 408);
    if clear {
        CallError::refused(code, message, later)
    } else {
        CallError::Unknown(format!("{code} ({status}): {message}"))
    }
}

fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        let refused = cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(400, "ThrottlingException")]
    #[case(400, "DeploymentLimitExceededException")]
    #[case(503, "SlowDown")]
    #[case(429, "Anything")]
    fn a_throttled_call_did_nothing_and_may_be_made_again(#[case] status: u16, #[case] code: &str) {
        assert_eq!(
            answered(status, Some(code), Some("Rate exceeded")),
            CallError::refused(code, "Rate exceeded", true)
        );
    }

    #[rstest]
    #[case(400, "DeploymentConfigDoesNotExistException")]
    #[case(400, "ClientException")]
    #[case(403, "AccessDeniedException")]
    fn a_call_that_aws_refuses_for_good_is_not_made_again(#[case] status: u16, #[case] code: &str) {
        assert_eq!(
            answered(status, Some(code), Some("no")),
            CallError::refused(code, "no", false)
        );
    }

    #[rstest]
    #[case(500, Some("InternalFailure"))]
    #[case(500, Some("ServerException"))]
    #[case(502, None)]
    #[case(503, Some("ServiceUnavailable"))]
    #[case(504, None)]
    #[case(408, None)]
    #[case(302, None)]
    fn an_answer_that_does_not_say_leaves_the_outcome_unknown(#[case] status: u16, #[case] code: Option<&str>) {
        assert!(matches!(answered(status, code, None), CallError::Unknown(_)));
    }

    #[test]
    fn a_refusal_without_a_code_is_known_by_its_status() {
        assert_eq!(
            answered(403, None, None),
            CallError::refused("HTTP 403", "no message", false)
        );
    }

    #[test]
    fn r12_a_call_whose_time_is_over_does_not_leave() {
        let sent = Sent::before(Instant::now());
        assert_eq!(sent.leave(sent.before), Err(TooLate));
        assert!(!sent.yet());
        assert_eq!(sent.leave(sent.before - std::time::Duration::from_secs(1)), Ok(()));
        assert!(sent.yet());
    }

    #[test]
    fn only_a_refused_connection_was_surely_never_made() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
        let reset = io::Error::new(io::ErrorKind::ConnectionReset, "reset");
        assert!(never_connected(&refused));
        assert!(!never_connected(&reset));
    }
}
