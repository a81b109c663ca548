//! Why a deployment was held or rolled back, and what people said of it afterwards.

use super::{
    Services,
    decide::{subject, text_given},
    errors::{self, no_deployment},
    person,
    service_page::permission,
    transaction::{Stopped, again},
};
use crate::config;
use serde_json::json;
use tidegate_app::{
    health::{DefinitionPage, HealthBrief, HealthLine, HealthPage, Marked},
    portal::PortalError,
};
use tidegate_domain::{
    Action, Actor, AuditEvent, Catalog, Deployment, DeploymentId, EventKind, Service, access,
    health::{Mark, values_between},
};
use tidegate_store::Marked as Kept;

impl Services {
    pub(crate) async fn health_page(&self, actor: &Actor, id: DeploymentId) -> Result<HealthPage, PortalError> {
        let found = self
            .db()
            .deployment(id)
            .await
            .map_err(errors::portal)?
            .ok_or_else(no_deployment)?;
        let deployment = found.value;
        self.allow(actor, Action::View, Some(&deployment.service)).await?;
        let evaluations = self.db().evaluations_of(id).await.map_err(errors::portal)?;
        let definition = match evaluations.last() {
            Some(last) => self.db().definition(&last.version).await.map_err(errors::portal)?,
            None => None,
        };
        Ok(HealthPage {
            brief: self.health_brief(actor, &deployment, &self.catalog()).await?,
            course: deployment.run().and_then(|run| run.course),
            version: found.version,
            evaluations,
            definition,
            deployment,
            now: self.db().now().await.map_err(errors::portal)?,
        })
    }

    pub(crate) async fn health_brief(
        &self,
        actor: &Actor,
        deployment: &Deployment,
        catalog: &Catalog,
    ) -> Result<HealthBrief, PortalError> {
        let id = deployment.id;
        let target = catalog.target(&deployment.service, &deployment.environment);
        let may = access::can(actor, Action::Mark, Some(&deployment.service))
            .map_err(|denial| denial.0)
            .and_then(|()| is_over(deployment));
        let marked = self.db().mark_of(id).await.map_err(errors::portal)?;
        Ok(HealthBrief {
            definition: target
                .and_then(|target| target.health.as_ref())
                .map(|definition| definition.name.clone()),
            outcomes: self.db().outcomes_of(id).await.map_err(errors::portal)?,
            last: self.db().last_evaluation(id).await.map_err(errors::portal)?,
            marked: marked.map(|kept| Marked {
                mark: kept.mark,
                comment: kept.comment,
                by: kept.by,
                at: kept.at,
            }),
            may_mark: permission(may),
        })
    }

    pub(crate) async fn definition_page(&self, actor: &Actor, version: String) -> Result<DefinitionPage, PortalError> {
        self.allow(actor, Action::View, None).await?;
        let definition = self.db().definition(&version).await.map_err(errors::portal)?;
        let definition = definition.ok_or_else(|| {
            PortalError::NotFound("There is no health definition of this version that has judged anything.".to_owned())
        })?;
        Ok(DefinitionPage {
            text: config::health_text(&definition),
            name: definition.name,
            version,
            now: self.db().now().await.map_err(errors::portal)?,
        })
    }

    /// Says of a deployment that is over how it was. What was said before stays in the audit log.
    pub(crate) async fn mark_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        mark: Mark,
        comment: Option<String>,
    ) -> Result<(), PortalError> {
        let deployment = self.load(id).await?;
        self.allow_about(actor, Action::Mark, subject(&deployment)).await?;
        let by = person(actor, Action::Mark)?.clone();
        let comment = match comment {
            Some(comment) if !comment.trim().is_empty() => Some(text_given("comment", &comment)?),
            _ => None,
        };
        is_over(&deployment).map_err(PortalError::Conflict)?;
        let attempt = || async {
            let mut tx = self.db().begin().await?;
            let marked = Kept {
                mark,
                comment: comment.clone(),
                by: by.clone(),
                at: tx.now(),
            };
            tx.mark_deployment(id, &marked).await?;
            let event = AuditEvent {
                kind: EventKind::DeploymentMarked,
                actor: actor.clone(),
                subject: subject(&deployment),
                data: json!({ "mark": mark }),
                text: comment.clone(),
            };
            self.finish(tx, vec![event], &id).await
        };
        again(attempt).await.map_err(|stopped: Stopped| stopped.into())
    }

    /// How each target that has a health definition is between deployments.
    pub(crate) async fn health_between(&self, service: &Service) -> Result<Vec<HealthLine>, PortalError> {
        let judged: Vec<_> = service
            .targets
            .iter()
            .filter_map(|target| Some((target, target.health.as_ref()?)))
            .collect();
        if judged.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.db().watches_of(&service.name).await.map_err(errors::portal)?;
        Ok(judged
            .into_iter()
            .map(|(target, definition)| {
                let row = rows.iter().find(|(environment, _)| *environment == target.environment);
                let row = row.map(|(_, row)| row);
                HealthLine {
                    environment: target.environment.clone(),
                    definition: definition.name.clone(),
                    outcome: row.map(|row| (row.outcome, row.since)),
                    breached_at: row.and_then(|row| row.breached_at),
                    not_judged: definition.between(&values_between(&service.name, target)).left_out,
                }
            })
            .collect())
    }
}

/// It ran, and has come to rest.
fn is_over(deployment: &Deployment) -> Result<(), String> {
    let name = deployment.state.name();
    if !name.is_terminal() {
        return Err(format!("it is not over: it is {}", name.words().to_lowercase()));
    }
    if deployment.run().is_none() {
        return Err("it never ran".to_owned());
    }
    Ok(())
}
