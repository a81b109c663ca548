//! Traffic plans: in which steps a deployment takes over the traffic, and what an engine calls them.

mod fit;
mod strategy;

pub use fit::{CannotRun, fits};
pub use strategy::Strategy;

use serde::{Deserialize, Serialize};
use std::fmt;

/// How traffic moves to the new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Any other list of growing shares, each held for its minutes; the rest follows after the last.
    Steps {
        steps: Vec<TrafficStep>,
    },
}

/// A share of traffic in percent, and how long it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficStep {
    pub percent: u8,
    pub minutes: u16,
}

impl TrafficPlan {
    /// The plan of these steps before all traffic, by its simplest name. The shares must grow and stay under 100.
    pub fn of_steps(steps: &[TrafficStep]) -> Self {
        match steps {
            [] => Self::AllAtOnce,
            [TrafficStep { percent, minutes }] => Self::Canary {
                percent: *percent,
                minutes: *minutes,
            },
            [first, ..] => {
                let (percent, minutes) = (first.percent, first.minutes);
                let linear = Self::Linear { percent, minutes };
                let asked: Vec<(u8, u16)> = steps.iter().map(|step| (step.percent, step.minutes)).collect();
                if linear.steps().split_last().is_some_and(|(_, before)| before == asked) {
                    linear
                } else {
                    Self::Steps { steps: steps.to_vec() }
                }
            }
        }
    }

    /// The plan as steps: share of traffic in percent, and minutes until the next step (0 for the last).
    pub fn steps(&self) -> Vec<(u8, u16)> {
        match self {
            Self::AllAtOnce => vec![(100, 0)],
            Self::Canary { percent, minutes } => vec![(*percent, *minutes), (100, 0)],
            Self::Steps { steps } => steps
                .iter()
                .map(|step| (step.percent, step.minutes))
                .chain([(100, 0)])
                .collect(),
            Self::Linear { percent, minutes } => {
                let (percent, minutes) = (*percent, *minutes);
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
    pub fn minutes(&self) -> u32 {
        self.steps().iter().map(|(_, minutes)| u32::from(*minutes)).sum()
    }

    /// CodeDeploy's own name of the predefined configuration for ECS that runs exactly this plan, if it has one.
    /// Source: AWS CodeDeploy User Guide, "Deployment configurations on an Amazon ECS compute platform".
    pub fn ecs_predefined(&self) -> Option<&'static str> {
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
            Self::Canary { .. } | Self::Linear { .. } | Self::Steps { .. } => return None,
        })
    }

    /// The same for Lambda. Source: AWS CodeDeploy User Guide, "Deployment configurations on an AWS Lambda compute
    /// platform".
    pub fn lambda_predefined(&self) -> Option<&'static str> {
        Some(match self {
            Self::AllAtOnce => "CodeDeployDefault.LambdaAllAtOnce",
            Self::Canary { percent: 10, minutes } => match minutes {
                5 => "CodeDeployDefault.LambdaCanary10Percent5Minutes",
                10 => "CodeDeployDefault.LambdaCanary10Percent10Minutes",
                15 => "CodeDeployDefault.LambdaCanary10Percent15Minutes",
                30 => "CodeDeployDefault.LambdaCanary10Percent30Minutes",
                _ => return None,
            },
            Self::Linear { percent: 10, minutes } => match minutes {
                1 => "CodeDeployDefault.LambdaLinear10PercentEvery1Minute",
                2 => "CodeDeployDefault.LambdaLinear10PercentEvery2Minutes",
                3 => "CodeDeployDefault.LambdaLinear10PercentEvery3Minutes",
                10 => "CodeDeployDefault.LambdaLinear10PercentEvery10Minutes",
                _ => return None,
            },
            Self::Canary { .. } | Self::Linear { .. } | Self::Steps { .. } => return None,
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
            Self::Steps { steps } => {
                for step in steps {
                    write!(f, "{} % for {} min, ", step.percent, step.minutes)?;
                }
                f.write_str("then 100 %")
            }
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
    fn a_list_of_steps_goes_by_its_simplest_name() {
        let step = |percent, minutes| TrafficStep { percent, minutes };
        let name = |steps: &[TrafficStep]| TrafficPlan::of_steps(steps).to_string();
        assert_eq!(name(&[]), "all at once");
        assert_eq!(name(&[step(10, 5)]), "10 % for 5 min, then 100 %");
        assert_eq!(name(&[step(25, 2), step(50, 2), step(75, 2)]), "25 % every 2 min");
        let reference = TrafficPlan::of_steps(&[step(10, 5), step(50, 3)]);
        assert_eq!(reference.to_string(), "10 % for 5 min, 50 % for 3 min, then 100 %");
        assert_eq!(reference.steps(), [(10, 5), (50, 3), (100, 0)]);
        assert_eq!(reference.minutes(), 8);
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
