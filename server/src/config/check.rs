//! What the shape of the file cannot say: names that must exist, plans that an engine must be able to run.

use super::{
    Settings,
    file::{self, At, File},
    freeze,
    health::Definitions,
    problem::{Problems, closest},
    smoke,
    target::target,
};
use std::{collections::BTreeMap, ops::Range};
use tidegate_domain::{
    Catalog, Policy, Role, Service,
    catalog::{CiTrust, Environment, RoleGrant},
    name::{EnvironmentName, GateName, InvalidName, ServiceName, TeamSlug},
    policy::QuorumRule,
};

pub(super) fn settings(file: &File, problems: &mut Problems) -> Option<Settings> {
    let before = problems.list().len();
    let listen = file.server.listen.get().parse().map_err(|_| {
        problems.add(
            file.server.listen.span(),
            format!("{:?} is no address to listen on", file.server.listen.get()),
            Some("write HOST:PORT with a numeric host, such as \"127.0.0.1:8080\" or \"0.0.0.0:8080\"".to_owned()),
        );
    });
    let public_url = url::Url::parse(file.server.public_url.get())
        .ok()
        .filter(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
        .ok_or_else(|| {
            problems.add(
                file.server.public_url.span(),
                format!("{:?} is no public address", file.server.public_url.get()),
                Some(
                    "write https://…; plain http only for this machine itself, such as http://127.0.0.1:8080"
                        .to_owned(),
                ),
            );
        });
    for (what, text) in [
        ("github.web_url", &file.github.web_url),
        ("github.api_url", &file.github.api_url),
        ("github.oidc_issuer", &file.github.oidc_issuer),
    ] {
        if url::Url::parse(text.get()).is_err() {
            problems.add(
                text.span(),
                format!("{what} = {:?} is no address", text.get()),
                Some("write https://…".to_owned()),
            );
        }
    }
    if holds_password(file.database.url.get()) {
        problems.add(
            file.database.url.span(),
            "database.url holds a password, and this file is kept in the database and in version control",
            Some("leave the password out, and put the whole address into TIDEGATE_DATABASE_URL".to_owned()),
        );
    }
    let worker = file.worker.get();
    if worker.lease_seconds < 5 || worker.settle_seconds < 0 || worker.concurrency == 0 {
        problems.add(
            file.worker.span(),
            "[worker] needs concurrency ≥ 1, lease_seconds ≥ 5 and settle_seconds ≥ 0",
            Some("leave the section out for 16, 30 and 60".to_owned()),
        );
    }
    let prometheus = super::metrics::prometheus(file.prometheus.as_ref(), problems);
    let (Ok(listen), Ok(public_url)) = (listen, public_url) else {
        return None;
    };
    (problems.list().len() == before).then(|| Settings {
        listen,
        public_url,
        behind_proxy: file.server.behind_proxy,
        database_url: file.database.url.get().clone(),
        app_role: file.database.app_role.clone(),
        github: file.github.clone(),
        region: file.aws.region.clone(),
        worker: *worker,
        prometheus,
    })
}

/// In the place of a password, or as a parameter.
fn holds_password(address: &str) -> bool {
    url::Url::parse(address)
        .is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(name, _)| name.contains("password")))
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub(super) fn catalog(file: &File, problems: &mut Problems) -> Option<Catalog> {
    let environments: Vec<Environment> = file
        .environments
        .iter()
        .filter_map(|e| {
            Some(Environment {
                name: named(&e.name, problems, EnvironmentName::new)?,
                production: e.production,
            })
        })
        .collect();
    unique(file.environments.iter().map(|e| &e.name), "environment", problems);
    unique(file.services.iter().map(|s| &s.name), "service", problems);
    let known: Vec<&str> = environments
        .iter()
        .map(|environment| environment.name.as_str())
        .collect();
    let policies: BTreeMap<&str, Policy> = file
        .policies
        .iter()
        .filter_map(|(name, p)| Some((name.as_str(), policy(p, &known, problems)?)))
        .collect();
    let health = Definitions::read(&file.health, problems);
    let mut services: Vec<Service> = file
        .services
        .iter()
        .filter_map(|s| service(s, &environments, &policies, &file.policies, &health, problems))
        .collect();
    let smoke_allow = smoke::attach(file, &mut services, problems);
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    let freezes = freeze::freezes(&file.freezes, &names, &known, problems);
    let break_glass = freeze::break_glass(&file.break_glass, problems);
    let roles = roles(&file.roles, problems);
    approvers_exist(file, &roles, problems);
    Some(Catalog {
        organisation: file.github.organisation.clone(),
        environments,
        services,
        roles,
        smoke_allow,
        freezes,
        break_glass,
    })
}

/// A quorum team whose members have no approver role could never approve: say so now, not when it is needed.
fn approvers_exist(file: &File, roles: &[RoleGrant], problems: &mut Problems) {
    let approvers: Vec<&str> = roles
        .iter()
        .filter(|grant| grant.role == Role::Approver)
        .map(|grant| grant.team.as_str())
        .collect();
    for team in file
        .policies
        .values()
        .flat_map(|p| &p.approvals)
        .flat_map(|rule| &rule.teams)
    {
        if !approvers.contains(&team.get().as_str()) {
            problems.add(
                team.span(),
                format!(
                    "members of {:?} are asked to approve but have no role that lets them",
                    team.get()
                ),
                Some(format!("add {:?} to roles.approver", team.get())),
            );
        }
    }
}

pub(super) fn unique<'a>(names: impl Iterator<Item = &'a At<String>>, what: &str, problems: &mut Problems) {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name.get().as_str()) {
            problems.add(name.span(), format!("the {what} {:?} is there twice", name.get()), None);
        }
        seen.push(name.get());
    }
}

