//! What carries a target's deployments out: every engine says which members it needs, which it may have, and refuses a
//! traffic plan that it cannot run exactly.

use super::{
    file::{self, At},
    problem::Problems,
};
use std::ops::Range;
use tidegate_domain::{
    TrafficPlan,
    catalog::{
        ApiKind, ApigatewayStage, EcsCodedeploy, EcsNative, EcsTaskSets, Engine, EngineKind, Hooks, LambdaAlias,
        LambdaCodedeploy, LambdaHooks,
    },
    traffic::fits,
};

/// Longest name of a Lambda function (AWS Lambda API reference, CreateFunction).
const FUNCTION_NAME_MAX: usize = 64;
/// Longest time that ECS keeps both versions (Amazon ECS API reference, bakeTimeInMinutes: 24 h).
const BAKE_MINUTES_MAX: u16 = 1440;
const PORT: u16 = 8080;

pub(super) fn engine(
    service: &str,
    at: &At<file::Target>,
    traffic: &TrafficPlan,
    problems: &mut Problems,
) -> Option<Engine> {
    let target = at.get();
    let kind = *target.engine.get();
    runs_plan(at, kind, traffic, problems);
    let mut members = Members {
        kind,
        target: at.span(),
        problems,
        known: Vec::new(),
    };
    let engine = match kind {
        EngineKind::EcsCodedeploy => members.ecs_codedeploy(service, target, traffic),
        EngineKind::LambdaCodedeploy => members.lambda_codedeploy(target, traffic),
        EngineKind::LambdaAlias => members.lambda(target).map(Engine::LambdaAlias),
        EngineKind::EcsTaskSets => members.ecs_task_sets(service, target),
        EngineKind::EcsNative => members.ecs_native(service, target),
        EngineKind::ApigatewayStage => members.apigateway_stage(target),
    };
    members.refuse_others(target);
    engine
}

/// Nothing is approximated (requirements §3).
fn runs_plan(at: &At<file::Target>, kind: EngineKind, traffic: &TrafficPlan, problems: &mut Problems) {
    let Err(refusal) = fits(kind, traffic) else { return };
    let span = at.get().traffic.as_ref().map_or_else(|| at.span(), At::span);
    let engines: Vec<&str> = refusal.engines.iter().map(|engine| engine.name()).collect();
    let help = format!(
        "write {}, the nearest that it can run, or take an engine that runs this plan: {}",
        super::target::written(&refusal.nearest),
        engines.join(", ")
    );
    problems.add(span, refusal.to_string(), Some(help));
}

/// Reads members, and notes which ones the engine knows.
struct Members<'a> {
    kind: EngineKind,
    target: Range<usize>,
    problems: &'a mut Problems,
    known: Vec<&'static str>,
}

