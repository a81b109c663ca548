//! The pages over a sample world, without server or database: for looking at them, and for designing new ones.
//!
//! `cargo run -p tidegate-app --features ssr --example preview` listens on <http://127.0.0.1:4600> (or on `PREVIEW_PORT`).
//! The style sheet is read from `style/` at each request; the islands run when `$CARGO_TARGET_DIR/site` was built.
//! Cookies: `theme` (light, dark), `as=nobody` (signed out), `world=empty`, `world=hostile`.

mod health;
mod monitors;
mod portal;
mod rolling;
mod verified;
mod world;

use axum::{
    Form, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response, sse},
    routing::{get, post},
};
use leptos::prelude::provide_context;
use portal::{Sample, actor};
use std::{collections::BTreeMap, convert::Infallible, path::PathBuf, sync::Arc, sync::Mutex};
use tidegate_app::{
    Flash, SiteAssets, Theme, Tone, Visitor,
    health::LabAsk,
    model::Viewer,
    portal::Portal,
    shell::{routes, shell},
};
use tidegate_domain::{id::DeploymentId, revision::RevisionHash};
use tokio::sync::broadcast;

#[derive(Clone)]
struct Preview {
    sample: Arc<Sample>,
    empty: Arc<Sample>,
    hostile: Arc<Sample>,
    assets: SiteAssets,
    changes: broadcast::Sender<String>,
    /// Of the last form; shown once.
    flash: Arc<Mutex<Option<Flash>>>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn site() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("site")
}

