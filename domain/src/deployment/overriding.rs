//! What lets a waiting deployment past a check: a freeze that someone overrode, a glass that someone broke, and the time to
//! start that a freeze puts off. Each leaves its event; nothing here starts anything.

use super::{Authority, Deployment, InvalidTransition, Refusal, State};
use crate::{
    access::Actor,
    audit::{AuditEvent, EventKind},
    breakglass::{BreakGlass, Check, Used},
    freeze::FreezeOverride,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What people let this one deployment past.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Waivers {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<FreezeOverride>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glass: Option<BreakGlass>,
}

impl Waivers {
    pub const fn is_empty(&self) -> bool {
        self.freezes.is_empty() && self.glass.is_none()
    }

    /// Whether a broken glass skips this check now.
    pub fn skips(&self, check: &Check, now: Timestamp) -> bool {
        self.glass.as_ref().is_some_and(|glass| glass.skips(check, now))
    }
}

/// Something that changes what a waiting deployment may go past.
#[derive(Debug, Clone)]
pub enum Exemption {
    OverrideFreeze {
        actor: Actor,
        given: FreezeOverride,
    },
    BreakGlass {
        actor: Actor,
        glass: Box<BreakGlass>,
    },
    /// It is about to start by a broken glass. `skipped`: the checks that stood in the way.
    UseGlass {
        skipped: Vec<Check>,
    },
    /// Time in which it may not start does not count as time in which it had to.
    Postpone {
        start_before: Timestamp,
        why: String,
    },
}

impl Exemption {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OverrideFreeze { .. } => "override a freeze",
            Self::BreakGlass { .. } => "break the glass",
            Self::UseGlass { .. } => "use the broken glass",
            Self::Postpone { .. } => "be postponed",
        }
    }
}

impl Deployment {
    /// Only of a deployment that waits; [`Deployment::apply`] sees to it.
    pub(super) fn exempt(
        &mut self,
        exemption: Exemption,
        now: Timestamp,
        events: &mut Vec<AuditEvent>,
    ) -> Result<(), Refusal> {
        let invalid = Refusal::Invalid(InvalidTransition {
            state: self.state.name(),
            event: exemption.name(),
        });
        let refuse = |why: &str| Err(Refusal::NoAuthority(why.to_owned()));
        match exemption {
            Exemption::OverrideFreeze { actor, given } => {
                if self.is_rollback() {
                    return refuse("a freeze does not hold up a rollback");
                }
                let same =
                    |known: &FreezeOverride| known.freeze == given.freeze && known.occurrence == given.occurrence;
                if self.waivers.freezes.iter().any(same) {
                    return refuse("this freeze has been overridden for it already");
                }
                let data =
                    json!({ "freeze": given.freeze, "from": given.occurrence.from, "until": given.occurrence.until });
                events.push(self.event(EventKind::FreezeOverridden, actor, data, Some(given.reason.clone())));
                self.waivers.freezes.push(given);
            }
            Exemption::BreakGlass { actor, glass } => {
                match &self.waivers.glass {
                    Some(known) if known.id == glass.id => return refuse("this break-glass is bound to it already"),
                    Some(known) if known.used.is_some() => return refuse("its break-glass was used"),
                    Some(known) if now < known.expires_at => return refuse("its glass is broken already"),
                    _ => {}
                }
                if glass.used.is_some() || now >= glass.expires_at {
                    return refuse("a break-glass is used once, within an hour");
                }
                let data = json!({
                    "break_glass": glass.id, "skips": glass.skips, "incident": glass.incident,
                    "expires_at": glass.expires_at, "review_due": glass.review_due(),
                });
                events.push(self.event(EventKind::BreakGlassOpened, actor, data, Some(glass.reason.clone())));
                let by_glass = Authority::BreakGlass {
                    id: glass.id,
                    by: glass.by.clone(),
                };
                if let State::AwaitingApproval { revision, .. } = &self.state
                    && glass.skips(&Check::Quorum, now)
                {
                    let data = json!({ "authority": by_glass });
                    events.push(self.event(EventKind::DeploymentQueued, Actor::system("break-glass"), data, None));
                    self.state = State::Queued {
                        revision: revision.clone(),
                        authority: by_glass,
                        since: now,
                        start_before: Some(glass.expires_at),
                    };
                }
                self.waivers.glass = Some(*glass);
            }
            Exemption::UseGlass { skipped } => {
                if !matches!(self.state, State::Queued { .. }) {
                    return Err(invalid);
                }
                let Some(glass) = self.waivers.glass.as_mut().filter(|glass| now < glass.expires_at) else {
                    return refuse("no glass is broken for it any more");
                };
                if glass.used.is_some() {
                    return refuse("its break-glass was used");
                }
                if let Some(other) = skipped.iter().find(|check| !glass.skips.contains(check)) {
                    return refuse(&format!("its break-glass does not skip {}", other.words()));
                }
                let data = json!({ "break_glass": glass.id, "by": glass.by, "skipped": skipped });
                glass.used = Some(Used { at: now, skipped });
                events.push(self.event(EventKind::BreakGlassUsed, Actor::system("worker"), data, None));
            }
            Exemption::Postpone { start_before, why } => {
                let State::Queued {
                    start_before: known, ..
                } = &mut self.state
                else {
                    return Err(invalid);
                };
                if known.is_none_or(|known| start_before <= known) {
                    return refuse("a time to start is only ever put off");
                }
                *known = Some(start_before);
                let data = json!({ "start_before": start_before, "why": why });
                events.push(self.event(EventKind::DeploymentPostponed, Actor::system("worker"), data, None));
            }
        }
        Ok(())
    }

    /// The broken glass by which it may go without a quorum, where it holds at that moment.
    pub(super) fn glass_for_quorum(&self, now: Timestamp) -> Option<&BreakGlass> {
        self.waivers
            .glass
            .as_ref()
            .filter(|glass| glass.skips(&Check::Quorum, now))
    }
}
