//! How often the cloud is asked: a bucket of reads for each deployment group, and a pause after it failed (R15).
//!
//! Whoever is in flight goes first. A look at a waiting deployment takes more reads than one at a running one, and may
//! wait until the bucket holds them all.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Over a span of this many seconds the reads are at most as many as promised.
const SPAN_SECONDS: f64 = 10.0;
/// Reads that may come at once after a quiet time: those of the largest look.
const BURST: f64 = 7.0;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The budgets of all groups.
pub(super) struct Budget {
    /// What is earned, so that a burst and what follows it stay within the promise together.
    per_second: f64,
    groups: Mutex<HashMap<String, Group>>,
}

struct Group {
    reads: f64,
    at: Instant,
    /// Set while the cloud fails: when to ask again, and the pauses to come.
    pause: Option<(Instant, ExponentialBackoff)>,
}

/// How urgent a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hurry {
    /// For what is in flight: takes what is to come.
    Now,
    /// For what waits: only what is there.
    Patient,
}

/// May the reads be made?
#[derive(Debug, Clone, Copy, PartialEq)]
enum Turn {
    /// They are taken; make them after this long.
    After(Duration),
    /// Nothing is taken; ask again after this long.
    Later(Duration),
    /// The cloud has just failed and is left alone for now.
    No,
}

impl Budget {
    /// `promised`: reads per second, on average over [`SPAN_SECONDS`].
    pub(super) fn new(promised: f64) -> Self {
        Self {
            per_second: (promised - BURST / SPAN_SECONDS).max(promised / 2.0),
            groups: Mutex::default(),
        }
    }

    /// Waits until `reads` may be made. `false`: the cloud has just failed and is left alone for now.
    pub(super) async fn take(&self, group: &str, reads: f64, hurry: Hurry) -> bool {
        loop {
            match self.reserve(group, reads, hurry, Instant::now()) {
                Turn::After(wait) => {
                    tokio::time::sleep(wait).await;
                    return true;
                }
                Turn::Later(wait) => tokio::time::sleep(wait).await,
                Turn::No => return false,
            }
        }
    }

    /// Reads that are made anyway: those that follow wait for them.
    pub(super) fn charge(&self, group: &str, reads: f64) {
        self.reserve(group, reads, Hurry::Now, Instant::now());
    }

    fn reserve(&self, name: &str, reads: f64, hurry: Hurry, now: Instant) -> Turn {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let group = groups.entry(name.to_owned()).or_insert(Group {
            reads: BURST,
            at: now,
            pause: None,
        });
        if group.pause.as_ref().is_some_and(|(until, _)| now < *until) {
            return Turn::No;
        }
        let earned = now.saturating_duration_since(group.at).as_secs_f64() * self.per_second;
        group.reads = (group.reads + earned).min(BURST);
        group.at = now;
        let missing = Duration::from_secs_f64(((reads - group.reads) / self.per_second).max(0.0));
        if hurry == Hurry::Patient && !missing.is_zero() {
            return Turn::Later(missing);
        }
        // Debt is paid by waiting; whoever comes next waits behind it.
        group.reads -= reads;
        Turn::After(missing)
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

    /// Makes looks of this many reads as fast as it is let, and returns when each read was made.
    fn made(budget: &Budget, reads: u32, hurry: Hurry, looks: usize) -> Vec<Duration> {
        let begin = Instant::now();
        let mut now = begin;
        let mut made = Vec::new();
        while made.len() < looks * reads as usize {
            match budget.reserve("rag", f64::from(reads), hurry, now) {
                Turn::After(wait) => {
                    now += wait;
                    made.extend((0..reads).map(|_| now - begin));
                }
                Turn::Later(wait) => now += wait.max(Duration::from_millis(1)),
                Turn::No => panic!("nothing failed"),
            }
        }
        made
    }

    #[test]
    fn r15_no_ten_seconds_hold_more_than_twenty_reads_of_a_group() {
        for (reads, hurry) in [(1, Hurry::Now), (2, Hurry::Now), (3, Hurry::Now), (7, Hurry::Patient)] {
            let made = made(&Budget::new(2.0), reads, hurry, 60);
            for (index, begin) in made.iter().enumerate() {
                let span = Duration::from_millis(9_999);
                let within = made[index..].iter().take_while(|at| **at - *begin <= span).count();
                assert!(within <= 20, "{within} reads from {begin:?} on, {reads} at a time");
            }
        }
    }

    #[test]
    fn r15_what_is_in_flight_goes_before_what_waits() {
        let budget = Budget::new(2.0);
        let now = Instant::now();
        assert_eq!(
            budget.reserve("rag", 7.0, Hurry::Patient, now),
            Turn::After(Duration::ZERO)
        );
        assert!(matches!(
            budget.reserve("rag", 7.0, Hurry::Patient, now),
            Turn::Later(_)
        ));
        let Turn::After(wait) = budget.reserve("rag", 2.0, Hurry::Now, now) else {
            panic!("it is let")
        };
        assert!(wait < Duration::from_secs(2), "{wait:?}");
    }

    #[test]
    fn r15_a_throttled_group_is_left_alone_longer_each_time_and_others_are_not() {
        let budget = Budget::new(2.0);
        let mut now = Instant::now();
        let asks = |group, now| budget.reserve(group, 1.0, Hurry::Now, now) != Turn::No;
        assert!(asks("rag", now));
        budget.failed_at("rag", now);
        assert!(!asks("rag", now));
        assert!(asks("guardrails", now));
        // Jitter at most doubles a pause of 1 s.
        now += Duration::from_secs(2);
        assert!(asks("rag", now));
        budget.failed_at("rag", now);
        assert!(!asks("rag", now + Duration::from_millis(1_900)));
        budget.answered("rag");
        assert!(asks("rag", now));
    }
}
