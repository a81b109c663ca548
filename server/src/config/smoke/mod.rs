//! Smoke suites and monitors: what the shape of the file cannot say. Secrets are named here, never written.

mod file;
mod secret;
mod suite;
#[cfg(test)]
mod tests;

pub use secret::SmokeSecrets;

pub(super) use file::{Monitor, Smoke};

use super::{
    check::{known, seconds},
    file::{At, File, Target as Written},
    problem::Problems,
};
use std::{collections::BTreeMap, ops::RangeInclusive};
use suite::suite;
use tidegate_adapters::probe::url_safety::{Allow, checked_url};
use tidegate_domain::{
    Service, Target, smoke,
    time::{MINUTE, SECOND},
};

/// The longest stability wait, in seconds (requirements §4: up to 10 min).
const STABILITY_WAIT_MAX: i64 = 600;
/// How often a monitor may run, in seconds.
const EVERY: RangeInclusive<i64> = 30..=24 * 3600;

type Suites = BTreeMap<String, smoke::Suite>;

/// Gives every target what it is verified and watched with. Returns what suites may reach.
pub(super) fn attach(file: &File, services: &mut [Service], problems: &mut Problems) -> Vec<String> {
    let allow = allowed(&file.smoke.allow, problems);
    let suites: Suites = file
        .smoke
        .suites
        .iter()
        .map(|(name, written)| (name.clone(), suite(name, written, problems)))
        .collect();
    for service in services {
        let written = file.services.iter().find(|s| *s.name.get() == service.name.as_str());
        let Some(written) = written else { continue };
        for target in &mut service.targets {
            if let Some(written) = written.targets.get(target.environment.as_str()) {
                attach_one(written, target, &suites, &allow, problems);
            }
        }
    }
    file.smoke.allow.iter().map(|entry| entry.get().clone()).collect()
}

fn allowed(entries: &[At<String>], problems: &mut Problems) -> Allow {
    let mut good = Vec::new();
    for entry in entries {
        match Allow::parse(&[entry.get()]) {
            Ok(_) => good.push(entry.get()),
            Err(error) => problems.add(entry.span(), error.to_string(), None),
        }
    }
    Allow::parse(&good).unwrap_or_default()
}

fn attach_one(at: &At<Written>, target: &mut Target, suites: &Suites, allow: &Allow, problems: &mut Problems) {
    let written = at.get();
    let base = written.base_url.as_ref().and_then(|url| base_url(url, allow, problems));
    let test_base = written
        .test_base_url
        .as_ref()
        .and_then(|url| base_url(url, allow, problems));
    let stability = stability_wait(written.stability_wait.as_ref(), problems);
    let named = |name: &At<String>, problems: &mut Problems| {
        let names: Vec<&str> = suites.keys().map(String::as_str).collect();
        known(name, "smoke suite", &names, problems)
            .then(|| suites.get(name.get()).cloned())
            .flatten()
    };
    match &written.smoke {
        Some(name) => {
            let suite = named(name, problems);
            needs_base(name, written, problems);
            if let (Some(suite), Some(base)) = (suite, base.clone()) {
                in_time(at, target, &suite, test_base.is_some(), stability, problems);
                target.verify = Some(smoke::Verification {
                    suite,
                    base_url: base,
                    test_base_url: test_base,
                    stability_wait_seconds: stability,
                });
            }
        }
        None => {
            let idle = [
                ("test_base_url", &written.test_base_url),
                ("stability_wait", &written.stability_wait),
            ];
            for (member, value) in idle {
                if let Some(value) = value {
                    problems.add(
                        value.span(),
                        format!("{member} does nothing while the target names no suite"),
                        Some("add smoke = \"NAME\" of a [smoke.NAME], or leave it out".to_owned()),
                    );
                }
            }
        }
    }
    if let Some(monitor) = &written.monitor {
        let suite = named(&monitor.get().suite, problems);
        needs_base(&monitor.get().suite, written, problems);
        let every = seconds(Some(&monitor.get().every), 300, problems);
        if let (Some(suite), Some(base)) = (suite, base) {
            paced(monitor, &suite, every, problems);
            target.monitor = Some(smoke::Monitor {
                suite,
                base_url: base,
                every_seconds: every,
            });
        }
    }
}

fn needs_base(name: &At<String>, written: &Written, problems: &mut Problems) {
    if written.base_url.is_none() {
        problems.add(
            name.span(),
            format!("suite {:?} has no address to run against", name.get()),
            Some("add base_url = \"https://…\": where this target answers".to_owned()),
        );
    }
}

/// Where tests are put behind. Literal addresses are judged now, names when they are resolved.
fn base_url(text: &At<String>, allow: &Allow, problems: &mut Problems) -> Option<String> {
    let mut refuse = |why: String, instead: &str| {
        problems.add(text.span(), why, Some(instead.to_owned()));
        None
    };
    match checked_url(text.get(), allow) {
        Ok(url) if url.query().is_some() || url.fragment().is_some() => refuse(
            format!("{:?} goes on after its path", text.get()),
            "leave out what begins with ? or #: the tests' paths are put behind it",
        ),
        Ok(_) => Some(text.get().trim_end_matches('/').to_owned()),
        Err(error) => refuse(
            error.to_string(),
            "write https://HOST, or add the host or its network to smoke.allow if it may be reached",
        ),
    }
}

fn stability_wait(text: Option<&At<String>>, problems: &mut Problems) -> i64 {
    let wait = seconds(text, 0, problems);
    if let Some(text) = text.filter(|_| wait > STABILITY_WAIT_MAX) {
        problems.add(
            text.span(),
            format!("stability_wait = {:?} is longer than 10 min", text.get()),
            Some("write 10m or less".to_owned()),
        );
    }
    wait
}

/// A deadline that waiting and testing alone could pass would roll every deployment back.
fn in_time(
    at: &At<Written>,
    target: &Target,
    suite: &smoke::Suite,
    tested_before: bool,
    stability: i64,
    problems: &mut Problems,
) {
    let shift = i64::from(target.traffic.minutes()) * MINUTE;
    let runs = if tested_before { 2 } else { 1 };
    let least = shift + stability * SECOND + runs * suite.longest_ms();
    if target.deadline_seconds * SECOND <= least {
        let written = at.get().deadline.as_ref().or(at.get().smoke.as_ref());
        problems.add(
            written.map_or_else(|| at.span(), At::span),
            format!(
                "shift, stability wait and suite {:?}{} may take {} min, but the deployment is stopped and rolled back after {} min",
                suite.name,
                if tested_before { ", on the test listener and in production," } else { "" },
                (least + MINUTE - 1) / MINUTE,
                target.deadline_seconds / 60
            ),
            Some("set deadline well above that: installing and waiting come on top".to_owned()),
        );
    }
}

fn paced(monitor: &At<Monitor>, suite: &smoke::Suite, every: i64, problems: &mut Problems) {
    let written = &monitor.get().every;
    if !EVERY.contains(&every) {
        problems.add(
            written.span(),
            format!("every = {:?} is no pace for a monitor", written.get()),
            Some("write 30s to 24h, such as 5m".to_owned()),
        );
    } else if suite.longest_ms() >= every * SECOND {
        problems.add(
            written.span(),
            format!(
                "a run of suite {:?} may take {} s, which is not less than every = {:?}",
                suite.name,
                suite.longest_ms() / SECOND,
                written.get()
            ),
            Some("run it less often, or give its tests fewer attempts, shorter pauses or time-outs".to_owned()),
        );
    }
}
