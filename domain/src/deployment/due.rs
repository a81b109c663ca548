//! Which mutating call may be intended in which state. The planner asks for the right one; this refuses every other.

use super::{CallKind, Outcome, Run, State};

/// Whether nothing that runs was asked of the cloud, or could have been.
pub(crate) fn may_abort(run: &Run) -> bool {
    let last = run.engine.script().make.last().copied();
    run.calls.iter().all(|call| {
        Some(call.kind) != last || matches!(call.outcome, Outcome::Refused { .. } | Outcome::NothingHappened { .. })
    })
}

/// The order of calls, and never a second one while the first one's outcome is unknown.
pub(super) fn call_is_due(state: &State, run: &Run, kind: CallKind) -> bool {
    let script = run.engine.script();
    run.open_call().is_none()
        && match state {
            State::Starting { .. } => {
                let creates = script.make.last() == Some(&kind);
                run.next_of(script.make) == Some(kind) && (!creates || run.stop.is_none())
            }
            State::Deploying { .. } => {
                if script.back.contains(&kind) || kind == CallKind::Revert {
                    return true;
                }
                let forward = script.driven && matches!(kind, CallKind::ShiftTraffic { .. })
                    || script.with_all.contains(&kind)
                    || script.finish.contains(&kind)
                    || (!script.driven && kind == CallKind::ContinueDeployment);
                forward && run.stop.is_none() && run.hold.is_none()
            }
            State::RollingBack { .. } => script.clear.contains(&kind) || (script.driven && script.back.contains(&kind)),
            _ => false,
        }
}
