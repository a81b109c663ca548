//! The lab: two health definitions over the deployments that were recorded. Reads, and changes nothing.

use super::{
    Services, errors,
    errors::invalid,
    history::{environment_filter, given, service_filter, start_of},
};
use crate::config;
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_app::{
    health::{DRAFT, LabAnswer, LabAsk, LabFound, LabPage, LabRow},
    portal::PortalError,
};
use tidegate_domain::{
    Action, Actor, Catalog, DeploymentId, EnvironmentName, ServiceName, Timestamp,
    health::{HealthDefinition, Recording, STANDARD, Side, Tally, compare, standard},
    time::DAY,
};
use tidegate_store::{Db, KeptDefinition, RecordedQuery, RecordedRow, StoreError};

/// Deployments compared at once.
pub const AT_ONCE: usize = 500;
/// Days back when no period is given.
const DAYS: i64 = 30;
/// Kept definitions that can be chosen from.
const CHOICES: usize = 50;
/// Digits of a version that are shown.
const SHORT: usize = 12;
/// Problems of a draft that are shown.
const PROBLEMS: usize = 50;

/// A definition to compare, as it was chosen.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// What each target is judged by today.
    InForce,
    One(Box<HealthDefinition>),
}

impl Chosen {
    fn of<'a>(&'a self, catalog: &'a Catalog, row: &RecordedRow) -> Option<&'a HealthDefinition> {
        match self {
            Self::One(definition) => Some(definition),
            Self::InForce => catalog.target(&row.service, &row.environment)?.health.as_ref(),
        }
    }

    /// Its name and the beginning of its version.
    pub fn words(&self) -> String {
        match self {
            Self::InForce => "what is in force".to_owned(),
            Self::One(definition) => format!("{} {}", definition.name, short(&definition.version())),
        }
    }
}

/// Which recordings.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub service: Option<ServiceName>,
    pub environment: Option<EnvironmentName>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// These alone; empty: all.
    pub deployments: Vec<DeploymentId>,
}

/// One deployment under both definitions.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub began_at: Timestamp,
    pub happened: Option<tidegate_domain::health::Happened>,
    #[serde(flatten)]
    pub side: Side,
    #[serde(skip)]
    pub id: DeploymentId,
}

/// Both definitions over all of them.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub old: Tally,
    pub new: Tally,
    /// Newest first.
    pub deployments: Vec<Row>,
    /// Recordings that cannot be compared on: thinned, or without a definition.
    pub left_out: usize,
    pub more: bool,
}

/// Replays what was recorded under both.
///
/// # Errors
/// When the database fails.
pub async fn replayed(
    db: &Db,
    catalog: &Catalog,
    asked: &Asked,
    old: &Chosen,
    new: &Chosen,
) -> Result<Outcome, StoreError> {
    let (rows, more) = recorded(db, asked).await?;
    let mut outcome = Outcome {
        old: Tally::default(),
        new: Tally::default(),
        deployments: Vec::new(),
        left_out: 0,
        more,
    };
    for row in rows {
        let definitions = old.of(catalog, &row).zip(new.of(catalog, &row));
        let (Some((old, new)), true) = (definitions, row.whole) else {
            outcome.left_out += 1;
            continue;
        };
        let Some(recording) = db.recording(row.deployment).await? else {
            outcome.left_out += 1;
            continue;
        };
        let (old, new) = (old.clone(), new.clone());
        let happened = recording.happened;
        // Judging takes the processor for as long as it takes: not where requests are answered.
        let compared = tokio::task::spawn_blocking(move || compared(&old, &new, recording)).await;
        let (old, new, side) = compared.map_err(|error| StoreError::Setup(format!("a replay was cut off: {error}")))?;
        let Some(side) = side else { continue };
        add(&mut outcome.old, old);
        add(&mut outcome.new, new);
        outcome.deployments.push(Row {
            service: row.service,
            environment: row.environment,
            began_at: row.began_at,
            happened,
            side,
            id: row.deployment,
        });
    }
    Ok(outcome)
}

