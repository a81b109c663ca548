//! Empty states: what would be here, and how to make the first one.

use super::icon::{Icon, icon};
use leptos::prelude::*;

/// A sentence that says what is not here and what makes it appear.
pub(crate) fn empty(drawing: Icon, title: impl Into<String>, hint: impl IntoView) -> impl IntoView {
    view! {
        <div class="empty">
            {icon(drawing)}
            <p class="empty-title">{title.into()}</p>
            <div class="empty-hint">{hint}</div>
        </div>
    }
}

/// The commands that report the first release of a service, to be pasted into a step of its workflow.
pub(crate) fn register_command(service: &str) -> impl IntoView {
    let command = format!(
        r#"PROOF=$(curl -sS -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=tidegate" | jq -r .value)
TOKEN=$(curl -sS --fail-with-body "$TIDEGATE_URL/api/v1/ci/session" \
  -H "Authorization: Bearer $PROOF" --json '{{"service": "{service}"}}' | jq -r .token)
curl -sS --fail-with-body "$TIDEGATE_URL/api/v1/releases" \
  -H "Authorization: Bearer $TOKEN" --json '{{"service": "{service}",
    "commit": "'$GITHUB_SHA'", "ref": "'$GITHUB_REF'",
    "image": "REGISTRY/REPOSITORY:sha-COMMIT@sha256:DIGEST"}}'"#
    );
    view! {
        <pre class="command" tabindex="0"><code>{command}</code></pre>
    }
}
