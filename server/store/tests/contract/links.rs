//! Deployments that have to do with each other, however many others lie between them.

use crate::given::{deployment, save, save_new, save_release};
use tidegate_domain::{Deployment, State, Timestamp, deployment::Kind, name::PersonRef};

stories! {
    async fn a_deployment_knows_what_goes_back_from_it_and_what_it_replaced(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let first = deployment(&release, "production", 1);
        save_new(&scratch.db, &first).await;
        let replaced = deployment(&release, "production", 2);
        save_new(&scratch.db, &replaced).await;
        let back = Deployment {
            kind: Kind::Rollback { of: first.id, by: PersonRef::new(1, "ada"), reason: "5xx".to_owned() },
            ..deployment(&release, "production", 3)
        };
        save_new(&scratch.db, &back).await;
        for at in 4..70 {
            save_new(&scratch.db, &deployment(&release, "production", at)).await;
        }
        let gone = Deployment {
            state: State::Superseded { by: first.id, at: Timestamp::from_millis(1_700_000_000_009) },
            ..replaced.clone()
        };
        save(&scratch.db, &gone).await;
        let ids = |found: Vec<tidegate_store::Versioned<Deployment>>| found.into_iter().map(|one| one.value.id).collect::<Vec<_>>();
        assert_eq!(ids(scratch.db.rollbacks_of(first.id).await.unwrap()), [back.id]);
        assert_eq!(ids(scratch.db.superseded_by(first.id).await.unwrap()), [replaced.id]);
        assert_eq!(ids(scratch.db.rollbacks_of(back.id).await.unwrap()), []);
    }
}
