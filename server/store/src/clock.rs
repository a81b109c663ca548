//! Whose time it is. Always the database's; a test or a demonstration may live some time before or after it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tidegate_domain::Timestamp;

/// What [`crate::Db::now`] and every write go by.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    #[default]
    Database,
    /// The database's time and so many milliseconds, read anew each time: for tests of expiries, and for making up a
    /// past. Never for a server: two replicas must agree on the time.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    pub(crate) fn at(&self, database_millis: i64) -> Timestamp {
        let now = Timestamp::from_millis(database_millis);
        match self {
            Self::Database => now,
            Self::Shifted(by) => now.plus_millis(by.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_read_anew_each_time() {
        let by = Arc::new(AtomicI64::new(0));
        let clock = Clock::Shifted(by.clone());
        assert_eq!(clock.at(5_000).millis(), 5_000);
        by.store(-2_000, Ordering::Relaxed);
        assert_eq!(clock.at(5_000).millis(), 3_000);
        assert_eq!(Clock::Database.at(5_000).millis(), 5_000);
    }
}
