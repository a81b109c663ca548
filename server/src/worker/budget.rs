//! How often the cloud is asked: a bucket of reads for each deployment group, and a pause after it failed (R15).

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Reads that may come at once after a quiet time.
const BURST: f64 = 12.0;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The budgets of all groups.
pub(super) struct Budget {
    per_second: f64,
    groups: Mutex<HashMap<String, Group>>,
}

struct Group {
    reads: f64,
    at: Instant,
    /// Set while the cloud fails: when to ask again, and the pauses to come.
    pause: Option<(Instant, ExponentialBackoff)>,
}

impl Budget {
    pub(super) fn new(per_second: f64) -> Self {
        Self {
            per_second,
            groups: Mutex::default(),
        }
    }

    /// Waits until `reads` may be made. `false`: the cloud has just failed and is left alone for now.
    pub(super) async fn take(&self, group: &str, reads: f64) -> bool {
        let Some(wait) = self.reserve(group, reads, Instant::now()) else {
            return false;
        };
        tokio::time::sleep(wait).await;
        true
    }

    fn reserve(&self, name: &str, reads: f64, now: Instant) -> Option<Duration> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let group = groups.entry(name.to_owned()).or_insert(Group {
            reads: BURST,
            at: now,
            pause: None,
        });
        if group.pause.as_ref().is_some_and(|(until, _)| now < *until) {
            return None;
        }
        let earned = now.saturating_duration_since(group.at).as_secs_f64() * self.per_second;
        group.reads = (group.reads + earned).min(BURST) - reads;
        group.at = now;
        // Debt is paid by waiting; whoever comes next waits behind it.
        Some(Duration::from_secs_f64((-group.reads / self.per_second).max(0.0)))
    }

    /// The cloud answered: no pause any more.
    pub(super) fn answered(&self, name: &str) {
        if let Some(group) = self.groups.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            group.pause = None;
        }
    }

    /// The cloud failed or throttled: it is left alone, longer each time.
    pub(super) fn failed(&self, name: &str) {
        self.failed_at(name, Instant::now());
    }

    fn failed_at(&self, name: &str, now: Instant) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(group) = groups.get_mut(name) else { return };
        match &mut group.pause {
            // Several reads that failed together are one failure.
            Some((until, _)) if now < *until => {}
            Some((until, pauses)) => *until = now + pauses.next().unwrap_or(LONGEST_PAUSE),
            None => {
                let mut pauses = backoff();
                let first = pauses.next().unwrap_or(FIRST_PAUSE);
                group.pause = Some((now + first, pauses));
            }
        }
    }
}

/// Doubling pauses with jitter, without end.
pub(super) fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r15_a_group_is_read_twice_a_second_after_its_burst() {
        let budget = Budget::new(2.0);
        let now = Instant::now();
        let waits: Vec<Duration> = (0..12 + 20).map(|_| budget.reserve("rag", 1.0, now).unwrap()).collect();
        assert_eq!(waits[11], Duration::ZERO);
        assert_eq!(waits[12], Duration::from_millis(500));
        assert_eq!(waits[31], Duration::from_secs(10));
    }

    #[test]
    fn r15_a_throttled_group_is_left_alone_longer_each_time_and_others_are_not() {
        let budget = Budget::new(2.0);
        let mut now = Instant::now();
        assert!(budget.reserve("rag", 1.0, now).is_some());
        budget.failed_at("rag", now);
        assert!(budget.reserve("rag", 1.0, now).is_none());
        assert!(budget.reserve("guardrails", 1.0, now).is_some());
        // Jitter at most doubles a pause of 1 s.
        now += Duration::from_secs(2);
        assert!(budget.reserve("rag", 1.0, now).is_some());
        budget.failed_at("rag", now);
        assert!(budget.reserve("rag", 1.0, now + Duration::from_millis(1_900)).is_none());
        budget.answered("rag");
        assert!(budget.reserve("rag", 1.0, now).is_some());
    }
}
