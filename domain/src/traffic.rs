//! Traffic plans: in which steps a deployment takes over the traffic, and what an engine calls them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How traffic moves to the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TrafficPlan {
    AllAtOnce,
    /// `percent` first, all the rest after `minutes`.
    Canary {
        percent: u8,
        minutes: u16,
    },
    /// `percent` more every `minutes`.
    Linear {
        percent: u8,
        minutes: u16,
    },
}

impl TrafficPlan {
    /// The plan as steps: share of traffic in percent, and minutes until the next step (0 for the last).
    pub fn steps(self) -> Vec<(u8, u16)> {
        match self {
            Self::AllAtOnce => vec![(100, 0)],
            Self::Canary { percent, minutes } => vec![(percent, minutes), (100, 0)],
            Self::Linear { percent, minutes } => {
                let mut steps = Vec::new();
                let mut share = percent.max(1);
                while share < 100 {
                    steps.push((share, minutes));
                    share = share.saturating_add(percent.max(1)).min(100);
                }
                steps.push((100, 0));
                steps
            }
        }
    }

    /// Minutes from the first step to all traffic, without installation and baking.
    pub fn minutes(self) -> u32 {
        self.steps().iter().map(|(_, minutes)| u32::from(*minutes)).sum()
    }

    /// CodeDeploy's own name of the predefined configuration for ECS that runs exactly this plan, if it has one.
    /// Source: AWS CodeDeploy User Guide, "Deployment configurations on an Amazon ECS compute platform".
    pub fn ecs_predefined(self) -> Option<&'static str> {
        Some(match self {
            Self::AllAtOnce => "CodeDeployDefault.ECSAllAtOnce",
            Self::Canary {
                percent: 10,
                minutes: 5,
            } => "CodeDeployDefault.ECSCanary10Percent5Minutes",
            Self::Canary {
                percent: 10,
                minutes: 15,
            } => "CodeDeployDefault.ECSCanary10Percent15Minutes",
            Self::Linear {
                percent: 10,
                minutes: 1,
            } => "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
            Self::Linear {
                percent: 10,
                minutes: 3,
            } => "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
            Self::Canary { .. } | Self::Linear { .. } => return None,
        })
    }
}

impl fmt::Display for TrafficPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllAtOnce => f.write_str("all at once"),
            Self::Canary { percent, minutes } => {
                write!(f, "{percent} % for {minutes} min, then 100 %")
            }
            Self::Linear { percent, minutes } => write!(f, "{percent} % every {minutes} min"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_has_exactly_two_steps() {
        assert_eq!(
            TrafficPlan::Canary {
                percent: 10,
                minutes: 5
            }
            .steps(),
            [(10, 5), (100, 0)]
        );
    }

    #[test]
    fn a_linear_plan_ends_at_a_hundred() {
        assert_eq!(
            TrafficPlan::Linear {
                percent: 40,
                minutes: 2
            }
            .steps(),
            [(40, 2), (80, 2), (100, 0)]
        );
        assert_eq!(
            TrafficPlan::Linear {
                percent: 10,
                minutes: 1
            }
            .minutes(),
            9
        );
    }

    #[test]
    fn a_plan_aws_does_not_predefine_has_no_name() {
        assert_eq!(
            TrafficPlan::Canary {
                percent: 20,
                minutes: 5
            }
            .ecs_predefined(),
            None
        );
    }
}
