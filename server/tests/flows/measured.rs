//! How fast a rollback is, over many. A measurement, not a check: it is run by itself, and prints what it found.

use crate::{
    acme::{BEN, staging},
    world::{Base, World, person},
};
use tidegate_app::portal::Portal;
use tidegate_domain::StateName;

/// So many say something about the slowest of a hundred.
const ROLLBACKS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: run it with `-- --ignored --nocapture measured`"]
async fn r19_from_the_decision_to_the_call_and_to_all_traffic_back() {
    let world = World::new(Base::Sqlite).await;
    let (mut to_call, mut to_confirmed) = (Vec::new(), Vec::new());
    for number in 0..ROLLBACKS {
        let release = world.release(&format!("sha-{:07x}", 0xb0_0000 + number)).await;
        let id = world.request(release, staging()).await;
        world
            .until(id, "progress", |d| {
                d.run()
                    .is_some_and(|run| run.cloud_deployment.is_some() && run.progress.is_some())
            })
            .await;
        let asked = world.services.roll_back(&person(BEN), id, "measured".to_owned()).await;
        let done = world.rests(id).await;
        // One that was done before it was asked for says nothing.
        if let (Ok(_), StateName::RolledBack) = (asked, done.state.name()) {
            let timing = done.rollback_timing().unwrap();
            to_call.extend(timing.to_call());
            to_confirmed.extend(timing.to_confirmed());
        }
    }
    assert!(to_call.len() * 2 > ROLLBACKS, "only {} were rolled back", to_call.len());
    for (what, millis) in [("call", &mut to_call), ("confirmed", &mut to_confirmed)] {
        millis.sort_unstable();
        let at = |share: usize| millis[(millis.len() - 1) * share / 100];
        println!(
            "decision to {what}: p50 {} ms, p99 {} ms, over {}",
            at(50),
            at(99),
            millis.len()
        );
    }
}
