//! New ids: UUIDv7 stamped with the database's time, so that ids made by two replicas sort as the database saw them.

use tidegate_domain::Timestamp;
use uuid::Uuid;

pub fn fresh_id(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.millis()).unwrap_or_default();
    let nanos = u32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1_000, nanos))
}
