//! Reads what an evaluation needs. The judgement is the domain's.
//!
//! A metric source that is slow or away delays nothing else: reading is given up as soon as the deployment changes, such
//! as when a person asks to roll back (R19).

use super::reconcile::Inner;
use crate::service::lineage::Lineage;
use std::time::Duration;
use tidegate_adapters::{Order, Read as Ask};
use tidegate_domain::{
    Deployment, Timestamp,
    catalog::Target,
    deployment::{Run, Watch},
    health::{Read, Readings, Recorded, Samples, Unread, Values, reads},
    plan::HealthFacts,
};
use tidegate_store::{Change, StoreError};
use tokio::{sync::broadcast, time::Instant};

/// How long the sources are given to answer.
const READ_WITHIN: Duration = Duration::from_secs(5);

impl Inner {
    /// `None`: no evaluation is due, or the deployment changed meanwhile.
    pub(super) async fn read_health(
        &self,
        deployment: &Deployment,
        run: &Run,
        order: &Order,
        lineage: &Lineage,
        target: Option<&Target>,
        now: Timestamp,
    ) -> Result<Option<HealthFacts>, StoreError> {
        let (Some(watch), Some(course)) = (&run.watch, &run.course) else {
            return Ok(None);
        };
        let mut changes = self.db.changes();
        let read = async {
            let values = self.values(deployment, run, watch, order, lineage, target).await;
            let asked = reads(&watch.definition, course, &values, now);
            let answers = self.ask(&asked).await;
            (values, asked, answers)
        };
        let (values, asked, answers) = tokio::select! {
            read = read => read,
            () = changed(&mut changes, deployment) => return Ok(None),
        };
        let mut readings = Readings::new();
        let mut series: Vec<Recorded> = Vec::new();
        for (read, samples) in asked.iter().zip(answers) {
            if let (Some(rule), Ok(found)) = (watch.definition.rule(&read.rule), &samples) {
                series.push(Recorded {
                    which: read.which,
                    query: rule.query_of(read.which).clone(),
                    series: found.clone(),
                });
            }
            readings.entry(read.rule.clone()).or_default().put(read.which, samples);
        }
        Ok(Some(HealthFacts {
            readings,
            series,
            values,
            previous: self.db.last_evaluation(deployment.id).await?,
        }))
    }

    /// One answer for each, in their order. A query that cannot be asked is answered by why.
    async fn ask(&self, reads: &[Read]) -> Vec<Samples> {
        let questions: Vec<Ask> = reads
            .iter()
            .filter_map(|read| {
                Some(Ask {
                    query: read.query.as_ref().ok()?.clone(),
                    from: read.from,
                    until: read.until,
                })
            })
            .collect();
        let before = Instant::now() + READ_WITHIN.min(self.options.call_deadline);
        let mut answers = self.metrics.read(&questions, before.into_std()).await.into_iter();
        reads
            .iter()
            .map(|read| match &read.query {
                Ok(_) => answers.next().unwrap_or_else(|| Err(unanswered())),
                Err(why) => Err(why.clone()),
            })
            .collect()
    }

    /// What the placeholders stand for: what the engine knows, what is deployed, and what the configuration says.
    async fn values(
        &self,
        deployment: &Deployment,
        run: &Run,
        watch: &Watch,
        order: &Order,
        lineage: &Lineage,
        target: Option<&Target>,
    ) -> Values {
        if !watch.values.is_empty() {
            return watch.values.clone();
        }
        let mut values = match self.engines.of(&order.engine) {
            Ok(engine) => engine.labels(order, run).await.unwrap_or_else(|error| {
                tracing::warn!(%error, deployment = %deployment.id, "what its metrics are labelled with could not be read");
                order.engine.labels()
            }),
            Err(_) => order.engine.labels(),
        };
        values.insert("service".to_owned(), deployment.service.to_string());
        values.insert("environment".to_owned(), deployment.environment.to_string());
        values.insert("new".to_owned(), lineage.release.commit.to_string());
        if let Some(previous) = &lineage.previous_release {
            values.insert("stable".to_owned(), previous.commit.to_string());
        }
        if let Some(target) = target {
            values.extend(target.placeholders.clone());
        }
        values
    }
}

fn unanswered() -> Unread {
    Unread("it was not answered".to_owned())
}

/// Returns when this deployment was saved by someone else.
async fn changed(changes: &mut broadcast::Receiver<Change>, deployment: &Deployment) {
    loop {
        match changes.recv().await {
            Ok(change) if change.deployment == deployment.id => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            // No one will ever tell: the reading has a limit of its own.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
