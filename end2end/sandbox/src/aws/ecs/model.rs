//! Services that CodeDeploy does not deploy: sets of tasks, each task with its state, and what a
//! service of the controller ECS remembers of its revisions and deployments.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deployments::model::ServiceDeployment;
use crate::aws::model::{At, TaskSetStatus, digest};

/// Who deploys a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Controller {
    #[default]
    CodeDeploy,
    External,
    Ecs,
}

impl Controller {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CodeDeploy => "CODE_DEPLOY",
            Self::External => "EXTERNAL",
            Self::Ecs => "ECS",
        }
    }
}

/// What a service has under the controllers EXTERNAL and ECS; empty under CODE_DEPLOY.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Managed {
    /// Task sets (EXTERNAL), or the tasks of each revision (ECS); oldest first.
    pub workloads: Vec<Workload>,
    pub revisions: Vec<Revision>,
    pub deployments: Vec<ServiceDeployment>,
    /// In the members of `DeploymentConfiguration`.
    pub configuration: Value,
    /// In the members of `LoadBalancer`.
    pub balancers: Vec<Value>,
    /// When a task last changed its state.
    pub touched: Option<At>,
    /// The next Lambda hook of this stage fails.
    pub failing_stage: Option<String>,
}

/// A service revision: what a deployment brings.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Revision {
    pub arn: String,
    pub task_definition: String,
    pub created: At,
    /// The workload that runs it.
    pub workload: String,
    pub target_group: Option<String>,
}

