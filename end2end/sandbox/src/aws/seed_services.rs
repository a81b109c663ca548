//! What the control API seeds for services that CodeDeploy does not deploy: their load balancers,
//! how they are deployed, and tasks that have run for long.

use serde_json::json;

use super::{
    ecs::{
        self,
        deployments::{configuration::joined, model::defaults},
        model::{Controller, Managed, Sick, Workload},
    },
    model::{Account, At, TaskSetStatus},
    protocol::without_nulls,
    seed::SeedService,
    seed_elb::RuleName,
};

/// Gives the last service that was seeded the tasks that its controller keeps.
pub(super) fn set_up(account: &mut Account, controller: Controller, at: At, id: String, definition: String) {
    let index = account.services.len() - 1;
    let service = &mut account.services[index];
    match controller {
        Controller::CodeDeploy => {}
        Controller::External => {
            service.task_sets.clear();
            let mut set = Workload::new(id, definition, at);
            set.scale = 100.0;
            set.desired = service.desired;
            set.status = TaskSetStatus::Primary;
            set.network = ecs::network();
            if let Some(balancer) = service.managed.balancers.first() {
                set.balancers = json!([balancer]);
            }
            set.settle(at);
            // Its load balancers are those of its task sets.
            service.managed.balancers.clear();
            service.managed.workloads.push(set);
        }
        Controller::Ecs => {
            service.task_sets.clear();
            ecs::deployed_long_ago(account, index, at, definition);
        }
    }
}

/// What a service has besides its tasks, unless CodeDeploy deploys it.
pub(super) fn managed(account: &Account, controller: Controller, seed: &SeedService) -> Result<Managed, String> {
    let of = |reason: String| format!("service `{}`: {reason}", seed.name);
    let native = seed.production.is_some() || seed.test.is_some() || seed.deployment_configuration.is_some();
    if controller != Controller::Ecs && native {
        return Err(of(
            "`production`, `test` and `deployment_configuration` are for the controller ECS".into(),
        ));
    }
    if controller == Controller::CodeDeploy {
        if !seed.target_groups.is_empty() {
            return Err(of("`target_groups` are for the controllers EXTERNAL and ECS".into()));
        }
        return Ok(Managed::default());
    }
    let mut groups = Vec::new();
    for name in &seed.target_groups {
        let arn = account.target_group_arn(name);
        account
            .load_balancing
            .group(&arn)
            .ok_or_else(|| of(format!("no target group `{name}`")))?;
        groups.push(arn);
    }
    if groups.len() > 2 {
        return Err(of("has more than two target groups".into()));
    }
    let rule = |name: &Option<RuleName>| match name {
        None => Ok(None),
        Some(name) => name.arn(account).map(Some).map_err(of),
    };
    let (production, test) = (rule(&seed.production)?, rule(&seed.test)?);
    let mut balancers = Vec::new();
    if let Some(group) = groups.first() {
        let mut balancer = json!({
            "targetGroupArn": group,
            "containerName": seed.container,
            "containerPort": seed.port,
        });
        if let (Controller::Ecs, Some(other)) = (controller, groups.get(1)) {
            balancer["advancedConfiguration"] = without_nulls(json!({
                "alternateTargetGroupArn": other,
                "productionListenerRule": production,
                "testListenerRule": test,
                "roleArn": format!("arn:aws:iam::{}:role/ecs-load-balancing", account.id),
            }));
        }
        balancers.push(balancer);
    }
    let asked = seed.deployment_configuration.clone().unwrap_or_default();
    let configuration = joined(&defaults(), &asked).map_err(|error| of(error.message.unwrap_or(error.code)))?;
    Ok(Managed {
        configuration,
        balancers,
        ..Managed::default()
    })
}

/// From now on, tasks of the definition start ill, or well again.
pub(crate) fn fall_sick(account: &mut Account, definition: &str, sick: Option<Sick>) -> Result<(), String> {
    let found = account
        .task_definition(definition)
        .ok_or_else(|| format!("no task definition `{definition}`"))?;
    let arn = found.arn.clone();
    match sick {
        Some(sick) => account.sick.insert(arn, sick),
        None => account.sick.remove(&arn),
    };
    Ok(())
}
