//! The history: deployments newest first, under any combination of filters, paged by key.

use crate::{
    Db, Result, Versioned,
    deployments::DeploymentRow,
    sql::{Sql, fetch_built, limit},
};
use tidegate_domain::{Deployment, DeploymentId, EnvironmentName, ServiceName, StateName, Timestamp};

/// Every filter that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryQuery {
    pub service: Option<ServiceName>,
    pub environment: Option<EnvironmentName>,
    pub state: Option<StateName>,
    /// Login of whoever requested, approved or rejected; case does not matter.
    pub person: Option<String>,
    /// Requested at or after this.
    pub from: Option<Timestamp>,
    /// Requested before this.
    pub to: Option<Timestamp>,
    /// Part of the label, digest, commit, service or a reason; case does not matter.
    pub text: Option<String>,
    /// [`HistoryQuery::key`] of the last row of the page before.
    pub after: Option<(Timestamp, DeploymentId)>,
    pub limit: usize,
}

impl HistoryQuery {
    /// Where a deployment stands in the history.
    pub const fn key(deployment: &Deployment) -> (Timestamp, DeploymentId) {
        (deployment.requested_at, deployment.id)
    }

    pub(crate) fn to_sql(&self, postgres: bool) -> Sql {
        match &self.person {
            // CROSS JOIN: the person's own list is walked in order, and each deployment looked up by its id.
            Some(person) => {
                let mut sql = Sql::new("SELECT d.body, d.version FROM deployment_people p CROSS JOIN deployments d");
                sql.and("d.id = p.deployment_id");
                sql.and("p.login = ").bind(person.to_lowercase());
                if let Some((at, id)) = self.after {
                    sql.and("(p.requested_at, p.deployment_id) < (").bind(at.millis());
                    sql.push(", ").bind(id.to_string()).push(")");
                }
                self.filter_time(&mut sql, "p.requested_at >= ", "p.requested_at < ");
                self.filter(&mut sql);
                sql.push(" ORDER BY p.requested_at DESC, p.deployment_id DESC LIMIT ")
                    .bind(limit(self.limit));
                sql
            }
            None => {
                let mut sql = Sql::new("SELECT d.body, d.version FROM deployments d");
                sql.indexed_by(self.index(), postgres);
                if let Some((at, id)) = self.after {
                    sql.and("(d.requested_at, d.id) < (").bind(at.millis());
                    sql.push(", ").bind(id.to_string()).push(")");
                }
                self.filter_time(&mut sql, "d.requested_at >= ", "d.requested_at < ");
                self.filter(&mut sql);
                sql.push(" ORDER BY d.requested_at DESC, d.id DESC LIMIT ")
                    .bind(limit(self.limit));
                sql
            }
        }
    }

    /// The index that fits the filters closest and is in the order of the list.
    const fn index(&self) -> &'static str {
        match (self.service.is_some(), self.environment.is_some(), self.state.is_some()) {
            (true, true, true) => "history_lane_state",
            (true, true, false) => "history_lane",
            (true, false, true) => "history_service_state",
            (true, false, false) => "history_service",
            (false, true, true) => "history_environment_state",
            (false, true, false) => "history_environment",
            (false, false, true) => "history_state",
            (false, false, false) => "history_all",
        }
    }

    fn filter_time(&self, sql: &mut Sql, from: &'static str, to: &'static str) {
        if let Some(at) = self.from {
            sql.and(from).bind(at.millis());
        }
        if let Some(at) = self.to {
            sql.and(to).bind(at.millis());
        }
    }

    fn filter(&self, sql: &mut Sql) {
        if let Some(service) = &self.service {
            sql.and("d.service = ").bind(service.as_str());
        }
        if let Some(environment) = &self.environment {
            sql.and("d.environment = ").bind(environment.as_str());
        }
        if let Some(state) = self.state {
            sql.and("d.state = ").bind(state.as_str());
        }
        if let Some(text) = self.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            sql.and("d.search LIKE ").bind(like(text)).push(" ESCAPE '!'");
        }
    }
}

/// A pattern that finds `text` anywhere, with nothing in it special.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl Db {
    /// One page of the history, newest request first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history(&self, query: &HistoryQuery) -> Result<Vec<Versioned<Deployment>>> {
        let sql = query.to_sql(self.is_postgres());
        DeploymentRow::read_all(fetch_built!(self.read(), sql, DeploymentRow)?)
    }
}