impl Members<'_> {
    /// One that may be left out.
    fn may(&mut self, name: &'static str, value: &Option<At<String>>) -> Option<String> {
        self.known.push(name);
        let value = value.as_ref()?;
        if value.get().trim().is_empty() {
            self.problems.add(value.span(), format!("{name} is empty"), None);
        }
        Some(value.get().clone())
    }

    /// One that must be there.
    fn must(&mut self, name: &'static str, value: &Option<At<String>>, help: &str) -> Option<String> {
        let found = self.may(name, value);
        if found.is_none() {
            let what = format!("the engine {} needs {name}", self.kind.name());
            self.problems.add(self.target.clone(), what, Some(help.to_owned()));
        }
        found
    }

    fn cluster(&mut self, target: &file::Target) -> Option<String> {
        self.must(
            "cluster",
            &target.cluster,
            "write the ECS cluster's name, such as cluster = \"acme-production\"",
        )
    }

    fn container(&mut self, target: &file::Target) -> Option<String> {
        self.must(
            "container",
            &target.container,
            "write the container whose image is replaced, such as container = \"app\"",
        )
    }

    fn port(&mut self, target: &file::Target) -> u16 {
        self.known.push("port");
        target.port.as_ref().map_or(PORT, |port| *port.get())
    }

    fn service(&mut self, service: &str, target: &file::Target) -> String {
        self.may("ecs_service", &target.ecs_service)
            .unwrap_or_else(|| service.to_owned())
    }

    fn platform(&mut self, target: &file::Target) -> Option<String> {
        self.known.push("platform_version");
        platform_version(target.platform_version.as_ref(), self.problems)
    }

    fn codedeploy(&mut self, target: &file::Target) -> (Option<String>, Option<String>, Option<String>) {
        (
            self.must(
                "application",
                &target.application,
                "write the CodeDeploy application's name",
            ),
            self.must(
                "deployment_group",
                &target.deployment_group,
                "write the name of the application's deployment group",
            ),
            self.may("deployment_config", &target.deployment_config),
        )
    }

    /// A plan that the engine could run, but for which AWS has no ready configuration.
    fn needs_config(&mut self, target: &file::Target, traffic: &TrafficPlan, ready: bool, names: &str) {
        if ready || target.deployment_config.is_some() || fits(self.kind, traffic).is_err() {
            return;
        }
        let span = target.traffic.as_ref().map_or_else(|| self.target.clone(), At::span);
        self.problems.add(
            span,
            format!("CodeDeploy has no ready configuration for \"{traffic}\""),
            Some(format!("name one of your own in deployment_config, or use {names}")),
        );
    }

    fn ecs_codedeploy(&mut self, service: &str, target: &file::Target, traffic: &TrafficPlan) -> Option<Engine> {
        let ready = traffic.ecs_predefined().is_some();
        self.needs_config(
            target,
            traffic,
            ready,
            "all-at-once, canary 10% 5m, canary 10% 15m, linear 10% 1m or linear 10% 3m",
        );
        let (application, group, deployment_config) = self.codedeploy(target);
        let (cluster, container) = (self.cluster(target), self.container(target));
        let (service, port) = (self.service(service, target), self.port(target));
        let platform_version = self.platform(target);
        self.known.push("hooks");
        let hooks = hooks(&target.hooks, self.problems);
        Some(Engine::EcsCodedeploy(EcsCodedeploy {
            cluster: cluster?,
            service,
            container: container?,
            port,
            application: application?,
            deployment_group: group?,
            deployment_config,
            platform_version,
            hooks,
        }))
    }

    fn lambda_codedeploy(&mut self, target: &file::Target, traffic: &TrafficPlan) -> Option<Engine> {
        let ready = traffic.lambda_predefined().is_some();
        self.needs_config(
            target,
            traffic,
            ready,
            "all-at-once, canary 10% after 5m, 10m, 15m or 30m, or linear 10% every 1m, 2m, 3m or 10m",
        );
        let (application, group, deployment_config) = self.codedeploy(target);
        let lambda = self.lambda(target);
        self.known.push("hooks");
        let set = hooks(&target.hooks, self.problems);
        for (name, hook) in [
            ("before_install", &target.hooks.before_install),
            ("after_install", &target.hooks.after_install),
            ("after_allow_test_traffic", &target.hooks.after_allow_test_traffic),
        ] {
            if let Some(hook) = hook {
                self.problems.add(
                    hook.span(),
                    format!("a deployment of a Lambda function has no hook {name}"),
                    Some("use before_allow_traffic or after_allow_traffic".to_owned()),
                );
            }
        }
        let lambda = lambda?;
        Some(Engine::LambdaCodedeploy(LambdaCodedeploy {
            function: lambda.function,
            alias: lambda.alias,
            application: application?,
            deployment_group: group?,
            deployment_config,
            hooks: LambdaHooks {
                before_allow_traffic: set.before_allow_traffic,
                after_allow_traffic: set.after_allow_traffic,
            },
        }))
    }

    fn lambda(&mut self, target: &file::Target) -> Option<LambdaAlias> {
        let function = self.must("function", &target.function, "write the Lambda function's name");
        if let Some(at) = target.function.as_ref().filter(|at| !is_function(at.get())) {
            self.problems.add(
                at.span(),
                format!("{:?} is no Lambda function", at.get()),
                Some("write its name, such as \"burst-overflow\", or its ARN without a version".to_owned()),
            );
        }
        let alias = self.may("alias", &target.alias).unwrap_or_else(|| "live".to_owned());
        Some(LambdaAlias {
            function: function?,
            alias,
        })
    }

    fn ecs_task_sets(&mut self, service: &str, target: &file::Target) -> Option<Engine> {
        let (cluster, container) = (self.cluster(target), self.container(target));
        let (service, port) = (self.service(service, target), self.port(target));
        let platform_version = self.platform(target);
        let listener = self.must(
            "listener",
            &target.listener,
            "write the ARN of the load balancer's listener that has the weights",
        );
        self.known.push("target_groups");
        let groups = target.target_groups.as_ref();
        let pair = match groups.map(|groups| groups.get().as_slice()) {
            Some([one, other]) if one != other => Some([one.clone(), other.clone()]),
            _ => {
                let what = format!("the engine {} needs two different target groups", self.kind.name());
                let help = "write target_groups = [\"ARN\", \"ARN\"]: the versions take turns in them".to_owned();
                let span = groups.map_or_else(|| self.target.clone(), At::span);
                self.problems.add(span, what, Some(help));
                None
            }
        };
        Some(Engine::EcsTaskSets(EcsTaskSets {
            cluster: cluster?,
            service,
            container: container?,
            port,
            listener: listener?,
            target_groups: pair?,
            platform_version,
        }))
    }

    fn ecs_native(&mut self, service: &str, target: &file::Target) -> Option<Engine> {
        let (cluster, container) = (self.cluster(target), self.container(target));
        let (service, port) = (self.service(service, target), self.port(target));
        self.known.push("bake_minutes");
        let bake = target.bake_minutes.as_ref();
        if let Some(at) = bake.filter(|at| *at.get() > BAKE_MINUTES_MAX) {
            self.problems.add(
                at.span(),
                format!("{} minutes are more than ECS keeps both versions for", at.get()),
                Some(format!("write at most {BAKE_MINUTES_MAX}")),
            );
        }
        Some(Engine::EcsNative(EcsNative {
            cluster: cluster?,
            service,
            container: container?,
            port,
            bake_minutes: bake.map_or(0, |at| *at.get()),
        }))
    }

    fn apigateway_stage(&mut self, target: &file::Target) -> Option<Engine> {
        let api = self.must("api", &target.api, "write the id of the API");
        let stage = self.must("stage", &target.stage, "write the name of the stage that is swapped");
        let compute = self.lambda(target);
        self.known.push("api_kind");
        Some(Engine::ApigatewayStage(ApigatewayStage {
            api: api?,
            api_kind: target.api_kind.as_ref().map_or(ApiKind::Rest, |at| *at.get()),
            stage: stage?,
            compute: compute?,
        }))
    }

    /// What another engine would need says that somebody meant another one.
    fn refuse_others(&mut self, target: &file::Target) {
        fn span<T>(at: &Option<At<T>>) -> Option<Range<usize>> {
            at.as_ref().map(At::span)
        }
        let written = [
            ("cluster", span(&target.cluster)),
            ("ecs_service", span(&target.ecs_service)),
            ("container", span(&target.container)),
            ("port", span(&target.port)),
            ("application", span(&target.application)),
            ("deployment_group", span(&target.deployment_group)),
            ("deployment_config", span(&target.deployment_config)),
            ("platform_version", span(&target.platform_version)),
            ("function", span(&target.function)),
            ("alias", span(&target.alias)),
            ("listener", span(&target.listener)),
            ("target_groups", span(&target.target_groups)),
            ("bake_minutes", span(&target.bake_minutes)),
            ("api", span(&target.api)),
            ("api_kind", span(&target.api_kind)),
            ("stage", span(&target.stage)),
            ("hooks", target.hooks.first()),
        ];
        for (name, span) in written {
            let Some(span) = span.filter(|_| !self.known.contains(&name)) else {
                continue;
            };
            let what = format!("{name} means nothing to the engine {}", self.kind.name());
            self.problems.add(
                span,
                what,
                Some("leave it out, or name the engine that it is for".to_owned()),
            );
        }
    }
}