fn compared(old: &HealthDefinition, new: &HealthDefinition, recording: Recording) -> (Tally, Tally, Option<Side>) {
    let mut compared = compare(old, new, &[recording]);
    (compared.old, compared.new, compared.deployments.pop())
}

fn add(all: &mut Tally, one: Tally) {
    all.rolled_back += one.rolled_back;
    all.held += one.held;
    all.passed += one.passed;
    all.undecided += one.undecided;
    all.false_rollbacks += one.false_rollbacks;
    all.false_holds += one.false_holds;
    all.misses += one.misses;
    all.caught += one.caught;
}

async fn recorded(db: &Db, asked: &Asked) -> Result<(Vec<RecordedRow>, bool), StoreError> {
    let mut query = RecordedQuery {
        service: asked.service.clone(),
        environment: asked.environment.clone(),
        from: asked.from,
        to: asked.to,
        after: None,
        limit: AT_ONCE + 1,
    };
    if asked.deployments.is_empty() {
        let mut rows = db.recorded(&query).await?;
        let more = rows.len() > AT_ONCE;
        rows.truncate(AT_ONCE);
        return Ok((rows, more));
    }
    let mut rows = Vec::new();
    loop {
        let page = db.recorded(&query).await?;
        let full = page.len() == query.limit;
        query.after = page.last().map(RecordedRow::key);
        rows.extend(
            page.into_iter()
                .filter(|row| asked.deployments.contains(&row.deployment)),
        );
        if !full || rows.len() == asked.deployments.len() {
            return Ok((rows, false));
        }
    }
}

/// The definition of a name or of a version's beginning; `named` are those of the configuration.
///
/// # Errors
/// A sentence that says what can be chosen; or when the database fails.
pub async fn chosen(
    db: &Db,
    named: &BTreeMap<String, HealthDefinition>,
    text: &str,
) -> Result<Result<HealthDefinition, String>, StoreError> {
    if let Some(definition) = named.get(text) {
        return Ok(Ok(definition.clone()));
    }
    let is_version = text.len() >= 6 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut found: Vec<HealthDefinition> = Vec::new();
    if is_version {
        found.extend(
            named
                .values()
                .filter(|definition| definition.version().starts_with(text))
                .cloned(),
        );
        let mut before: Option<(Timestamp, String)> = None;
        loop {
            let after = before.as_ref().map(|(at, version)| (*at, version.as_str()));
            let page = db.definitions(None, after, 500).await?;
            before = page.last().map(|last| (last.kept_at, last.version.clone()));
            let full = page.len() == 500;
            found.extend(
                page.into_iter()
                    .filter(|kept| kept.version.starts_with(text))
                    .map(|kept| kept.definition),
            );
            if !full {
                break;
            }
        }
        found.sort_by_key(HealthDefinition::version);
        found.dedup();
    }
    Ok(match <[HealthDefinition; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(found) if found.len() > 1 => Err(format!(
            "{text:?} is the beginning of {} versions: write more of it",
            found.len()
        )),
        Err(_) => {
            let names: Vec<&str> = named.keys().map(String::as_str).collect();
            Err(format!(
                "{text:?} is no health definition: write one of {}, or six digits or more of a version that has judged",
                names.join(", ")
            ))
        }
    })
}

