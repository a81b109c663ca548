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

/// The command that reports the first release of a service, to be pasted into its workflow.
pub(crate) fn register_command(service: &str) -> impl IntoView {
    let command = format!(
        r#"TOKEN=$(curl -sS -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=tidegate" | jq -r .value)
curl -sS --fail-with-body -X POST "$TIDEGATE_URL/api/v1/releases" \
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \
  -d '{{"service": "{service}", "commit": "'$GITHUB_SHA'", "git_ref": "'$GITHUB_REF'",
       "image": "REGISTRY/REPOSITORY:sha-COMMIT@sha256:DIGEST"}}'"#
    );
    view! {
        <pre class="command" tabindex="0"><code>{command}</code></pre>
    }
}
