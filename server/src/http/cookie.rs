//! Cookies: names, attributes and reading them.
//!
//! Over HTTPS every cookie has the prefix `__Host-` and `Secure`, so that no other host and no plain connection can set
//! or see it. `SameSite=Lax` and not `Strict`: people come from links in GitHub and chat, and with `Strict` they would
//! arrive signed out; mutations are guarded by [`super::guard`] beside it. Plain names are for loopback HTTP only.

use http::{HeaderMap, HeaderValue, header};
use url::{Host, Url};

/// How cookies are named and flagged, by the address people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieMode {
    Https,
    LoopbackHttp,
}

/// An address over which no session may travel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is neither HTTPS nor on this machine: sessions would travel in the clear. Set server.public_url to an https address"
)]
pub struct InsecureAddress(pub Url);

impl CookieMode {
    /// # Errors
    /// Plain HTTP to another host than this machine.
    pub(crate) fn of(public_url: &Url) -> Result<Self, InsecureAddress> {
        let loopback = match public_url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match public_url.scheme() {
            "https" => Ok(Self::Https),
            "http" if loopback => Ok(Self::LoopbackHttp),
            _ => Err(InsecureAddress(public_url.clone())),
        }
    }

    pub(crate) const fn session(self) -> &'static str {
        match self {
            Self::Https => "__Host-tidegate",
            Self::LoopbackHttp => "tidegate",
        }
    }

    /// Binds a sign-in that was begun to the browser that began it.
    pub(crate) const fn sign_in(self) -> &'static str {
        match self {
            Self::Https => "__Host-tidegate-signin",
            Self::LoopbackHttp => "tidegate-signin",
        }
    }

    /// Set for a moment when a form was posted without a session.
    pub(crate) const fn unsent(self) -> &'static str {
        match self {
            Self::Https => "__Host-tidegate-unsent",
            Self::LoopbackHttp => "tidegate-unsent",
        }
    }

    /// A `Set-Cookie` value that ends with the browser session, or after `max_age` seconds.
    pub(crate) fn set(self, name: &str, value: &str, max_age: Option<u32>) -> Option<HeaderValue> {
        let secure = match self {
            Self::Https => "; Secure",
            Self::LoopbackHttp => "",
        };
        let age = max_age
            .map(|seconds| format!("; Max-Age={seconds}"))
            .unwrap_or_default();
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")).ok()
    }

    pub(crate) fn clear(self, name: &str) -> Option<HeaderValue> {
        self.set(name, "", Some(0))
    }
}

/// The value of a cookie. Where a name comes twice the request is not trusted with either.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let first = found.next()?;
    (found.next().is_none() && !first.is_empty()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<CookieMode, InsecureAddress> {
        CookieMode::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn r25_cookies_over_https_are_bound_to_the_host() {
        let mode = mode("https://tidegate.acme.test").unwrap();
        assert_eq!(
            mode.set(mode.session(), "abc", None).unwrap(),
            "__Host-tidegate=abc; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn r25_plain_names_are_for_this_machine_only() {
        for url in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"] {
            assert_eq!(mode(url), Ok(CookieMode::LoopbackHttp), "{url}");
        }
        for url in [
            "http://tidegate.acme.test",
            "http://10.0.0.1",
            "http://localhost.acme.test",
            "ftp://localhost",
        ] {
            assert!(mode(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=1; tidegate=x; b=2"));
        assert_eq!(read(&headers, "tidegate"), Some("x"));
        assert_eq!(read(&headers, "c"), None);
        headers.append(header::COOKIE, HeaderValue::from_static("tidegate=y"));
        assert_eq!(read(&headers, "tidegate"), None);
    }
}
