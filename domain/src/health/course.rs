//! The course of a deployment, from what is known of its run.

use super::Course;
use crate::{
    deployment::{CallKind, LifecycleEvent, LifecycleStatus, Run},
    time::Timestamp,
};

/// What CodeDeploy and ECS call the step in which production traffic moves.
const MOVES: [&str; 2] = ["AllowTraffic", "PRODUCTION_TRAFFIC_SHIFT"];

impl Course {
    /// When traffic moved, as the cloud says or as it was moved from here. Where neither is known, the run's start: then
    /// more is judged, not less.
    pub fn of(run: &Run) -> Self {
        let lifecycle = || {
            run.progress
                .iter()
                .flat_map(|progress| &progress.lifecycle)
                .filter(|event| MOVES.contains(&event.name.as_str()))
        };
        let swapped = run.done_at(CallKind::SwapStage);
        let started_at = [
            lifecycle().filter_map(|event| event.started_at).min(),
            shifts(run).map(|(_, at)| at).min(),
            swapped,
        ];
        let started_at = started_at.into_iter().flatten().min().unwrap_or(run.started_at);
        let seen = run.progress.as_ref().filter(|progress| progress.traffic == Some(100));
        let all_traffic_at = [
            lifecycle().filter_map(ended).max(),
            shifts(run)
                .filter(|(percent, _)| *percent == 100)
                .map(|(_, at)| at)
                .min(),
            swapped,
        ];
        let all_traffic_at = all_traffic_at
            .into_iter()
            .flatten()
            .min()
            .or_else(|| seen.map(|progress| progress.seen_at))
            .map(|at| at.max(started_at));
        Self {
            started_at,
            all_traffic_at,
        }
    }
}

fn ended(event: &LifecycleEvent) -> Option<Timestamp> {
    (event.status == LifecycleStatus::Succeeded)
        .then_some(event.ended_at)
        .flatten()
}

/// Shares of traffic that were moved from here, and when.
fn shifts(run: &Run) -> impl Iterator<Item = (u8, Timestamp)> + '_ {
    run.calls.iter().filter_map(|call| match call.kind {
        CallKind::ShiftTraffic { percent } if percent > 0 => Some((percent, run.done_at(call.kind)?)),
        _ => None,
    })
}
