//! The pages a browser sees while signing in. Plain HTML that works without scripts, in the reader's
//! colour scheme, in any width.

use std::fmt::Write as _;

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};

use super::{GitHub, oauth::AuthorizeRequest};

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--page:#f6f8fa;--card:#fff;--go:#1f6f3d}
@media(prefers-color-scheme:dark){:root{--ink:#f0f6fc;--soft:#9da7b1;--line:#3d444d;--page:#0d1117;--card:#151b23;--go:#7ee2a0}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:30rem;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 .5rem;text-wrap:balance}
p{margin:0 0 1rem;color:var(--soft)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.75rem;overflow:hidden;list-style:none;margin:0 0 1rem;padding:0}
.card li+li{border-top:1px solid var(--line)}
button{display:flex;gap:.75rem;align-items:center;width:100%;min-height:3.5rem;padding:.5rem 1rem;border:0;background:none;color:inherit;font:inherit;text-align:start;cursor:pointer}
button:hover{background:var(--page)}
button:focus-visible{outline:3px solid var(--go);outline-offset:-3px}
button img{border-radius:50%;flex:none}
button b{display:block;overflow-wrap:anywhere}
button small{color:var(--soft);font-size:.875rem}
button em{margin-inline-start:auto;font-style:normal;font-size:.875rem;color:var(--go)}
.deny{justify-content:center;border:1px solid var(--line);border-radius:.75rem;min-height:2.75rem}
";

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// Asks which account signs in; the hinted one comes first.
pub(crate) fn choose(github: &GitHub, app: &str, request: &AuthorizeRequest) -> String {
    let world = github.world();
    let mut people: Vec<_> = world.users.values().collect();
    let hint = request.login.as_deref().unwrap_or_default();
    people.sort_by_key(|user| (!user.login.eq_ignore_ascii_case(hint), user.login.clone()));

    let mut body = format!(
        "<h1>Sign in to continue to {}</h1>\n<p>This is the sandbox: choose who you are. {}</p>\n\
         <form method=\"post\" action=\"/login/oauth/authorize\">\n",
        escape(app),
        scopes(request.scope.as_deref().unwrap_or_default()),
    );
    for (name, value) in [
        ("client_id", &request.client_id),
        ("redirect_uri", &request.redirect_uri),
        ("scope", &request.scope),
        ("state", &request.state),
        ("code_challenge", &request.code_challenge),
        ("code_challenge_method", &request.code_challenge_method),
    ] {
        if let Some(value) = value {
            let value = escape(value);
            let _ = writeln!(body, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        }
    }
    body.push_str("<ul class=\"card\">\n");
    for user in &people {
        let login = escape(&user.login);
        let mut about = vec![user.name.as_deref().unwrap_or(&user.login)];
        about.extend(world.teams_of(user.id));
        let about = escape(&about.join(" · "));
        let suggested = if user.login.eq_ignore_ascii_case(hint) {
            "<em>suggested</em>"
        } else {
            ""
        };
        let _ = writeln!(
            body,
            "<li><button name=\"user\" value=\"{login}\">\
             <img src=\"/avatars/u/{}\" alt=\"\" width=\"36\" height=\"36\">\
             <span><b>{login}</b><small>{about}</small></span>{suggested}</button></li>",
            user.id
        );
    }
    body.push_str("</ul>\n<button class=\"deny\" name=\"user\" value=\"\">Cancel</button>\n</form>\n");
    page(&format!("Sign in · {}", escape(app)), &body)
}

fn scopes(text: &str) -> String {
    if text.is_empty() {
        "The application sees your public profile.".into()
    } else {
        format!("The application asks for <b>{}</b>.", escape(text))
    }
}

pub(crate) fn not_found() -> String {
    page(
        "Page not found",
        "<h1>Page not found</h1>\n<p>No application has this client id.</p>\n",
    )
}

pub(crate) fn problem(sentence: &str) -> String {
    page(
        "Sign-in failed",
        &format!("<h1>Sign-in failed</h1>\n<p>{}</p>\n", escape(sentence)),
    )
}

/// A picture for an account: its initial on a colour of its own.
pub(crate) async fn avatar(State(github): State<GitHub>, Path(id): Path<u64>) -> Response {
    let world = github.world();
    let login = world.users.get(&id).map_or("?", |user| &user.login);
    let initial = escape(&login.chars().take(1).collect::<String>().to_uppercase());
    let hue = id.wrapping_mul(47) % 360;
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\">\
         <rect width=\"40\" height=\"40\" fill=\"hsl({hue} 45% 38%)\"/>\
         <text x=\"20\" y=\"27\" font-family=\"sans-serif\" font-size=\"20\" fill=\"#fff\" \
         text-anchor=\"middle\">{initial}</text></svg>"
    );
    (
        [
            (header::CONTENT_TYPE, "image/svg+xml"),
            (header::CACHE_CONTROL, "max-age=3600"),
        ],
        picture,
    )
        .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