/// `LATEST`, or three numbers (AWS Fargate platform versions).
fn platform_version(text: Option<&At<String>>, problems: &mut Problems) -> Option<String> {
    let version = text?.get();
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let numbers: Vec<&str> = version.split('.').collect();
    if version != "LATEST" && !(numbers.len() == 3 && numbers.into_iter().all(number)) {
        problems.add(
            text?.span(),
            format!("{version:?} is no Fargate platform version"),
            Some("write one such as \"1.4.0\", or \"LATEST\"".to_owned()),
        );
    }
    Some(version.clone())
}

fn hooks(hooks: &file::Hooks, problems: &mut Problems) -> Hooks {
    let mut function = |name: &Option<At<String>>| {
        let name = name.as_ref()?;
        if !is_function(name.get()) {
            problems.add(
                name.span(),
                format!("{:?} is no Lambda function", name.get()),
                Some("write its name, such as \"smoke-test\", or its ARN".to_owned()),
            );
        }
        Some(name.get().clone())
    };
    Hooks {
        before_install: function(&hooks.before_install),
        after_install: function(&hooks.after_install),
        after_allow_test_traffic: function(&hooks.after_allow_test_traffic),
        before_allow_traffic: function(&hooks.before_allow_traffic),
        after_allow_traffic: function(&hooks.after_allow_traffic),
    }
}

/// `NAME`, or `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:VERSION]`.
fn is_function(text: &str) -> bool {
    let word = |part: &str, more: &[u8]| {
        !part.is_empty()
            && part.len() <= FUNCTION_NAME_MAX
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || more.contains(&b))
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [name] => word(name, b""),
        [
            "arn",
            partition,
            "lambda",
            region,
            account,
            "function",
            name,
            ref rest @ ..,
        ] => {
            word(partition, b"")
                && word(region, b"")
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && word(name, b"")
                && rest.len() <= 1
                && rest.iter().all(|version| word(version, b"$"))
        }
        _ => false,
    }
}
