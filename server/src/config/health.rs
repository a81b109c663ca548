//! Health definitions: taken over, changed, and found to be able to judge.

use super::{
    check::{known, seconds, unique},
    file::At,
    file_health as file,
    health_rule::rule,
    problem::Problems,
};
use serde::Deserialize;
use std::{collections::BTreeMap, ops::Range};
use tidegate_domain::health::{Answer, Fault, HealthDefinition, Hold, INTERVAL_SECONDS, Member, STANDARD, standard};

/// The part of a file that is about health; the rest of it is not looked at.
#[derive(Deserialize)]
struct Only {
    #[serde(default)]
    health: BTreeMap<String, At<file::Health>>,
}

/// The health definitions of a configuration or of a draft that has nothing but `[health.NAME]` sections, by name, and those
/// that ship. `name` is what messages call it.
///
/// # Errors
/// Everything that is wrong with them.
pub fn definitions(name: &str, text: &str) -> Result<BTreeMap<String, HealthDefinition>, Problems> {
    let only: Only = toml::from_str(text).map_err(|error| Problems::of_syntax(name, text, &error))?;
    let mut problems = Problems::new(name, text);
    let Definitions(read) = Definitions::read(&only.health, &mut problems);
    if problems.is_empty() {
        Ok(read
            .into_iter()
            .filter_map(|(name, made)| Some((name, made?)))
            .collect())
    } else {
        Err(problems)
    }
}

/// The definitions of the file and those that ship, by name. `None`: it was found wrong.
pub(super) struct Definitions(BTreeMap<String, Option<HealthDefinition>>);

impl Definitions {
    pub(super) fn read(written: &BTreeMap<String, At<file::Health>>, problems: &mut Problems) -> Self {
        let mut definitions = Self(BTreeMap::from([(STANDARD.to_owned(), Some(standard()))]));
        if let Some(shadow) = written.get(STANDARD) {
            problems.add(
                shadow.span(),
                format!("the health definition {STANDARD:?} ships with Tidegate and cannot be replaced"),
                Some(format!("give it another name, and extend = {STANDARD:?}")),
            );
        }
        for name in written.keys() {
            definitions.resolve(name, written, &mut Vec::new(), problems);
        }
        definitions
    }

    /// The one that a target names.
    pub(super) fn named(&self, name: &At<String>, problems: &mut Problems) -> Option<HealthDefinition> {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        known(name, "health definition", &names, problems)
            .then(|| self.0.get(name.get()).cloned().flatten())
            .flatten()
    }

    /// Those that it extends come first. `path`: the names that led here.
    fn resolve<'a>(
        &mut self,
        name: &'a str,
        written: &'a BTreeMap<String, At<file::Health>>,
        path: &mut Vec<&'a str>,
        problems: &mut Problems,
    ) {
        let Some(at) = written.get(name).filter(|_| !self.0.contains_key(name)) else {
            return;
        };
        path.push(name);
        let made = match &at.get().extend {
            None => definition(name, at, None, problems),
            Some(base) if path.contains(&base.get().as_str()) => {
                problems.add(
                    base.span(),
                    format!(
                        "health definition {name:?} extends itself: {} → {}",
                        path.join(" → "),
                        base.get()
                    ),
                    Some(format!("extend {STANDARD:?}, or nothing")),
                );
                None
            }
            Some(base) => {
                let names: Vec<&str> = written.keys().map(String::as_str).chain([STANDARD]).collect();
                if known(base, "health definition", &names, problems) {
                    self.resolve(base.get(), written, path, problems);
                }
                let base = self.0.get(base.get()).cloned().flatten();
                base.and_then(|base| definition(name, at, Some(&base), problems))
            }
        };
        path.pop();
        self.0.insert(name.to_owned(), made);
    }
}

