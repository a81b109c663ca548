//! Sends the request of a smoke test and reads its answer, for suites and monitors.
//!
//! The one invariant (R31): a connection is only ever opened to an address that was checked. The host is resolved once
//! for each request, every address found is checked, and the connection goes to one of those and to no other, so that a
//! second look at the name (DNS rebinding) changes nothing. A redirect is followed where the test allows it, and is
//! checked as the first address was. No proxy is used, whatever the environment says.
//!
//! Secrets are put into headers here, never sent to another origin, and taken out of what came back before it leaves
//! this module (R33).

pub mod url_safety;

use crate::error::chain;
use async_trait::async_trait;
use reqwest::{
    Client, RequestBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tidegate_domain::smoke::{Answer, HeaderValue, Response, Test, hide};
use url::{Host, Position, Url};
use url_safety::{Allow, Unsafe, checked, checked_url};

/// Bytes of a body that are read.
pub const BODY_MAX: usize = 64 * 1024;

/// Makes the request of one attempt.
#[async_trait]
pub trait Prober: Send + Sync {
    /// `base`: what the test's path is put behind. Never fails otherwise than in the answer.
    async fn probe(&self, base: &str, test: &Test, allow: &Allow) -> Answer;
}

/// What a host's name stands for.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// # Errors
    /// The name cannot be resolved.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Where the secrets are that headers name.
pub trait SecretSource: Send + Sync {
    /// # Errors
    /// Why there is none of this name, in words that hold no secret.
    fn secret(&self, name: &str) -> Result<SecretString, String>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Over HTTP and HTTPS.
#[derive(Clone)]
pub struct HttpProber {
    resolver: Arc<dyn Resolver>,
    secrets: Arc<dyn SecretSource>,
}

/// A header with its secret put in.
struct Header {
    name: String,
    value: header::HeaderValue,
    /// What was put in.
    secret: Option<SecretString>,
}

impl HttpProber {
    pub fn new(resolver: Arc<dyn Resolver>, secrets: Arc<dyn SecretSource>) -> Self {
        Self { resolver, secrets }
    }

    fn headers(&self, test: &Test) -> Result<Vec<Header>, String> {
        let header = |(name, written): (&String, &HeaderValue)| {
            let (text, secret) = match written {
                HeaderValue::Plain(text) => (text.clone(), None),
                HeaderValue::Secret { prefix, name } => {
                    let secret = self.secrets.secret(name)?;
                    (format!("{prefix}{}", secret.expose_secret()), Some(secret))
                }
            };
            let mut value = header::HeaderValue::from_str(&text)
                .map_err(|_| format!("header {name} holds what cannot be sent in a header, such as a line break"))?;
            value.set_sensitive(secret.is_some());
            Ok(Header {
                name: name.clone(),
                value,
                secret,
            })
        };
        test.headers.iter().map(header).collect()
    }

    async fn exchange(
        &self,
        base: &str,
        test: &Test,
        headers: &[Header],
        allow: &Allow,
        began: Instant,
    ) -> Result<Response, String> {
        let first = address(base, &test.path, allow)?;
        let mut url = first.clone();
        let mut hops = 0;
        let mut method = reqwest::Method::from_bytes(test.method.as_str().as_bytes()).map_err(|e| e.to_string())?;
        let mut body = test.body.clone();
        loop {
            let client = self.client_for(&url, allow).await?;
            let mut request = client.request(method.clone(), url.clone());
            request = with_headers(request, headers, same_origin(&first, &url), body.is_some());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let answer = request.send().await.map_err(|error| chain(&error.without_url()))?;
            let to = redirected(&answer, &url);
            let Some(to) = to.filter(|_| hops < test.redirects) else {
                return read(answer, began).await;
            };
            hops += 1;
            let status = answer.status().as_u16();
            // As browsers do (Fetch standard, HTTP-redirect fetch): the body goes no further, unless the status says so.
            if status == 303 || (matches!(status, 301 | 302) && method == reqwest::Method::POST) {
                method = reqwest::Method::GET;
                body = None;
            }
            let to = to.map_err(|error| format!("redirected to what is no address: {error}"))?;
            url = checked(to, allow).map_err(|error| format!("redirected: {error}"))?;
        }
    }

    /// A client that connects to addresses of this host that were checked, and knows of no others.
    async fn client_for(&self, url: &Url, allow: &Allow) -> Result<Client, String> {
        let mut known = Checked(Vec::new());
        if let Some(Host::Domain(host)) = url.host() {
            let found = self
                .resolver
                .resolve(host)
                .await
                .map_err(|error| format!("{host} cannot be resolved: {error}"))?;
            if found.is_empty() {
                return Err(format!("{host} resolves to nothing"));
            }
            for address in &found {
                allow.check(host, *address).map_err(|Unsafe(why)| why)?;
            }
            let port = url.port_or_known_default().unwrap_or_default();
            known.0 = found.into_iter().map(|address| (address, port).into()).collect();
        }
        Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .user_agent(concat!("tidegate-smoke/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(known))
            .build()
            .map_err(|error| chain(&error))
    }
}

/// The addresses of the one host that a client is for: whatever it asks, it learns of nothing else.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

#[async_trait]
impl Prober for HttpProber {
    async fn probe(&self, base: &str, test: &Test, allow: &Allow) -> Answer {
        let began = Instant::now();
        let patience = Duration::from_millis(u64::try_from(test.timeout_ms).unwrap_or_default());
        let nothing = |why: String| Answer::Nothing {
            why,
            after_ms: millis(began),
        };
        let headers = match self.headers(test) {
            Ok(headers) => headers,
            Err(why) => return nothing(why),
        };
        let exchange = self.exchange(base, test, &headers, allow, began);
        let answer = match tokio::time::timeout(patience, exchange).await {
            Ok(Ok(response)) => Answer::Response(response),
            Ok(Err(why)) => nothing(why),
            Err(_) => nothing(format!("not within {} ms", test.timeout_ms)),
        };
        without(answer, &headers)
    }
}

/// The test's address: the base's own path, then the test's.
fn address(base: &str, path: &str, allow: &Allow) -> Result<Url, String> {
    let mut text = base.trim_end_matches('/').to_owned();
    let _ = write!(text, "{path}");
    let base = checked_url(base, allow).map_err(|error| error.to_string())?;
    let url = checked_url(&text, allow).map_err(|error| error.to_string())?;
    // A path that becomes part of the host (`@elsewhere`) leads nowhere.
    if same_origin(&base, &url) {
        Ok(url)
    } else {
        Err("the test's path leads to another host".to_owned())
    }
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one[..Position::BeforePath] == other[..Position::BeforePath]
}

fn with_headers(mut request: RequestBuilder, headers: &[Header], at_home: bool, has_body: bool) -> RequestBuilder {
    let named = |name: &str| headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    for header in headers.iter().filter(|header| at_home || header.secret.is_none()) {
        request = request.header(&header.name, header.value.clone());
    }
    if has_body && !named("content-type") {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request
}

/// Where an answer sends the request on, if it does.
fn redirected(answer: &reqwest::Response, from: &Url) -> Option<Result<Url, url::ParseError>> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = answer.headers().get(header::LOCATION)?;
    Some(from.join(&String::from_utf8_lossy(to.as_bytes())))
}

async fn read(mut answer: reqwest::Response, began: Instant) -> Result<Response, String> {
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let mut body: Vec<u8> = Vec::new();
    let mut cut = false;
    while let Some(part) = answer
        .chunk()
        .await
        .map_err(|error| format!("its body broke off: {}", chain(&error.without_url())))?
    {
        let room = BODY_MAX - body.len();
        body.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            cut = true;
            break;
        }
    }
    Ok(Response {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        cut,
        latency_ms: millis(began),
    })
}

/// What came back without what was put in.
fn without(answer: Answer, headers: &[Header]) -> Answer {
    let mut secrets: Vec<&str> = headers
        .iter()
        .filter_map(|header| Some(header.secret.as_ref()?.expose_secret()))
        .collect();
    // The longest first, so that none is left over by half.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    match answer {
        Answer::Response(response) => Answer::Response(Response {
            headers: response
                .headers
                .into_iter()
                .map(|(name, value)| (name, hide(&value, &secrets)))
                .collect(),
            body: hide(&response.body, &secrets),
            ..response
        }),
        Answer::Nothing { why, after_ms } => Answer::Nothing {
            why: hide(&why, &secrets),
            after_ms,
        },
    }
}

fn millis(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}
