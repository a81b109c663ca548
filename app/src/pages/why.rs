//! Why a deployment was held or rolled back, or went through: each rule with its values and limits, the evaluation that
//! decided with every sample, and what people said afterwards.

use super::{Live, load, main, visitor};
use crate::{
    components::{
        curve::{curve, samples},
        empty::empty,
        field::text_area,
        health::{counts, strip, ticks, verdict},
        icon::{Icon, icon},
        label::{arrow, full, person, when},
        state::badge,
    },
    health::{HealthBrief, HealthPage},
    model::Permission,
    portal::PortalError,
    rpc,
    words::{counted, utc},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidegate_domain::{
    Timestamp,
    health::{Condition, Evaluation, HealthDefinition, Mark, Number, Outcome, RuleEvaluation},
    id::DeploymentId,
};

pub(crate) fn page() -> impl IntoView {
    let id = use_params_map().get_untracked().get("id").unwrap_or_default();
    let id = id.parse::<DeploymentId>();
    load(
        async move {
            match id {
                Ok(id) => rpc::health(id).await,
                Err(error) => Err(PortalError::NotFound(error.to_string())),
            }
        },
        show,
    )
}

fn show(page: HealthPage) -> AnyView {
    let deployment = &page.deployment;
    let now = page.now;
    let id = deployment.id;
    let body = match page.evaluations.last() {
        None => nothing(&page).into_any(),
        Some(last) => view! {
            {decision(&page)}
            <section aria-labelledby="rules">
                <h2 id="rules">"Rules" <span class="muted">" as last evaluated " {when(last.at, now)}</span></h2>
                <ul class="rules">{last.rules.iter().map(|rule| rule_now(&page, last, rule)).collect_view()}</ul>
                {judged_by(&page, last)}
            </section>
            <section aria-labelledby="evaluations">
                <h2 id="evaluations">"All evaluations"</h2>
                {strip(&page.brief.outcomes)}
                {ends(&page.evaluations)}
                <p class="muted">{counts(&page.brief.outcomes)}</p>
            </section>
        }
        .into_any(),
    };
    main(
        format!(
            "Why · {} {} → {}",
            deployment.service, deployment.label, deployment.environment
        ),
        Live::One(id, page.version),
        "page why",
        Some(now),
        view! {
            <div class="deployment-head">
                <nav class="crumbs" aria-label="Breadcrumb">
                    <a href="/">"Services"</a>
                    <a href=format!("/services/{}", deployment.service)>{deployment.service.to_string()}</a>
                    <a href=format!("/deployments/{id}")>{deployment.label.clone()} {arrow("to")} {deployment.environment.to_string()}</a>
                </nav>
                <h1><span>"Health"</span> <code class="release">{deployment.label.clone()}</code> {arrow("to")} <span class="environment">{deployment.environment.to_string()}</span> {badge(deployment.state.name())}</h1>
            </div>
            {body}
            {afterwards(&page)}
        },
    )
}

/// Nothing was evaluated: why not, and what to write.
fn nothing(page: &HealthPage) -> impl IntoView + use<> {
    let (service, environment) = (
        page.deployment.service.to_string(),
        page.deployment.environment.to_string(),
    );
    match &page.brief.definition {
        Some(name) if page.deployment.run().is_none() => empty(
            Icon::Clock,
            "Nothing is evaluated yet",
            view! { <p>"The rules of " <strong>{name.clone()}</strong> " are evaluated from the moment the new version takes traffic."</p> },
        )
        .into_any(),
        Some(name) => empty(
            Icon::Search,
            "Nothing was evaluated",
            view! { <p>"It took no traffic, ended before the first evaluation, or came before " <strong>{name.clone()}</strong> " was written into the configuration."</p> },
        )
        .into_any(),
        None => {
            let example = format!("[[services.targets]]   # {service} in {environment}\nhealth = \"standard\"");
            empty(
                Icon::Search,
                "Nothing is evaluated here",
                view! {
                    <p>"The configuration names no health definition for " {service} " in " {environment} ": AWS alone watches its deployments. Write, for the definition with seven rules that ships:"</p>
                    <pre class="command" tabindex="0"><code>{example}</code></pre>
                },
            )
            .into_any()
        }
    }
}

/// The evaluation that rolled back, else the first that held.
fn decisive(evaluations: &[Evaluation]) -> Option<&Evaluation> {
    let first = |outcome| evaluations.iter().find(|evaluation| evaluation.outcome == outcome);
    first(Outcome::RollBack).or_else(|| first(Outcome::Hold))
}

fn decision(page: &HealthPage) -> impl IntoView + use<> {
    let Some(evaluation) = decisive(&page.evaluations) else {
        return view! {
            <div class="next good">{icon(Icon::Check)} <p><strong>"No rule held it or rolled it back."</strong></p></div>
        }
        .into_any();
    };
    let (class, drawing, what) = match evaluation.outcome {
        Outcome::RollBack => ("next bad", Icon::Back, "Rolled back by"),
        _ => ("next waiting", Icon::Hand, "Held by"),
    };
    let rule = evaluation.cause.clone().unwrap_or_default();
    let why = evaluation.why().unwrap_or_default().to_owned();
    let cause = evaluation.rule(&rule).map(|rule| expanded(page, rule));
    view! {
        <div class=class>
            {icon(drawing)}
            <p><strong>{what} " " {rule} ". "</strong> {why} " " <span class="muted">{full(evaluation.at)}</span></p>
        </div>
        {cause}
    }
    .into_any()
}

/// Everything that the evaluation saw of the rule that decided.
fn expanded(page: &HealthPage, rule: &RuleEvaluation) -> impl IntoView + use<> {
    let unit = rule.unit.clone();
    let compares = rule.samples.iter().any(|sample| sample.stable.is_some());
    let rows = rule
        .samples
        .iter()
        .map(|sample| {
            let counted = match (sample.value, sample.breach) {
                (None, true) => "missing, which counts as a breach",
                (None, false) => "missing",
                (_, true) => "beyond the limit",
                (_, false) => "within",
            };
            view! {
                <tr class=sample.breach.then_some("breach")>
                    <td class="cell-when">{clock(sample.at)}</td>
                    <td class="number">{value(sample.value, &unit)}</td>
                    {compares.then(|| view! { <td class="number">{value(sample.stable, &unit)}</td> })}
                    <td class="number">{value(sample.threshold, &unit)}</td>
                    <td>{counted}</td>
                </tr>
            }
        })
        .collect_view();
    let all = samples(&page.evaluations, &rule.rule);
    let drawn = curve(&all, rule.span_seconds, started(page), drawing_words(rule));
    let baseline = rule.baseline.map(|mean| {
        view! { <p class="muted">"Mean before the deployment: " {value(Some(mean), &unit)}</p> }
    });
    view! {
        <section class="decisive" aria-label="What decided">
            {drawn}
            <div class="scroll">
                <table class="samples">
                    <caption class="sr">"Samples that were judged"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"From (UTC)"</th>
                            <th scope="col" class="number">"Value"</th>
                            {compares.then(|| view! { <th scope="col" class="number">"Stable version"</th> })}
                            <th scope="col" class="number">"Limit"</th>
                            <th scope="col">"Counted as"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {baseline}
        </section>
    }
}

fn rule_now(page: &HealthPage, last: &Evaluation, rule: &RuleEvaluation) -> impl IntoView + use<> {
    let newest = rule.samples.iter().rev().find(|sample| sample.value.is_some());
    let facts = newest.map(|sample| {
        view! {
            <dl class="rule-facts">
                <div><dt>"Value"</dt><dd>{value(sample.value, &rule.unit)}</dd></div>
                <div><dt>"Limit"</dt><dd>{value(sample.threshold, &rule.unit)}</dd></div>
                {needed(page.definition.as_ref(), rule).map(|needed| view! { <div><dt>"Breach"</dt><dd>{needed}</dd></div> })}
                <div><dt>"Last samples"</dt><dd>{ticks(&rule.samples)} <span class="sr">{said_of(rule)}</span></dd></div>
            </dl>
        }
    });
    let all = samples(&page.evaluations, &rule.rule);
    let drawn = curve(&all, rule.span_seconds, started(page), drawing_words(rule));
    view! {
        <li class="rule">
            <p class="rule-head">
                <strong>{rule.rule.clone()}</strong> " " {verdict(rule.verdict)}
                " " <span class="muted">"since " {when(since(&page.evaluations, rule, last.at), page.now)}</span>
            </p>
            <p>{rule.words.clone()}</p>
            {facts}
            {drawn}
        </li>
    }
}

/// Since when the verdict has been what it is.
fn since(evaluations: &[Evaluation], rule: &RuleEvaluation, last: Timestamp) -> Timestamp {
    let same = |evaluation: &&Evaluation| {
        evaluation
            .rule(&rule.rule)
            .is_some_and(|other| other.verdict == rule.verdict)
    };
    let unbroken = evaluations.iter().rev().take_while(same);
    unbroken.map(|evaluation| evaluation.at).last().unwrap_or(last)
}

/// `2 of 3`: how many of how many samples make a breach.
fn needed(definition: Option<&HealthDefinition>, rule: &RuleEvaluation) -> Option<String> {
    match &definition?.rule(&rule.rule)?.condition {
        Condition::Limits { during, .. } => {
            let (m, n) = during.of(rule.span_seconds);
            Some(format!("{m} of {n}"))
        }
        Condition::MannWhitney(_) => Some("all together".to_owned()),
    }
}

fn said_of(rule: &RuleEvaluation) -> String {
    let beyond = rule.samples.iter().filter(|sample| sample.breach).count();
    let gone = rule.samples.iter().filter(|sample| sample.value.is_none()).count();
    format!(
        "{}: {beyond} beyond the limit, {gone} missing",
        counted(rule.samples.len(), "sample", "samples")
    )
}

fn drawing_words(rule: &RuleEvaluation) -> String {
    let unit = if rule.unit.is_empty() {
        String::new()
    } else {
        format!(" in {}", rule.unit)
    };
    format!(
        "{}{unit} over the deployment, with its limit; {}",
        rule.rule,
        said_of(rule)
    )
}

fn started(page: &HealthPage) -> Option<Timestamp> {
    page.course.map(|course| course.started_at)
}

fn judged_by(page: &HealthPage, last: &Evaluation) -> impl IntoView + use<> {
    let short: String = last.version.chars().take(12).collect();
    let name = last.definition.clone();
    let version = if page.definition.is_some() {
        view! { <a href=format!("/health/{}", last.version)><code class="hash">{short}</code></a> }.into_any()
    } else {
        view! { <code class="hash">{short}</code> }.into_any()
    };
    let interval = page
        .definition
        .as_ref()
        .map(|definition| format!(", every {} s", definition.interval_seconds));
    view! {
        <p class="muted">"Judged by the definition " <strong>{name}</strong> " " {version} {interval}
            ". The dashed line is the limit in force; shaded is what was not measured."</p>
    }
}

fn ends(evaluations: &[Evaluation]) -> Option<impl IntoView + use<>> {
    let (first, last) = (evaluations.first()?, evaluations.last()?);
    Some(view! { <p class="strip-ends muted"><span>{utc(first.at)}</span> <span>{utc(last.at)}</span></p> })
}

/// `14:03:00`.
fn clock(at: Timestamp) -> impl IntoView {
    let words: String = at.to_string().chars().skip(11).take(8).collect();
    view! { <time datetime=at.to_string() title=utc(at)>{words}</time> }
}

fn value(value: Option<Number>, unit: &str) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| {
            if unit.is_empty() {
                value.words()
            } else {
                format!("{}\u{a0}{unit}", value.words())
            }
        },
    )
}