fn definition(
    name: &str,
    at: &At<file::Health>,
    base: Option<&HealthDefinition>,
    problems: &mut Problems,
) -> Option<HealthDefinition> {
    let before = problems.list().len();
    let written = at.get();
    let hold = base.map_or_else(Hold::default, |base| base.hold.clone());
    let mut made = HealthDefinition {
        name: name.to_owned(),
        interval_seconds: span(
            written.interval.as_ref(),
            base.map_or(INTERVAL_SECONDS, |base| base.interval_seconds),
            problems,
        ),
        rules: base.map(|base| base.rules.clone()).unwrap_or_default(),
        hold: Hold {
            deadline_seconds: span(written.hold.as_ref(), hold.deadline_seconds, problems),
            answer: match written.when_nobody_comes {
                None => hold.answer,
                Some(file::Answer::RollBack) => Answer::RollBack,
                Some(file::Answer::Continue) => Answer::Continue,
            },
        },
    };
    for name in &written.remove {
        let there: Vec<&str> = made.rules.iter().map(|rule| rule.name.as_str()).collect();
        if known(name, "rule to remove", &there, problems) {
            made.rules.retain(|rule| rule.name != *name.get());
        }
    }
    unique(written.rules.iter().map(|rule| &rule.get().name), "rule", problems);
    for at in &written.rules {
        let place = made.rules.iter().position(|rule| rule.name == *at.get().name.get());
        let changed = rule(at, place.and_then(|place| made.rules.get(place)), problems);
        match (place.and_then(|place| made.rules.get_mut(place)), changed) {
            (Some(taken_over), Some(changed)) => *taken_over = changed,
            (None, Some(added)) => made.rules.push(added),
            (_, None) => {}
        }
    }
    // What could not be read has been told; the rest would only be confused by it.
    if problems.list().len() == before {
        for fault in made.faults() {
            tell(&fault, &made, at, problems);
        }
    }
    (problems.list().len() == before).then_some(made)
}

/// Where it is written. What was taken over without a change was told where it came from.
fn tell(fault: &Fault, made: &HealthDefinition, at: &At<file::Health>, problems: &mut Problems) {
    let written = at.get();
    let place = match fault.rule {
        None => match fault.member {
            Member::Interval => spans([written.interval.as_ref().map(At::span)], at),
            Member::Hold => spans([written.hold.as_ref().map(At::span)], at),
            _ => at.span(),
        },
        Some(place) => {
            let name = made.rules.get(place).map(|rule| rule.name.as_str());
            let rule = written
                .rules
                .iter()
                .find(|rule| Some(rule.get().name.get().as_str()) == name);
            rule.map_or_else(|| at.span(), |rule| member(fault.member, rule))
        }
    };
    problems.add(place, fault.problem.clone(), Some(fault.instead.clone()));
}

fn member(member: Member, at: &At<file::Rule>) -> Range<usize> {
    let rule = at.get();
    let text = |text: &Option<At<String>>| text.as_ref().map(At::span);
    let number = |number: &Option<At<f64>>| number.as_ref().map(At::span);
    match member {
        Member::Name => rule.name.span(),
        Member::Words => spans([text(&rule.words)], at),
        Member::Query => spans(
            [
                rule.cloudwatch.as_ref().map(At::span),
                rule.prometheus.as_ref().map(At::span),
            ],
            at,
        ),
        Member::Stable => spans([rule.stable.as_ref().map(At::span)], at),
        Member::Baseline => spans([rule.baseline.as_ref().map(At::span)], at),
        Member::Condition => spans([number(&rule.above), number(&rule.below)], at),
        Member::MannWhitney => spans([rule.mann_whitney.as_ref().map(At::span)], at),
        Member::During => spans([text(&rule.datapoints), text(&rule.lasting)], at),
        Member::Late => spans([text(&rule.late), text(&rule.settle)], at),
        Member::Interval | Member::Hold | Member::Rules => at.span(),
    }
}

/// The first that is written, else the whole.
fn spans<T, const N: usize>(candidates: [Option<Range<usize>>; N], whole: &At<T>) -> Range<usize> {
    candidates.into_iter().flatten().next().unwrap_or_else(|| whole.span())
}

/// A span of time in seconds.
pub(super) fn span(text: Option<&At<String>>, default: u32, problems: &mut Problems) -> u32 {
    u32::try_from(seconds(text, i64::from(default), problems)).unwrap_or(u32::MAX)
}
