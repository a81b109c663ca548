//! What became of the form that was sent, once, above the page.

use super::icon::{Icon, icon};
use crate::visitor::{Flash, Tone};
use leptos::prelude::*;

pub(crate) fn flash(flash: Flash) -> impl IntoView {
    let (class, drawing, role) = match flash.tone {
        Tone::Done => ("flash good", Icon::Check, "status"),
        Tone::Failed => ("flash bad", Icon::Alert, "alert"),
    };
    view! {
        <div class=class role=role data-flash=if flash.tone == Tone::Done { "done" } else { "failed" }>
            {icon(drawing)}
            <p>
                <strong>{flash.title} "."</strong>
                {flash.detail.map(|detail| view! { " " <span>{detail}</span> })}
            </p>
        </div>
    }
}
