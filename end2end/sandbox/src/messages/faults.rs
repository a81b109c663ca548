//! What can befall a message on its way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One trouble, for one service or all.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// `slack`, `pagerduty` or `hooks`; none: all.
    #[serde(default)]
    pub(super) service: Option<String>,
    pub(super) kind: Kind,
    /// How long `slow` takes, in real milliseconds.
    #[serde(default)]
    pub(super) milliseconds: u64,
    /// What `rate_limit` says in `Retry-After`.
    #[serde(default)]
    pub(super) seconds: u64,
    /// How many messages it befalls; none: all, until it is cleared.
    #[serde(default)]
    pub(super) times: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// 503, without effect.
    Down,
    /// 502, although it arrived.
    Lost,
    /// The connection is reset, without effect.
    Reset,
    Slow,
    RateLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Befalls {
    Down,
    Lost,
    Reset,
    Late(Duration),
    Limited(u64),
}

/// The first fault that befalls a message to this service, used up by one.
pub(super) fn strike(faults: &mut Vec<Fault>, service: &str) -> Option<Befalls> {
    faults.retain(|fault| fault.times != Some(0));
    let fault = faults
        .iter_mut()
        .find(|fault| fault.service.as_deref().is_none_or(|meant| meant == service))?;
    if let Some(times) = &mut fault.times {
        *times -= 1;
    }
    Some(match fault.kind {
        Kind::Down => Befalls::Down,
        Kind::Lost => Befalls::Lost,
        Kind::Reset => Befalls::Reset,
        Kind::Slow => Befalls::Late(Duration::from_millis(fault.milliseconds)),
        Kind::RateLimit => Befalls::Limited(fault.seconds),
    })
}
