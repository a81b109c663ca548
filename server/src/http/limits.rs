//! Rate limits, and whose address a request comes from (R34).
//!
//! The address is the TCP peer's. `X-Forwarded-For` is believed only behind a proxy that the configuration names, and
//! then only its last entry, which that proxy wrote: everything before it is the caller's word.

use super::HttpState;
use axum::extract::ConnectInfo;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock};
use http::{Extensions, HeaderMap};
use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

/// How many a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Sign-ins begun, and as many finished, per address.
    pub sign_in: NonZeroU32,
    /// Approvals per person.
    pub approve: NonZeroU32,
    /// Exchanges of Actions tokens per address.
    pub ci_exchange: NonZeroU32,
}

impl Default for Rates {
    fn default() -> Self {
        let of = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self {
            sign_in: of(10),
            approve: of(30),
            ci_exchange: of(120),
        }
    }
}

/// The counters of this process.
pub(crate) struct Limits {
    pub(crate) sign_in: Limit<IpAddr>,
    pub(crate) callback: Limit<IpAddr>,
    pub(crate) approve: Limit<i64>,
    pub(crate) ci_exchange: Limit<IpAddr>,
}

impl Limits {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            sign_in: Limit::per_minute(rates.sign_in),
            callback: Limit::per_minute(rates.sign_in),
            approve: Limit::per_minute(rates.approve),
            ci_exchange: Limit::per_minute(rates.ci_exchange),
        }
    }
}

/// Too many: try again after so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) retry_after: u64,
}

pub(crate) struct Limit<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    checks: AtomicU32,
}

/// Keys that are at rest are dropped once in so many checks.
const TIDY_EVERY: u32 = 1024;

impl<K: Hash + Eq + Clone> Limit<K> {
    fn per_minute(count: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(count)),
            clock: DefaultClock::default(),
            checks: AtomicU32::new(0),
        }
    }

    pub(crate) fn check(&self, key: &K) -> Result<(), TooMany> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|not_until| TooMany {
            retry_after: not_until.wait_time_from(self.clock.now()).as_secs() + 1,
        })
    }
}

/// Whom a limit counts: an IPv4 address, or the /64 network that one IPv6 subscriber has.
pub(crate) fn caller(state: &HttpState, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
    let peer = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
    let address = if state.config.behind_proxy {
        forwarded(headers).unwrap_or(peer)
    } else {
        peer
    };
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()?
        .to_str()
        .ok()?
        .rsplit(',')
        .next()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn r34_only_the_entry_that_our_proxy_wrote_is_believed() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded(&headers), None);
        headers.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1, 2.2.2.2"));
        headers.append("x-forwarded-for", HeaderValue::from_static("3.3.3.3, 4.4.4.4"));
        assert_eq!(forwarded(&headers), Some("4.4.4.4".parse().unwrap()));
    }

    #[test]
    fn r34_the_eleventh_in_a_minute_is_told_when_to_come_back() {
        let limits = Limits::new(Rates::default());
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..10 {
            assert_eq!(limits.sign_in.check(&one), Ok(()));
        }
        let refused = limits.sign_in.check(&one).unwrap_err();
        assert!((1..=7).contains(&refused.retry_after), "{refused:?}");
        assert_eq!(limits.sign_in.check(&other), Ok(()));
    }
}
