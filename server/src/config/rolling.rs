//! Services that are only watched.

use super::{file, problem::Problems};
use tidegate_domain::{Target, catalog::Engine, rolling::RollingService};

/// Reads them. What Tidegate deploys itself is shown anyway, and is not watched besides.
pub(super) fn rolling(service: &file::Service, targets: &[Target], problems: &mut Problems) -> Vec<RollingService> {
    let mut watched: Vec<RollingService> = Vec::new();
    for at in &service.rolling {
        let one = RollingService {
            cluster: at.get().cluster.clone(),
            ecs_service: at.get().ecs_service.clone(),
        };
        let what = format!("ECS service {} in {}", one.ecs_service, one.cluster);
        if one.cluster.trim().is_empty() || one.ecs_service.trim().is_empty() {
            let help = "write { cluster = \"acme-production\", ecs_service = \"batch\" }".to_owned();
            problems.add(at.span(), "a watched service has an empty name", Some(help));
        } else if watched.contains(&one) {
            problems.add(
                at.span(),
                format!("{what} is watched twice"),
                Some("leave one out".to_owned()),
            );
        } else if let Some(target) = targets.iter().find(|target| deploys(&target.engine, &one)) {
            problems.add(
                at.span(),
                format!(
                    "{what} is deployed from here, as {} in {}",
                    service.name.get(),
                    target.environment
                ),
                Some("leave it out: rolling is for services that ECS deploys by itself".to_owned()),
            );
        } else {
            watched.push(one);
        }
    }
    watched
}

fn deploys(engine: &Engine, watched: &RollingService) -> bool {
    let (cluster, service) = match engine {
        Engine::EcsCodedeploy(ecs) => (&ecs.cluster, &ecs.service),
        Engine::EcsTaskSets(ecs) => (&ecs.cluster, &ecs.service),
        Engine::EcsNative(ecs) => (&ecs.cluster, &ecs.service),
        Engine::LambdaCodedeploy(_) | Engine::LambdaAlias(_) | Engine::ApigatewayStage(_) => return false,
    };
    *cluster == watched.cluster && *service == watched.ecs_service
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const DEMO: &str = include_str!("../../../infra/demo/tidegate.toml");

    fn with(rolling: &str) -> String {
        let at = "repository_id = 9200101\n";
        assert!(DEMO.contains(at));
        DEMO.replacen(at, &format!("{at}rolling = [{rolling}]\n"), 1)
    }

    #[test]
    fn services_that_ecs_deploys_by_itself_are_watched() {
        let text = with("{ cluster = \"acme-production\", ecs_service = \"batch\" }");
        let loaded = parse("tidegate.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
        let watched = &loaded.catalog.services[0].rolling;
        assert_eq!(
            (watched[0].cluster.as_str(), watched[0].ecs_service.as_str()),
            ("acme-production", "batch")
        );
    }

    #[test]
    fn what_is_wrong_with_a_watched_service_is_said() {
        for (rolling, said) in [
            (
                "{ cluster = \"acme-production\", ecs_service = \"orchestrator\" }",
                "ECS service orchestrator in acme-production is deployed from here, as orchestrator in production",
            ),
            (
                "{ cluster = \"a\", ecs_service = \"b\" }, { cluster = \"a\", ecs_service = \"b\" }",
                "ECS service b in a is watched twice",
            ),
            (
                "{ cluster = \"\", ecs_service = \"b\" }",
                "a watched service has an empty name",
            ),
        ] {
            let problems = parse("tidegate.toml", &with(rolling))
                .expect_err("it is wrong")
                .to_string();
            assert!(problems.contains(said), "{problems}");
        }
    }
}
