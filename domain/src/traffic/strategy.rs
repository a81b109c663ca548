//! What kinds of deployment there are, and what each costs: help for people who choose a plan (requirements §3, "Strategy
//! help").

use super::TrafficPlan;

/// A way to bring a new version to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Rolling,
    BlueGreen,
    Canary,
    Recreate,
}

impl Strategy {
    pub const ALL: [Self; 4] = [Self::Rolling, Self::BlueGreen, Self::Canary, Self::Recreate];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Rolling => "Rolling",
            Self::BlueGreen => "Blue/green",
            Self::Canary => "Canary",
            Self::Recreate => "Recreate",
        }
    }

    /// How it goes, in half a sentence.
    pub const fn way(self) -> &'static str {
        match self {
            Self::Rolling => "tasks are replaced a few at a time",
            Self::BlueGreen => "a second set of tasks, then all traffic at once",
            Self::Canary => "a second version takes a growing share",
            Self::Recreate => "the old version stops before the new one starts",
        }
    }

    /// How long it takes until everybody has the old version again.
    pub const fn rollback(self) -> &'static str {
        match self {
            Self::Rolling => "minutes",
            Self::BlueGreen | Self::Canary => "seconds",
            Self::Recreate => "minutes, with downtime",
        }
    }

    pub const fn risk(self) -> &'static str {
        match self {
            Self::Rolling => "medium",
            Self::BlueGreen => "low",
            Self::Canary => "very low",
            Self::Recreate => "high",
        }
    }

    /// What it runs on, as a multiple of what the service has anyway.
    pub const fn cost(self) -> &'static str {
        match self {
            Self::Rolling | Self::Recreate => "1×",
            Self::BlueGreen => "2× during the deployment",
            Self::Canary => "1.05×",
        }
    }
}

impl TrafficPlan {
    /// What kind of deployment it is.
    pub const fn strategy(&self) -> Strategy {
        match self {
            Self::AllAtOnce => Strategy::BlueGreen,
            Self::Canary { .. } | Self::Linear { .. } | Self::Steps { .. } => Strategy::Canary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_says_what_the_requirements_say() {
        let said = Strategy::ALL.map(|one| (one.title(), one.rollback(), one.risk(), one.cost()));
        assert_eq!(
            said,
            [
                ("Rolling", "minutes", "medium", "1×"),
                ("Blue/green", "seconds", "low", "2× during the deployment"),
                ("Canary", "seconds", "very low", "1.05×"),
                ("Recreate", "minutes, with downtime", "high", "1×"),
            ]
        );
    }

    #[test]
    fn a_plan_with_steps_is_a_canary_and_one_without_is_blue_green() {
        let linear = TrafficPlan::Linear {
            percent: 10,
            minutes: 1,
        };
        assert_eq!(linear.strategy(), Strategy::Canary);
        assert_eq!(TrafficPlan::AllAtOnce.strategy(), Strategy::BlueGreen);
    }
}