/// What people said, and the form to say it.
fn afterwards(page: &HealthPage) -> Option<impl IntoView + use<>> {
    let over = page.deployment.run().is_some() && page.deployment.state.name().is_terminal();
    over.then(|| {
        view! {
            <section class="afterwards" aria-labelledby="afterwards">
                <h2 id="afterwards">"Afterwards"</h2>
                {said(&page.brief, page.now)}
                {form(page)}
            </section>
        }
    })
}

fn said(brief: &HealthBrief, now: Timestamp) -> impl IntoView + use<> {
    match &brief.marked {
        None => view! { <p class="muted">"Nobody has said yet how it was. Marks are what the lab measures false rollbacks and misses by."</p> }.into_any(),
        Some(marked) => {
            let what = match marked.mark {
                Mark::Incident => "This was an incident",
                Mark::Fine => "It was fine",
            };
            let comment = marked.comment.clone();
            view! {
                <p><strong>{what}</strong> ", says " {person(&marked.by.login)} " " <span class="muted">{when(marked.at, now)}</span>
                    {comment.map(|comment| view! { ": " <q class="reason">{comment}</q> })}
                </p>
            }
            .into_any()
        }
    }
}

fn form(page: &HealthPage) -> impl IntoView + use<> {
    if let Permission::No(why) = &page.brief.may_mark {
        let words = format!("You cannot mark it: {why}.");
        return view! { <p class="refused">{icon(Icon::Lock)} <span>{words}</span></p> }.into_any();
    }
    let flash = visitor().flash;
    let typed = flash
        .as_ref()
        .and_then(|flash| flash.typed("mark", "comment").map(str::to_owned));
    let chosen = flash
        .as_ref()
        .and_then(|flash| flash.typed("mark", "mark").map(str::to_owned));
    let option = |value: &'static str, words: &'static str| {
        let checked = chosen.as_deref() == Some(value);
        view! { <label class="option"><input type="radio" name="mark" value=value required checked=checked /> {words}</label> }
    };
    view! {
        <form class="mark-form" method="post" action=format!("/deployments/{}/mark", page.deployment.id) data-keep="">
            <fieldset class="options">
                <legend>"How was it?"</legend>
                {option("incident", "This was an incident")}
                {option("fine", "It was fine")}
            </fieldset>
            {text_area("mark-comment".to_owned(), "comment", "Comment (optional)", "", false, typed.as_deref())}
            <button class="button">"Save"</button>
        </form>
    }
    .into_any()
}