/// The one definition that a draft holds, or each of its problems.
///
/// # Errors
/// What is wrong with it, by line.
pub fn drafted(name: &str, text: &str) -> Result<HealthDefinition, Vec<String>> {
    let definitions = config::definitions(name, text).map_err(|problems| {
        problems
            .list()
            .iter()
            .take(PROBLEMS)
            .map(|problem| {
                let instead = problem.suggestion.as_ref().map(|instead| format!(" – {instead}"));
                format!(
                    "Line {}, column {}: {}{}",
                    problem.line,
                    problem.column,
                    problem.message,
                    instead.unwrap_or_default()
                )
            })
            .collect::<Vec<_>>()
    })?;
    let own: Vec<HealthDefinition> = definitions
        .into_iter()
        .filter(|(name, _)| name != STANDARD)
        .map(|(_, definition)| definition)
        .collect();
    match <[HealthDefinition; 1]>::try_from(own) {
        Ok([one]) => Ok(one),
        Err(none) if none.is_empty() => Err(vec![format!("{name} holds no definition: begin with [health.NAME]")]),
        Err(many) => {
            let names: Vec<&str> = many.iter().map(|one| one.name.as_str()).collect();
            Err(vec![format!(
                "{name} holds {} definitions ({}): leave one, so that it is clear which is meant",
                many.len(),
                names.join(", ")
            )])
        }
    }
}

fn short(version: &str) -> String {
    version.chars().take(SHORT).collect()
}

/// Those that targets are judged by today and the one that ships, by name.
fn named(catalog: &Catalog) -> BTreeMap<String, HealthDefinition> {
    let targets = catalog.services.iter().flat_map(|service| &service.targets);
    let mut named: BTreeMap<String, HealthDefinition> = targets
        .filter_map(|target| target.health.clone())
        .map(|definition| (definition.name.clone(), definition))
        .collect();
    named.insert(STANDARD.to_owned(), standard());
    named
}

impl Services {
    pub(crate) async fn lab_page(&self, actor: &Actor, ask: LabAsk) -> Result<LabPage, PortalError> {
        self.allow(actor, Action::View, None).await?;
        let catalog = self.catalog();
        let named = named(&catalog);
        let kept = self
            .db()
            .definitions(None, None, CHOICES)
            .await
            .map_err(errors::portal)?;
        let now = self.db().now().await.map_err(errors::portal)?;
        let draft = match &ask.draft {
            Some(typed) => typed.clone(),
            None => self.to_edit(&ask, &catalog, &named).await?,
        };
        let answer = match self.compared(&ask, &catalog, &named, &draft, now).await {
            Ok(answer) => answer,
            Err(PortalError::Invalid { field, message }) => LabAnswer::Wrong {
                problems: vec![format!("{field}: {message}")],
            },
            Err(error) => return Err(error),
        };
        Ok(LabPage {
            services: catalog.services.iter().map(|service| service.name.clone()).collect(),
            environments: catalog.environments.iter().map(|one| one.name.clone()).collect(),
            definitions: choices(&named, &kept),
            draft,
            answer,
            now,
        })
    }

    /// What to begin a draft with: the old definition, else what is in force, else the one that ships; under a name of its
    /// own.
    async fn to_edit(
        &self,
        ask: &LabAsk,
        catalog: &Catalog,
        named: &BTreeMap<String, HealthDefinition>,
    ) -> Result<String, PortalError> {
        let old = match given(ask.old.clone()) {
            Some(old) => chosen(self.db(), named, &old).await.map_err(errors::portal)?.ok(),
            None => None,
        };
        let here = |target: &&tidegate_domain::Target| {
            ask.environment
                .as_deref()
                .is_none_or(|wanted| wanted == target.environment.as_str())
        };
        let in_force = || {
            catalog
                .services
                .iter()
                .filter(|service| {
                    ask.service
                        .as_deref()
                        .is_none_or(|wanted| wanted == service.name.as_str())
                })
                .flat_map(|service| service.targets.iter().filter(here))
                .find_map(|target| target.health.clone())
        };
        let begin = old.or_else(in_force).unwrap_or_else(standard);
        Ok(config::health_text(&HealthDefinition {
            name: DRAFT.to_owned(),
            ..begin
        }))
    }