/// Tasks of one task definition that are started and stopped together.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Workload {
    /// `ecs-svc/` and nineteen digits.
    pub id: String,
    pub task_definition: String,
    pub external_id: Option<String>,
    pub client_token: Option<String>,
    /// What it was asked for with, to tell a repeated request from another.
    #[serde(skip)]
    pub request: Value,
    pub status: TaskSetStatus,
    /// Percent of the service's desired count; of a task set only.
    pub scale: f64,
    /// Tasks that are to run.
    pub desired: i64,
    /// Tasks that ended before they were healthy.
    pub failed: i64,
    pub created: At,
    pub updated: At,
    /// When a draining one disappears.
    pub gone: Option<At>,
    pub stable: bool,
    /// Since when it is stable, or is not.
    pub stability_at: At,
    pub balancers: Value,
    pub network: Value,
    pub launch_type: Value,
    pub platform_version: Value,
    pub tags: Value,
    /// `rolloutState` and `rolloutStateReason` under the controller ECS.
    pub rollout: (&'static str, String),
    pub tasks: Vec<Task>,
    /// Tasks started so far.
    pub started: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Task {
    pub id: String,
    pub address: String,
    pub created: At,
    pub running_since: Option<At>,
    pub state: TaskState,
    /// Since when it is in this state.
    pub since: At,
    pub sick: Option<Sick>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TaskState {
    Pending,
    /// Running, its health not known yet.
    Starting,
    Healthy,
    Unhealthy,
    /// Its target is deregistered, then it ends.
    Stopping,
}

/// What is wrong with the tasks of a task definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sick {
    /// They end before they run.
    NeverRuns,
    /// They run and fail their health checks.
    NeverHealthy,
}

impl Task {
    pub(crate) fn is_live(&self) -> bool {
        self.state != TaskState::Stopping
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_live() && self.state != TaskState::Pending
    }
}

impl Workload {
    /// One that runs nothing yet.
    pub(crate) fn new(id: String, task_definition: String, at: At) -> Self {
        Self {
            id,
            task_definition,
            external_id: None,
            client_token: None,
            request: Value::Null,
            status: TaskSetStatus::Active,
            scale: 0.0,
            desired: 0,
            failed: 0,
            created: at,
            updated: at,
            gone: None,
            stable: false,
            stability_at: at,
            balancers: Value::Array(Vec::new()),
            network: Value::Null,
            launch_type: Value::String("FARGATE".into()),
            platform_version: Value::String("1.4.0".into()),
            tags: Value::Array(Vec::new()),
            rollout: ("IN_PROGRESS", String::new()),
            tasks: Vec::new(),
            started: 0,
        }
    }

    fn count(&self, of: impl Fn(&Task) -> bool) -> i64 {
        i64::try_from(self.tasks.iter().filter(|task| of(task)).count()).unwrap_or(i64::MAX)
    }

    pub(crate) fn live(&self) -> i64 {
        self.count(Task::is_live)
    }

    pub(crate) fn running(&self) -> i64 {
        self.count(Task::is_running)
    }

    pub(crate) fn pending(&self) -> i64 {
        self.count(|task| task.state == TaskState::Pending)
    }

    pub(crate) fn healthy(&self) -> i64 {
        self.count(|task| task.state == TaskState::Healthy)
    }

    /// Starts tasks, or stops them, until there are as many as are to run.
    pub(crate) fn fill(&mut self, at: At, sick: Option<Sick>) {
        while self.live() < self.desired {
            self.start(at, sick);
        }
        while self.live() > self.desired {
            // The healthiest last.
            let next = self
                .tasks
                .iter_mut()
                .filter(|task| task.is_live())
                .min_by_key(|task| task.state == TaskState::Healthy);
            if let Some(task) = next {
                task.state = TaskState::Stopping;
                task.since = at;
            }
        }
        self.note_stability(at);
    }

    fn start(&mut self, at: At, sick: Option<Sick>) {
        self.started += 1;
        let hash = digest(&format!("{}/{}", self.id, self.started));
        let octet = |place: usize| u8::from_str_radix(&hash[place..place + 2], 16).unwrap_or_default();
        self.tasks.push(Task {
            address: format!("10.0.{}.{}", octet(40), octet(42)),
            id: hash[7..39].to_owned(),
            created: at,
            running_since: None,
            state: TaskState::Pending,
            since: at,
            sick,
        });
    }

    /// All its tasks are as they should be from the start, as in a service that has run for long.
    pub(crate) fn settle(&mut self, at: At) {
        self.fill(at, None);
        for task in &mut self.tasks {
            task.state = TaskState::Healthy;
            task.running_since = Some(at);
        }
        self.note_stability(at);
    }

    pub(crate) fn note_stability(&mut self, at: At) {
        let stable = self.live() == self.desired && self.healthy() == self.desired;
        if stable != self.stable {
            self.stable = stable;
            self.stability_at = at;
        }
    }

    /// Stops all tasks; it disappears when they are deregistered.
    pub(crate) fn drain(&mut self, at: At, gone: At) {
        self.status = TaskSetStatus::Draining;
        self.desired = 0;
        self.scale = 0.0;
        self.updated = at;
        self.gone = Some(gone);
        self.fill(at, None);
    }

    /// Whether its tasks are targets of the group.
    pub(crate) fn serves(&self, target_group: &str) -> Option<i64> {
        let mut balancers = self.balancers.as_array()?.iter();
        let found = balancers.find(|each| each["targetGroupArn"] == target_group)?;
        found["containerPort"].as_i64()
    }
}

impl Managed {
    pub(crate) fn workload_mut(&mut self, id: &str) -> Option<&mut Workload> {
        self.workloads.iter_mut().find(|each| each.id == id)
    }

    pub(crate) fn workload(&self, id: &str) -> Option<&Workload> {
        self.workloads.iter().find(|each| each.id == id)
    }

    pub(crate) fn primary(&self) -> Option<&Workload> {
        self.workloads.iter().find(|each| each.status == TaskSetStatus::Primary)
    }

    pub(crate) fn revision(&self, arn: &str) -> Option<&Revision> {
        self.revisions.iter().find(|each| each.arn == arn)
    }

    /// The deployment that is under way.
    pub(crate) fn current(&self) -> Option<&ServiceDeployment> {
        self.deployments.last().filter(|each| !each.status.is_final())
    }

    pub(crate) fn current_mut(&mut self) -> Option<&mut ServiceDeployment> {
        self.deployments.last_mut().filter(|each| !each.status.is_final())
    }
}