fn assets() -> SiteAssets {
    let built = std::fs::read_to_string(site().join("manifest.json")).ok();
    let mut names: BTreeMap<String, String> = built
        .and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default();
    names.insert("tidegate.css".to_owned(), "style/main.css".to_owned());
    names.insert("favicon.svg".to_owned(), "public/favicon.svg".to_owned());
    names.into_iter().collect()
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let pages = routes().len();
    let (changes, _) = broadcast::channel(64);
    let tell = changes.clone();
    let sample = Sample::new(move |id, version| {
        // Nobody may be listening.
        let _ = tell.send(format!("{id} {version}"));
    });
    for (id, state) in sample.ids() {
        println!("{:18} /deployments/{id}", state.words());
    }
    let preview = Preview {
        sample: Arc::new(sample),
        empty: Arc::new(Sample::empty()),
        hostile: Arc::new(Sample::with_text(
            "<script>alert(1)</script> and a-word-without-a-place-to-break-"
                .repeat(3)
                .as_str(),
        )),
        assets: assets(),
        changes,
        flash: Arc::default(),
    };
    let app = Router::new()
        .route("/events", get(events))
        .route("/theme", post(theme))
        .route("/auth/{*rest}", get(signed).post(signed))
        .route("/deployments", post(request))
        .route("/lab", post(lab).get(page))
        .route("/deployments/{id}/{act}", post(act).get(page))
        .route(
            "/style/{*file}",
            get(|Path(file): Path<String>| file_of(root().join("style").join(file))),
        )
        .route(
            "/public/{*file}",
            get(|Path(file): Path<String>| file_of(root().join("app/public").join(file))),
        )
        .route(
            "/pkg/{*file}",
            get(|Path(file): Path<String>| file_of(site().join("pkg").join(file))),
        )
        .fallback(page)
        .with_state(preview);
    let port = std::env::var("PREVIEW_PORT").unwrap_or_else(|_| "4600".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("{pages} pages at http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split("; ")
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

fn visitor(headers: &HeaderMap, flash: Option<Flash>) -> Visitor {
    let theme = cookie(headers, "theme")
        .map(|name| Theme::parse(&name))
        .unwrap_or_default();
    if cookie(headers, "as").as_deref() == Some("nobody") {
        return Visitor {
            theme,
            ..Visitor::default()
        };
    }
    Visitor {
        viewer: Some(Viewer { ..world::viewer() }),
        actor: Some(actor()),
        flash,
        theme,
        ..Visitor::default()
    }
}

async fn page(State(preview): State<Preview>, request: Request) -> Response {
    let shown = request.headers().get("x-live").is_none();
    let flash = if shown {
        preview.flash.lock().ok().and_then(|mut flash| flash.take())
    } else {
        None
    };
    let visitor = visitor(request.headers(), flash);
    let sample = match cookie(request.headers(), "world").as_deref() {
        Some("empty") => preview.empty,
        Some("hostile") => preview.hostile,
        _ => preview.sample,
    };
    let ask = request.extensions().get::<LabAsk>().cloned();
    let handler = leptos_axum::render_app_async_with_context(
        move || {
            provide_context::<Arc<dyn Portal>>(sample.clone());
            provide_context(preview.assets.clone());
            provide_context(visitor.clone());
            if let Some(ask) = ask.clone() {
                provide_context(ask);
            }
            let nonce = leptos::nonce::use_nonce()
                .map(|nonce| nonce.to_string())
                .unwrap_or_default();
            let policy = format!(
                "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
            );
            if let (Some(response), Ok(policy)) = (
                leptos::prelude::use_context::<leptos_axum::ResponseOptions>(),
                policy.parse(),
            ) {
                response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
            }
        },
        shell,
    );
    handler(request).await
}

/// The lab's form, answered with the page.
async fn lab(
    State(preview): State<Preview>,
    headers: HeaderMap,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Response {
    let field = |name: &str| fields.get(name).cloned().filter(|text| !text.is_empty());
    let ask = LabAsk {
        service: field("service"),
        environment: field("environment"),
        from: field("from"),
        to: field("to"),
        old: field("old"),
        new: field("new"),
        draft: field("draft"),
    };
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = axum::http::Uri::from_static("/lab");
    *request.headers_mut() = headers;
    request.extensions_mut().insert(ask);
    page(State(preview), request).await
}

async fn events(State(preview): State<Preview>) -> impl IntoResponse {
    let mut changes = preview.changes.subscribe();
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<sse::Event, Infallible>>(16);
    tokio::spawn(async move {
        let hello = sse::Event::default().event("hello").data("");
        if sender.send(Ok(hello)).await.is_err() {
            return;
        }
        while let Ok(change) = changes.recv().await {
            if sender
                .send(Ok(sse::Event::default().event("deployment").data(change)))
                .await
                .is_err()
            {
                break;
            }
        }
    });
    sse::Sse::new(tokio_stream::wrappers::ReceiverStream::new(receiver)).keep_alive(sse::KeepAlive::default())
}

async fn act(
    State(preview): State<Preview>,
    Path((id, act)): Path<(DeploymentId, String)>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Redirect {
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let portal = &preview.sample;
    let (title, done) = match act.as_str() {
        "approve" => (
            "Approved",
            portal
                .approve(
                    &actor(),
                    id,
                    RevisionHash(field("revision")),
                    Some(field("comment")).filter(|text| !text.is_empty()),
                )
                .await,
        ),
        "reject" => ("Rejected", portal.reject(&actor(), id, field("reason")).await),
        "cancel" => ("Cancelled", portal.cancel(&actor(), id, field("reason")).await),
        _ => (
            "Rolling back",
            portal.roll_back(&actor(), id, field("reason")).await.map(drop),
        ),
    };
    let flash = match done {
        Ok(()) => Flash {
            title: format!("{title}."),
            ..Flash::default()
        },
        Err(error) => Flash {
            tone: Tone::Failed,
            title: format!("Not done: {error}."),
            detail: Some("What you typed is kept.".to_owned()),
            kept: fields,
            form: Some(act),
        },
    };
    keep(&preview, flash);
    Redirect::to(&format!("/deployments/{id}"))
}

async fn request(
    State(preview): State<Preview>,
    headers: HeaderMap,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Redirect {
    let flash = Flash {
        tone: Tone::Failed,
        title: "Not requested.".to_owned(),
        detail: Some("The preview has no worker. What you typed is kept.".to_owned()),
        kept: fields,
        form: Some("deployments".to_owned()),
    };
    keep(&preview, flash);
    let back = headers
        .get(header::REFERER)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.split("4600").nth(1))
        .unwrap_or("/");
    Redirect::to(back)
}

fn keep(preview: &Preview, flash: Flash) {
    if let Ok(mut kept) = preview.flash.lock() {
        *kept = Some(flash);
    }
}

async fn theme(Form(fields): Form<BTreeMap<String, String>>) -> impl IntoResponse {
    let theme = fields.get("theme").map(|name| Theme::parse(name)).unwrap_or_default();
    (
        [(header::SET_COOKIE, format!("theme={}; Path=/", theme.name()))],
        Redirect::to(fields.get("return_to").map_or("/", String::as_str)),
    )
}

async fn signed(request: Request) -> impl IntoResponse {
    let who = if request.uri().path().ends_with("sign-out") {
        "nobody"
    } else {
        "dana"
    };
    ([(header::SET_COOKIE, format!("as={who}; Path=/"))], Redirect::to("/"))
}

async fn file_of(path: PathBuf) -> Response {
    let kind = match path.extension().and_then(|it| it.to_str()) {
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    match tokio::fs::read(&path).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, kind)], Body::from(bytes)).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
