//! Whether an engine can run a traffic plan exactly (requirements §3). Nothing is approximated: what cannot be run is
//! refused, with the nearest plan that could and the engines that can run the one asked for.

use super::TrafficPlan;
use crate::catalog::EngineKind;

/// An engine cannot run a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{engine} cannot run {asked}: {why}", engine = .engine.name())]
pub struct CannotRun {
    pub engine: EngineKind,
    pub asked: String,
    pub why: &'static str,
    /// What this engine could run instead: it takes as long, and at no moment has more traffic on the new version.
    pub nearest: TrafficPlan,
    /// Those that run the plan as it was asked for.
    pub engines: Vec<EngineKind>,
}

/// Whether `engine` runs `plan` exactly.
///
/// # Errors
/// Why not, what would do, and who could.
pub fn fits(engine: EngineKind, plan: &TrafficPlan) -> Result<(), CannotRun> {
    let Err(why) = able(engine, plan) else { return Ok(()) };
    Err(CannotRun {
        engine,
        asked: plan.to_string(),
        why,
        nearest: nearest(engine, plan),
        engines: EngineKind::ALL
            .into_iter()
            .filter(|other| able(*other, plan).is_ok())
            .collect(),
    })
}

fn able(engine: EngineKind, plan: &TrafficPlan) -> Result<(), &'static str> {
    match (engine, plan) {
        (EngineKind::LambdaAlias | EngineKind::EcsTaskSets, _) | (_, TrafficPlan::AllAtOnce) => Ok(()),
        (EngineKind::ApigatewayStage, _) => Err("a stage is swapped as a whole"),
        (
            EngineKind::EcsCodedeploy | EngineKind::LambdaCodedeploy | EngineKind::EcsNative,
            TrafficPlan::Canary { .. } | TrafficPlan::Linear { .. },
        ) => Ok(()),
        (
            EngineKind::EcsCodedeploy | EngineKind::LambdaCodedeploy | EngineKind::EcsNative,
            TrafficPlan::Steps { .. },
        ) => Err("its canary is exactly two increments, and its linear steps are equal ones"),
    }
}

fn nearest(engine: EngineKind, plan: &TrafficPlan) -> TrafficPlan {
    match (engine, plan.steps().first()) {
        (EngineKind::ApigatewayStage, _) | (_, None) => TrafficPlan::AllAtOnce,
        (_, Some((percent, _))) => TrafficPlan::Canary {
            percent: *percent,
            minutes: u16::try_from(plan.minutes()).unwrap_or(u16::MAX),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::TrafficStep;
    use rstest::rstest;

    const CANARY: TrafficPlan = TrafficPlan::Canary {
        percent: 10,
        minutes: 5,
    };
    const LINEAR: TrafficPlan = TrafficPlan::Linear {
        percent: 10,
        minutes: 1,
    };

    /// 10 % (5 min) → 50 % (3 min) → 100 %: the reference setup's plan on ECS.
    fn reference() -> TrafficPlan {
        TrafficPlan::of_steps(&[
            TrafficStep {
                percent: 10,
                minutes: 5,
            },
            TrafficStep {
                percent: 50,
                minutes: 3,
            },
        ])
    }

    #[rstest]
    #[case(EngineKind::EcsCodedeploy, true, true, true, false)]
    #[case(EngineKind::LambdaCodedeploy, true, true, true, false)]
    #[case(EngineKind::LambdaAlias, true, true, true, true)]
    #[case(EngineKind::EcsTaskSets, true, true, true, true)]
    #[case(EngineKind::EcsNative, true, true, true, false)]
    #[case(EngineKind::ApigatewayStage, true, false, false, false)]
    fn each_engine_runs_what_it_can_run_exactly(
        #[case] engine: EngineKind,
        #[case] at_once: bool,
        #[case] canary: bool,
        #[case] linear: bool,
        #[case] steps: bool,
    ) {
        let can = |plan: &TrafficPlan| fits(engine, plan).is_ok();
        assert_eq!(
            [
                can(&TrafficPlan::AllAtOnce),
                can(&CANARY),
                can(&LINEAR),
                can(&reference())
            ],
            [at_once, canary, linear, steps]
        );
    }

    #[test]
    fn a_refusal_names_the_nearest_plan_and_who_can_run_the_one_asked_for() {
        let refusal = fits(EngineKind::EcsCodedeploy, &reference()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "ecs_codedeploy cannot run 10 % for 5 min, 50 % for 3 min, then 100 %: its canary is exactly two increments, \
             and its linear steps are equal ones"
        );
        assert_eq!(refusal.nearest.to_string(), "10 % for 8 min, then 100 %");
        assert_eq!(refusal.engines, [EngineKind::LambdaAlias, EngineKind::EcsTaskSets]);
    }

    #[test]
    fn a_stage_is_swapped_at_once_or_by_others() {
        let refusal = fits(EngineKind::ApigatewayStage, &CANARY).unwrap_err();
        assert_eq!(refusal.nearest, TrafficPlan::AllAtOnce);
        assert_eq!(refusal.engines.len(), 5);
    }
}
