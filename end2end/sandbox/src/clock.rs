//! The one clock of the sandbox: virtual time, which runs at a chosen multiple of real
//! time, stands still when frozen, and can be set and stepped.
//!
//! Virtual time never goes back except by [`Clock::set`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A shared handle: clones show and change the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    face: Arc<Mutex<Face>>,
    changed: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Face {
    /// The virtual time at `since`.
    at: Timestamp,
    since: Instant,
    speed: f64,
    frozen: bool,
}

impl Face {
    fn now(&self, real: Instant) -> Timestamp {
        if self.frozen {
            return self.at;
        }
        let elapsed = real.saturating_duration_since(self.since).as_secs_f64() * self.speed;
        SignedDuration::try_from_secs_f64(elapsed)
            .ok()
            .and_then(|passed| self.at.checked_add(passed).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

impl Clock {
    /// Starts at the real time, `speed` virtual seconds to a real one.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock of the sandbox; it reads the real time once, to start from it"
    )]
    pub fn new(speed: f64) -> Self {
        Self {
            face: Arc::new(Mutex::new(Face {
                at: Timestamp::now(),
                since: Instant::now(),
                speed,
                frozen: false,
            })),
            changed: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.face().now(Instant::now())
    }

    /// Virtual seconds per real second, even while frozen.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.face().speed
    }

    /// Whether time stands still.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.face().frozen
    }

    /// Changes the speed from now on. Speeds that are not positive and finite are ignored.
    pub fn set_speed(&self, speed: f64) {
        if speed > 0.0 && speed.is_finite() {
            self.change(|face| face.speed = speed);
        }
    }

    /// Stops time, or lets it run on from where it stood.
    pub fn freeze(&self, frozen: bool) {
        self.change(|face| face.frozen = frozen);
    }

    /// Jumps to a time, forwards or back.
    pub fn set(&self, to: Timestamp) {
        self.change(|face| face.at = to);
    }

    /// Jumps forwards, frozen or not. Negative steps are ignored.
    pub fn step(&self, by: SignedDuration) {
        if by.is_positive() {
            self.change(|face| face.at = face.at.checked_add(by).unwrap_or(Timestamp::MAX));
        }
    }

    /// Waits until the virtual time is `until`, through freezes and jumps.
    pub async fn sleep_until(&self, until: Timestamp) {
        let mut changed = self.changed.subscribe();
        loop {
            let (now, speed, frozen) = {
                let face = self.face();
                (face.now(Instant::now()), face.speed, face.frozen)
            };
            if now >= until {
                return;
            }
            if frozen {
                let _ = changed.changed().await;
                continue;
            }
            let real = until.duration_since(now).as_secs_f64() / speed;
            let nap = std::time::Duration::from_secs_f64(real.clamp(0.001, 3600.0));
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                _ = changed.changed() => {}
            }
        }
    }

    fn change(&self, edit: impl FnOnce(&mut Face)) {
        {
            let mut face = self.face();
            let real = Instant::now();
            face.at = face.now(real);
            face.since = real;
            edit(&mut face);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    fn face(&self) -> MutexGuard<'_, Face> {
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_stepped() {
        let clock = Clock::new(1.0);
        clock.freeze(true);
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.step(SignedDuration::from_secs(30));
        assert_eq!(clock.now().duration_since(before).as_secs(), 30);
        clock.step(SignedDuration::from_secs(-30));
        assert_eq!(clock.now().duration_since(before).as_secs(), 30);
    }

    #[test]
    fn changing_the_speed_does_not_move_the_time_already_passed() {
        let clock = Clock::new(1.0);
        clock.freeze(true);
        let at: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        clock.set(at);
        clock.set_speed(3600.0);
        clock.set_speed(0.0);
        assert!((clock.speed() - 3600.0).abs() < f64::EPSILON);
        assert_eq!(clock.now(), at);
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_a_frozen_clock_is_stepped_past_its_time() {
        let clock = Clock::new(1.0);
        clock.freeze(true);
        let until = clock.now() + SignedDuration::from_secs(60);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(until).await }
        });
        clock.step(SignedDuration::from_secs(60));
        tokio::time::timeout(std::time::Duration::from_secs(5), sleeper)
            .await
            .expect("the sleeper wakes")
            .unwrap();
    }
}
