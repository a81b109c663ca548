//! The register of break-glass, the migration of a release, and how long a gate took.

use crate::given::{deployment, moment, release, save_release, service};
use tidegate_domain::{
    BreakGlassId, EnvironmentName, GateResult, PersonRef, Verdict,
    breakglass::{BreakGlass, Check, Entry, Judgement, Review, VALID_MILLIS},
    migration::{Migration, Phase},
    name::GateName,
};
use uuid::Uuid;

fn entry(of: &tidegate_domain::Deployment, opened: i64) -> Entry {
    Entry {
        glass: BreakGlass {
            id: BreakGlassId::from_uuid(Uuid::now_v7()),
            by: PersonRef::new(1, "ada"),
            reason: "checkout is down".to_owned(),
            incident: "https://incidents.example/7".to_owned(),
            skips: vec![Check::Quorum],
            opened_at: moment(opened),
            expires_at: moment(opened + VALID_MILLIS),
            used: None,
        },
        deployment: of.id,
        service: of.service.clone(),
        environment: of.environment.clone(),
        label: of.label.clone(),
        review: None,
    }
}

stories! {
    async fn a_break_glass_is_listed_until_it_is_reviewed_once(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let one = deployment(&release, "production", 1);
        let entry = entry(&one, 5);
        let mut tx = scratch.db.begin().await.unwrap();
        tx.insert_deployment(&one).await.unwrap();
        tx.enter_break_glass(&entry).await.unwrap();
        assert_eq!(tx.unreviewed_break_glass().await.unwrap(), std::slice::from_ref(&entry));
        tx.commit().await.unwrap();
        assert_eq!(scratch.db.break_glass(entry.glass.id).await.unwrap(), Some(entry.clone()));
        assert_eq!(scratch.db.unreviewed_break_glass().await.unwrap().len(), 1);

        let reviewed = Entry {
            review: Some(Review {
                by: PersonRef::new(2, "ben"),
                judgement: Judgement::Justified,
                text: "it was down".to_owned(),
                at: moment(9),
            }),
            ..entry.clone()
        };
        let mut tx = scratch.db.begin().await.unwrap();
        assert!(tx.review_break_glass(&reviewed).await.unwrap());
        assert!(!tx.review_break_glass(&reviewed).await.unwrap(), "once");
        tx.commit().await.unwrap();
        assert_eq!(scratch.db.unreviewed_break_glass().await.unwrap(), []);
        assert_eq!(scratch.db.break_glass_register(10).await.unwrap(), [reviewed]);
    }

    async fn a_release_keeps_its_migration_and_a_gate_its_time(scratch) {
        let with = tidegate_domain::Release {
            migration: Migration::new("orders", Phase::Contract),
            ..release("rag", 2)
        };
        let gate = GateResult {
            release: with.id,
            gate: GateName::new("lint").unwrap(),
            verdict: Verdict::Pass,
            detail: None,
            url: None,
            seconds: Some(41),
            reported_at: moment(1),
        };
        let mut tx = scratch.db.begin().await.unwrap();
        tx.insert_release(&with).await.unwrap();
        tx.put_gate(&gate).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(scratch.db.release(with.id).await.unwrap().unwrap().migration, with.migration);
        assert_eq!(scratch.db.gates(with.id).await.unwrap(), [gate]);
        let production = EnvironmentName::new("production").unwrap();
        let record = scratch.db.schema_record(&service("rag"), &production).await.unwrap();
        assert!(record.done.is_empty(), "it has not been deployed");
        assert_eq!(scratch.db.last_success(&service("rag"), &production, with.id).await.unwrap(), None);
    }
}
