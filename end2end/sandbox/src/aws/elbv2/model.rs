//! Load balancers with their listeners and rules, and target groups. Who is in a target group is
//! not kept here: that is what the services run.

use serde::Serialize;
use serde_json::Value;

use crate::aws::model::{Account, At, digest};

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct LoadBalancing {
    pub balancers: Vec<Balancer>,
    pub listeners: Vec<Listener>,
    pub target_groups: Vec<TargetGroup>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Balancer {
    pub arn: String,
    pub name: String,
    pub created: At,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listener {
    pub arn: String,
    pub balancer_arn: String,
    pub port: u16,
    pub protocol: String,
    pub ssl_policy: Option<String>,
    pub certificates: Value,
    /// The last of them is the default rule, which has no priority.
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Rule {
    pub arn: String,
    /// None: the default rule.
    pub priority: Option<u32>,
    /// In the members of `RuleCondition`.
    pub conditions: Value,
    /// In the members of `Action`; weights are numbers.
    pub actions: Vec<Value>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TargetGroup {
    pub arn: String,
    pub name: String,
    pub port: u16,
    pub protocol: String,
    pub health_check_path: String,
}

impl LoadBalancing {
    pub(crate) fn group(&self, arn: &str) -> Option<&TargetGroup> {
        self.target_groups.iter().find(|group| group.arn == arn)
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Listener, &Rule)> {
        self.listeners
            .iter()
            .flat_map(|listener| listener.rules.iter().map(move |rule| (listener, rule)))
    }

    /// A rule by its own ARN, or the default rule of the listener that has it.
    pub(crate) fn rule_mut(&mut self, arn: &str) -> Option<&mut Rule> {
        self.listeners.iter_mut().find_map(|listener| {
            if listener.arn == arn {
                return listener.rules.last_mut();
            }
            listener.rules.iter_mut().find(|rule| rule.arn == arn)
        })
    }

    /// The load balancers that may send traffic to a target group, whatever its weight.
    pub(crate) fn balancers_of(&self, group: &str) -> Vec<String> {
        let mut found: Vec<String> = self
            .rules()
            .filter(|(_, rule)| groups_of(&rule.actions).any(|each| each == group))
            .map(|(listener, _)| listener.balancer_arn.clone())
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

impl Rule {
    /// Forwards to these target groups with these weights; other actions and stickiness stay.
    pub(crate) fn weigh(&mut self, weights: &[(String, u32)]) {
        let forward = self.actions.iter_mut().find(|action| action["Type"] == "forward");
        if let Some(action) = forward {
            action["ForwardConfig"]["TargetGroups"] = weights
                .iter()
                .map(|(arn, weight)| serde_json::json!({ "TargetGroupArn": arn, "Weight": weight }))
                .collect();
            if let Some(members) = action.as_object_mut() {
                members.remove("TargetGroupArn");
            }
        }
    }
}

/// The target groups that the forward actions name.
pub(crate) fn groups_of(actions: &[Value]) -> impl Iterator<Item = &str> {
    actions
        .iter()
        .filter_map(|action| action["ForwardConfig"]["TargetGroups"].as_array())
        .flatten()
        .filter_map(|group| group["TargetGroupArn"].as_str())
}

/// The sixteen digits that end an ARN. They depend on the name alone, so that a seed is the same
/// wherever it is loaded.
pub(crate) fn suffix(name: &str) -> String {
    digest(name)[7..23].to_owned()
}

impl Account {
    pub(crate) fn target_group_arn(&self, name: &str) -> String {
        let path = format!("targetgroup/{name}/{}", suffix(name));
        self.arn("elasticloadbalancing", &path)
    }

    pub(crate) fn balancer_arn(&self, name: &str) -> String {
        let path = format!("loadbalancer/app/{name}/{}", suffix(name));
        self.arn("elasticloadbalancing", &path)
    }

    pub(crate) fn listener_arn(&self, balancer: &str, port: u16) -> String {
        let path = format!(
            "listener/app/{balancer}/{}/{}",
            suffix(balancer),
            suffix(&format!("{balancer}:{port}"))
        );
        self.arn("elasticloadbalancing", &path)
    }

    pub(crate) fn rule_arn(&self, balancer: &str, port: u16, priority: Option<u32>) -> String {
        let name = format!("{balancer}:{port}");
        let rule = priority.map_or("default".to_owned(), |priority| priority.to_string());
        let path = format!(
            "listener-rule/app/{balancer}/{}/{}/{}",
            suffix(balancer),
            suffix(&name),
            suffix(&format!("{name}:{rule}"))
        );
        self.arn("elasticloadbalancing", &path)
    }
}
