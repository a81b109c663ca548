//! Form fields with their labels, hints and what was typed before.

use leptos::prelude::*;

/// A text of several lines. `required`: the form is not sent without it.
pub(crate) fn text_area(
    id: String,
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    required: bool,
    typed: Option<&str>,
) -> impl IntoView + use<> {
    let hint_id = format!("{id}-hint");
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <textarea
                id=id
                name=name
                rows="2"
                maxlength="2000"
                required=required
                aria-describedby=(!hint.is_empty()).then(|| hint_id.clone())
                inner_html=escaped(typed.unwrap_or_default())
            ></textarea>
            {(!hint.is_empty()).then(|| view! { <p class="hint" id=hint_id>{hint}</p> })}
        </div>
    }
}

/// Leptos leaves the children of a text area as they are: what a person typed would be read as HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One choice of many; the empty value stands for `all`.
pub(crate) fn choice(
    name: &'static str,
    label: &'static str,
    all: &'static str,
    options: Vec<(String, String)>,
    chosen: Option<&str>,
) -> impl IntoView + use<> {
    let chosen = chosen.unwrap_or_default().to_owned();
    // What the configuration no longer names can still be filtered by.
    let gone = (!chosen.is_empty() && !options.iter().any(|(value, _)| *value == chosen)).then(|| {
        view! { <option value=chosen.clone() selected=true>{chosen.clone()}</option> }
    });
    let options = options
        .into_iter()
        .map(|(value, words)| {
            let selected = value == chosen;
            view! { <option value=value selected=selected>{words}</option> }
        })
        .collect_view();
    view! {
        <label class="filter">
            <span>{label}</span>
            <select name=name>
                <option value="">{all}</option>
                {gone}
                {options}
            </select>
        </label>
    }
}

/// One line of text in a filter row. `kind`: `search`, `text` or `date`.
pub(crate) fn filter_text(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    placeholder: &'static str,
    value: Option<&str>,
) -> impl IntoView + use<> {
    view! {
        <label class="filter">
            <span>{label}</span>
            <input
                type=kind
                name=name
                value=value.unwrap_or_default().to_owned()
                placeholder=placeholder
                data-search=(kind == "search").then_some("")
            />
        </label>
    }
}