fn named<T>(name: &At<String>, problems: &mut Problems, make: fn(String) -> Result<T, InvalidName>) -> Option<T> {
    make(name.get().clone())
        .map_err(|error| problems.add(name.span(), error.to_string(), None))
        .ok()
}

pub(super) fn known(name: &At<String>, what: &str, known: &[&str], problems: &mut Problems) -> bool {
    let found = known.contains(&name.get().as_str());
    if !found {
        let suggestion = match closest(name.get(), known.iter().copied()) {
            Some(candidate) => format!("did you mean {candidate:?}?"),
            None => format!("there are: {}", known.join(", ")),
        };
        problems.add(
            name.span(),
            format!("there is no {what} {:?}", name.get()),
            Some(suggestion),
        );
    }
    found
}

fn roles(roles: &file::Roles, problems: &mut Problems) -> Vec<RoleGrant> {
    [
        (Role::Viewer, &roles.viewer),
        (Role::Deployer, &roles.deployer),
        (Role::Approver, &roles.approver),
        (Role::Auditor, &roles.auditor),
        (Role::Admin, &roles.admin),
    ]
    .into_iter()
    .flat_map(|(role, teams)| teams.iter().map(move |team| (role, team)))
    .filter_map(|(role, team)| {
        Some(RoleGrant {
            role,
            team: named(team, problems, TeamSlug::new)?,
        })
    })
    .collect()
}

fn policy(policy: &file::Policy, environments: &[&str], problems: &mut Problems) -> Option<Policy> {
    let defaults = Policy::default();
    let before = problems.list().len();
    let approvals = policy
        .approvals
        .iter()
        .filter_map(|rule| {
            if *rule.count.get() == 0 || rule.teams.is_empty() {
                problems.add(
                    rule.count.span(),
                    "a rule asks for at least one person of at least one team",
                    Some("write approvals = [] for an automatic deployment".to_owned()),
                );
                return None;
            }
            let teams = rule
                .teams
                .iter()
                .filter_map(|team| named(team, problems, TeamSlug::new))
                .collect();
            Some(QuorumRule {
                teams,
                count: *rule.count.get(),
            })
        })
        .collect();
    let gates = policy
        .gates
        .iter()
        .filter_map(|gate| named(gate, problems, GateName::new))
        .collect();
    unique(policy.gates.iter(), "gate", problems);
    let promote_from = policy
        .promote_from
        .as_ref()
        .filter(|name| known(name, "environment", environments, problems));
    let made = Policy {
        gates,
        approvals,
        solo: policy.solo,
        approve_within_seconds: seconds(
            policy.approve_within.as_ref(),
            defaults.approve_within_seconds,
            problems,
        ),
        start_within_seconds: seconds(policy.start_within.as_ref(), defaults.start_within_seconds, problems),
        supersede: policy.supersede,
        promote_from: promote_from.and_then(|name| named(name, problems, EnvironmentName::new)),
    };
    (problems.list().len() == before).then_some(made)
}

fn service(
    service: &file::Service,
    environments: &[Environment],
    policies: &BTreeMap<&str, Policy>,
    written: &BTreeMap<String, file::Policy>,
    health: &Definitions,
    problems: &mut Problems,
) -> Option<Service> {
    let names: Vec<&str> = environments
        .iter()
        .map(|environment| environment.name.as_str())
        .collect();
    if service
        .repository
        .get()
        .split('/')
        .filter(|part| !part.is_empty())
        .count()
        != 2
    {
        problems.add(
            service.repository.span(),
            format!("{:?} is no repository", service.repository.get()),
            Some("write OWNER/NAME".to_owned()),
        );
    }
    let mut targets = Vec::new();
    for environment in environments {
        if let Some(written_target) = service.targets.get(environment.name.as_str()) {
            targets.extend(target(
                service,
                &environment.name,
                written_target,
                policies,
                written,
                health,
                problems,
            ));
        }
    }
    for (environment, target) in service
        .targets
        .iter()
        .filter(|(name, _)| !names.contains(&name.as_str()))
    {
        let suggestion = closest(environment, names.iter().copied()).map(|name| format!("did you mean {name:?}?"));
        problems.add(
            target.span(),
            format!("there is no environment {environment:?}"),
            suggestion,
        );
    }
    Some(Service {
        name: named(&service.name, problems, ServiceName::new)?,
        description: service.description.clone(),
        repository: service.repository.get().clone(),
        time_zone: freeze::time_zone(service.time_zone.as_ref(), problems),
        ci: CiTrust {
            repository_id: service.repository_id,
            refs: service.ci.refs.clone(),
            workflows: service.ci.workflows.clone(),
            environments: service.ci.environments.clone(),
            other_commits: service.ci.other_commits,
        },
        targets,
    })
}

/// `90s`, `15m`, `24h`, `7d` in seconds.
pub(super) fn seconds(text: Option<&At<String>>, default: i64, problems: &mut Problems) -> i64 {
    let Some(text) = text else { return default };
    let parsed = text
        .get()
        .trim()
        .split_at_checked(text.get().trim().len().saturating_sub(1))
        .and_then(|(number, unit)| {
            let unit = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                "d" => 86400,
                _ => return None,
            };
            number
                .parse::<i64>()
                .ok()?
                .checked_mul(unit)
                .filter(|seconds| *seconds > 0)
        });
    parsed.unwrap_or_else(|| {
        let span: Range<usize> = text.span();
        problems.add(
            span,
            format!("{:?} is no span of time", text.get()),
            Some("write a whole number and s, m, h or d, such as 90s, 15m, 24h".to_owned()),
        );
        default
    })
}
