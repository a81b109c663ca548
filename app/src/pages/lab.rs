//! The lab: two health definitions over the deployments that were recorded. Nothing here changes anything.

use super::{Live, load, main};
use crate::{
    components::{
        empty::empty,
        field::{choice, escaped, filter_text},
        icon::{Icon, icon},
        label::when,
        state::{Meaning, mark},
    },
    health::{DRAFT, LabAnswer, LabAsk, LabFound, LabPage, LabRow},
    rpc,
    words::counted,
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use tidegate_domain::{
    Timestamp,
    health::{Ending, Mark, Replay, Tally},
    time::{SECOND, span_words},
};

pub(crate) fn page() -> impl IntoView {
    // A form that was posted brings the draft; otherwise everything is in the address.
    let ask = use_context::<LabAsk>().unwrap_or_else(asked);
    let shown = ask.clone();
    load(rpc::lab(ask), move |page| show(page, &shown))
}

fn asked() -> LabAsk {
    let query = use_query_map().get_untracked();
    let given = |name| {
        query
            .get(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    LabAsk {
        service: given("service"),
        environment: given("environment"),
        from: given("from"),
        to: given("to"),
        old: given("old"),
        new: given("new"),
        draft: None,
    }
}

fn show(page: LabPage, ask: &LabAsk) -> AnyView {
    let now = page.now;
    let answer = match &page.answer {
        LabAnswer::NotAsked => view! {
            <p class="muted">"Choose a second definition, or write a draft: the lab shows what each would have done to the deployments that were recorded. It changes nothing."</p>
        }
        .into_any(),
        LabAnswer::Wrong { problems } => wrong(problems).into_any(),
        LabAnswer::Found(found) => found_view(found, now).into_any(),
    };
    let pairs = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>();
    let services = pairs(page.services.iter().map(ToString::to_string).collect());
    let environments = pairs(page.environments.iter().map(ToString::to_string).collect());
    let mut news = page.definitions.clone();
    news.insert(0, (DRAFT.to_owned(), "the draft below".to_owned()));
    let drafting = ask.new.as_deref() == Some(DRAFT);
    main(
        "Health lab".to_owned(),
        Live::Still,
        "page lab",
        Some(now),
        view! {
            <div class="page-head">
                <h1>"Health lab"</h1>
                <p class="summary">"Two health definitions over the same recorded deployments, side by side."</p>
            </div>
            <form class="lab-form" method="post" action="/lab" aria-label="What to compare" data-keep="">
                <div class="filters">
                    {choice("service", "Service", "all services", services, ask.service.as_deref())}
                    {choice("environment", "Environment", "all environments", environments, ask.environment.as_deref())}
                    {filter_text("from", "From", "date", "", ask.from.as_deref())}
                    {filter_text("to", "To", "date", "", ask.to.as_deref())}
                </div>
                <div class="filters">
                    {choice("old", "Old", "what is in force", page.definitions.clone(), ask.old.as_deref())}
                    {choice("new", "New", "choose…", news, ask.new.as_deref())}
                    <div class="filter-do"><button class="button primary">"Compare"</button></div>
                </div>
                <details class="draft" id="draft" open=drafting>
                    <summary>"Draft"</summary>
                    <div class="field">
                        <label for="draft-text">"A definition as it would stand in the configuration"</label>
                        <textarea id="draft-text" name="draft" rows="16" spellcheck="false" class="code" aria-describedby="draft-hint" inner_html=escaped(&page.draft)></textarea>
                        <p class="hint" id="draft-hint">"Choose “the draft below” as the new definition to try it. It is not kept."</p>
                    </div>
                </details>
            </form>
            {answer}
        },
    )
}

fn wrong(problems: &[String]) -> impl IntoView + use<> {
    let items = problems
        .iter()
        .map(|problem| view! { <li>{problem.clone()}</li> })
        .collect_view();
    view! {
        <section class="lab-wrong" role="alert" aria-labelledby="lab-wrong">
            <h2 id="lab-wrong">{icon(Icon::Alert)} "This cannot be compared"</h2>
            <ul>{items}</ul>
        </section>
    }
}

fn found_view(found: &LabFound, now: Timestamp) -> impl IntoView + use<> {
    if found.rows.is_empty() {
        let hint = if found.left_out > 0 {
            "Those of this period were thinned with age, or their target has no definition to compare with."
        } else {
            "A deployment is recorded while its target names a health definition. Choose a longer period, or all services."
        };
        return empty(
            Icon::Search,
            "No recorded deployment to compare on",
            view! { <p>{hint}</p> },
        )
        .into_any();
    }
    let differing: Vec<&LabRow> = found.rows.iter().filter(|row| row.differs()).collect();
    let count = counted(differing.len(), "deployment", "deployments");
    let rest = found.rows.len() - differing.len();
    let list = if differing.is_empty() {
        view! { <p class="mark good">{icon(Icon::Check)} <span>"Both would have done the same, at the same moments, to every one of them."</span></p> }.into_any()
    } else {
        let rows = differing.iter().map(|row| one(row, now)).collect_view();
        view! {
            <div class="scroll">
                <table class="rows lab-rows">
                    <thead>
                        <tr>
                            <th scope="col">"Deployment"</th>
                            <th scope="col">"Happened"</th>
                            <th scope="col">"Marked"</th>
                            <th scope="col">"Old"</th>
                            <th scope="col">"New"</th>
                            <th scope="col">"New acts"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let marked = found.rows.iter().filter(|row| row.side.mark.is_some()).count();
    let more = found
        .more
        .then_some(" Only the newest are compared: choose a shorter period for older ones.");
    let left_out = (found.left_out > 0).then(|| {
        format!(
            " {} left out: thinned with age, or without a definition to compare with.",
            counted(found.left_out, "recording", "recordings")
        )
    });
    view! {
        <section aria-labelledby="lab-counts">
            <h2 id="lab-counts">"Over " {counted(found.rows.len(), "deployment", "deployments")}</h2>
            {tallies(found)}
            <p class="muted">{format!("{} marked by people.", counted(marked, "deployment is", "deployments are"))} {left_out} {more}</p>
        </section>
        <section aria-labelledby="lab-differ">
            <h2 id="lab-differ">{format!("{count} where they differ")} <span class="muted">{(rest > 0).then(|| format!("{rest} the same"))}</span></h2>
            {list}
        </section>
    }
    .into_any()
}

fn tallies(found: &LabFound) -> impl IntoView + use<> {
    type Member = fn(&Tally) -> u32;
    let members: [(&str, &str, Member, bool); 8] = [
        ("Rolled back", "", |tally| tally.rolled_back, false),
        ("Held", "", |tally| tally.held, false),
        ("Let through", "", |tally| tally.passed, false),
        (
            "Undecided",
            "ended before enough was measured",
            |tally| tally.undecided,
            false,
        ),
        (
            "False rollbacks",
            "rolled back, and people say it was fine",
            |tally| tally.false_rollbacks,
            true,
        ),
        (
            "False holds",
            "held, and people say it was fine",
            |tally| tally.false_holds,
            true,
        ),
        (
            "Misses",
            "let through, and people say it was an incident",
            |tally| tally.misses,
            true,
        ),
        (
            "Caught",
            "rolled back or held, and it was an incident",
            |tally| tally.caught,
            false,
        ),
    ];
    let rows = members
        .into_iter()
        .map(|(name, hint, of, fewer_is_better)| {
            let (old, new) = (of(&found.old), of(&found.new));
            let judged = fewer_is_better || name == "Caught";
            let better = if fewer_is_better { new < old } else { new > old };
            let class = if !judged || old == new {
                "number"
            } else if better {
                "number better"
            } else {
                "number worse"
            };
            let said = (judged && old != new).then_some(if better { "better" } else { "worse" });
            view! {
                <tr>
                    <th scope="row">{name} {(!hint.is_empty()).then(|| view! { <span class="note wraps muted">{hint}</span> })}</th>
                    <td class="number">{old}</td>
                    <td class=class>{new} {said.map(|said| view! { <span class="note">{said}</span> })}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <table class="tallies">
            <thead>
                <tr>
                    <th scope="col"><span class="sr">"What"</span></th>
                    <th scope="col" class="number">"Old" <span class="note wraps muted">{found.old_name.clone()}</span></th>
                    <th scope="col" class="number">"New" <span class="note wraps muted">{found.new_name.clone()}</span></th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}

fn one(row: &LabRow, now: Timestamp) -> impl IntoView + use<> {
    let href = format!("/deployments/{}/health", row.deployment);
    let marked = match row.side.mark {
        Some(Mark::Incident) => mark(Meaning::Bad, Icon::Alert, "incident").into_any(),
        Some(Mark::Fine) => mark(Meaning::Good, Icon::Check, "fine").into_any(),
        None => view! { <span class="muted">"–"</span> }.into_any(),
    };
    let happened = row.happened.map(|happened| ending(happened.ending).into_any());
    view! {
        <tr>
            <td><a href=href>{row.service.to_string()} " → " {row.environment.to_string()}</a> <span class="note muted">{when(row.began_at, now)}</span></td>
            <td>{happened.unwrap_or_else(|| view! { <span class="muted">"still runs"</span> }.into_any())}</td>
            <td>{marked}</td>
            <td><span class="narrow muted">"Old: "</span> {side(&row.side.old)}</td>
            <td><span class="narrow muted">"New: "</span> {side(&row.side.new)}</td>
            <td>{earlier(row.side.earlier_seconds)}</td>
        </tr>
    }
}

fn ending(ending: Ending) -> impl IntoView {
    match ending {
        Ending::Passed => mark(Meaning::Good, Icon::Check, "let through"),
        Ending::Held => mark(Meaning::Waiting, Icon::Hand, "held"),
        Ending::RolledBack => mark(Meaning::Bad, Icon::Back, "rolled back"),
        Ending::Undecided => mark(Meaning::Quiet, Icon::Clock, "undecided"),
    }
}

fn side(replay: &Replay) -> impl IntoView + use<> {
    let why = replay.decided().map(|act| act.words.clone());
    view! {
        {ending(replay.ending)}
        {why.map(|why| view! { <span class="note wraps muted">{why}</span> })}
    }
}

/// Sooner or later than the old one.
fn earlier(seconds: Option<i64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(0) => "at the same moment".to_owned(),
        Some(seconds) if seconds > 0 => format!("{} earlier", span_words(seconds * SECOND)),
        Some(seconds) => format!("{} later", span_words(-seconds * SECOND)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sooner_and_later_are_said_in_words() {
        assert_eq!(earlier(Some(90)), "1 min 30 s earlier");
        assert_eq!(earlier(Some(-30)), "30 s later");
        assert_eq!(earlier(None), "–");
    }
}