    async fn compared(
        &self,
        ask: &LabAsk,
        catalog: &Catalog,
        named: &BTreeMap<String, HealthDefinition>,
        draft: &str,
        now: Timestamp,
    ) -> Result<LabAnswer, PortalError> {
        let asked = Asked {
            service: service_filter(ask.service.clone())?,
            environment: environment_filter(ask.environment.clone())?,
            from: match given(ask.from.clone()) {
                Some(day) => Some(start_of("from", &day)?),
                None => Some(now.plus_millis(-DAYS * DAY)),
            },
            to: given(ask.to.clone())
                .map(|day| start_of("to", &day))
                .transpose()?
                .map(|start| start.plus_millis(DAY)),
            deployments: Vec::new(),
        };
        let Some(wanted) = given(ask.new.clone()) else {
            return Ok(LabAnswer::NotAsked);
        };
        let new = if wanted == DRAFT {
            match drafted("the draft", draft) {
                Ok(definition) => definition,
                Err(problems) => return Ok(LabAnswer::Wrong { problems }),
            }
        } else {
            self.one(named, "new", &wanted).await?
        };
        let new = Chosen::One(Box::new(new));
        let old = match given(ask.old.clone()) {
            Some(old) => Chosen::One(Box::new(self.one(named, "old", &old).await?)),
            None => Chosen::InForce,
        };
        let found = replayed(self.db(), catalog, &asked, &old, &new)
            .await
            .map_err(errors::portal)?;
        Ok(LabAnswer::Found(LabFound {
            old_name: old.words(),
            new_name: new.words(),
            old: found.old,
            new: found.new,
            rows: found
                .deployments
                .into_iter()
                .map(|row| LabRow {
                    deployment: row.id,
                    service: row.service,
                    environment: row.environment,
                    began_at: row.began_at,
                    happened: row.happened,
                    side: row.side,
                })
                .collect(),
            left_out: found.left_out,
            more: found.more,
        }))
    }

    async fn one(
        &self,
        named: &BTreeMap<String, HealthDefinition>,
        field: &str,
        text: &str,
    ) -> Result<HealthDefinition, PortalError> {
        chosen(self.db(), named, text)
            .await
            .map_err(errors::portal)?
            .map_err(|why| invalid(field, why))
    }
}

/// By name, then earlier versions by theirs.
fn choices(named: &BTreeMap<String, HealthDefinition>, kept: &[KeptDefinition]) -> Vec<(String, String)> {
    let mut choices: Vec<(String, String)> = named
        .keys()
        .map(|name| (name.clone(), format!("{name} (as it is now)")))
        .collect();
    let now: Vec<String> = named.values().map(HealthDefinition::version).collect();
    for one in kept.iter().filter(|one| !now.contains(&one.version)) {
        let day: String = one.kept_at.to_string().chars().take(10).collect();
        choices.push((
            short(&one.version),
            format!("{} {}, first judged {day}", one.definition.name, short(&one.version)),
        ));
    }
    choices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_wrong_is_told_by_line() {
        let problems = drafted("the draft", "[health.mine]\nextend = \"standart\"\n").unwrap_err();
        assert!(problems[0].starts_with("Line 2, column 10: "), "{problems:?}");
        assert!(problems[0].contains("standart"), "{problems:?}");
        let problems = drafted("the draft", "[health.mine\n").unwrap_err();
        assert!(problems[0].starts_with("Line 1"), "{problems:?}");
    }

    #[test]
    fn a_draft_holds_one_definition() {
        assert_eq!(
            drafted("the draft", "").unwrap_err(),
            ["the draft holds no definition: begin with [health.NAME]"]
        );
        let two = "[health.a]\nextend = \"standard\"\n[health.b]\nextend = \"standard\"\n";
        assert!(drafted("the draft", two).unwrap_err()[0].contains("2 definitions (a, b)"));
        assert_eq!(
            drafted("the draft", "[health.a]\nextend = \"standard\"\n")
                .unwrap()
                .name,
            "a"
        );
    }
}
