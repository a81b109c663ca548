//! Deployments that ECS makes of a service. They bear no operation id: one is known by the task definition that it brings,
//! which does.

use crate::{
    CallError,
    aws::{Aws, call, codedeploy::CLOCK_MARGIN_MILLIS},
};
use aws_sdk_ecs::types::{CreatedAt, ServiceDeployment};
use aws_smithy_types::DateTime;
use tidegate_domain::{catalog::EcsNative, time::Timestamp};

/// DescribeServiceDeployments and DescribeServiceRevisions take so many ARNs at most.
const BATCH: usize = 20;

/// The service's deployments since about then, newest first.
pub(super) async fn since(
    aws: &Aws,
    target: &EcsNative,
    since: Timestamp,
) -> Result<Vec<ServiceDeployment>, CallError> {
    let after = DateTime::from_millis(since.plus_millis(-CLOCK_MARGIN_MILLIS).millis());
    let mut token = None;
    let mut found = Vec::new();
    loop {
        let page = aws
            .ecs
            .list_service_deployments()
            .cluster(&target.cluster)
            .service(&target.service)
            .created_at(CreatedAt::builder().after(after).build())
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| call::unread(&error))?;
        let arns: Vec<String> = page
            .service_deployments()
            .iter()
            .filter_map(|each| each.service_deployment_arn().map(str::to_owned))
            .collect();
        for arns in arns.chunks(BATCH) {
            found.extend(described(aws, arns).await?);
        }
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    found.sort_by_key(|each| std::cmp::Reverse(each.created_at().map(DateTime::as_nanos)));
    Ok(found)
}

/// The deployments of these ARNs, as far as they are there.
pub(super) async fn described(aws: &Aws, arns: &[String]) -> Result<Vec<ServiceDeployment>, CallError> {
    let answer = aws
        .ecs
        .describe_service_deployments()
        .set_service_deployment_arns(Some(arns.to_vec()))
        .send()
        .await
        .map_err(|error| call::unread(&error))?;
    Ok(answer.service_deployments.unwrap_or_default())
}

/// The oldest of these deployments that brings this task definition.
pub(super) async fn bringing(
    aws: &Aws,
    deployments: &[ServiceDeployment],
    definition: &str,
) -> Result<Option<ServiceDeployment>, CallError> {
    let revision = |each: &ServiceDeployment| {
        let summary = each.target_service_revision()?;
        summary.arn().map(str::to_owned)
    };
    let revisions: Vec<String> = deployments.iter().filter_map(revision).collect();
    let mut bringing = Vec::new();
    for arns in revisions.chunks(BATCH) {
        let answer = aws
            .ecs
            .describe_service_revisions()
            .set_service_revision_arns(Some(arns.to_vec()))
            .send()
            .await
            .map_err(|error| call::unread(&error))?;
        let ours = answer
            .service_revisions
            .unwrap_or_default()
            .into_iter()
            .filter(|each| each.task_definition() == Some(definition))
            .filter_map(|each| each.service_revision_arn);
        bringing.extend(ours);
    }
    let mut found = deployments.iter().rev();
    Ok(found
        .find(|each| revision(each).is_some_and(|arn| bringing.contains(&arn)))
        .cloned())
}
