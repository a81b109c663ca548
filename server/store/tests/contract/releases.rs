//! Releases and gates.

use crate::given::{moment, release, save_release, service};
use tidegate_domain::{GateResult, PersonRef, Release, Verdict, name::GateName};
use tidegate_store::{Push, Run};

fn gate(release: &Release, name: &str, verdict: Verdict, at: i64) -> GateResult {
    GateResult {
        release: release.id,
        gate: GateName::new(name).unwrap(),
        verdict,
        detail: Some("coverage 83 %".to_owned()),
        url: None,
        seconds: Some(41),
        reported_at: moment(at),
    }
}

stories! {
    async fn a_release_that_is_reported_twice_is_one_release(scratch) {
        let first = save_release(&scratch.db, "rag", 1).await;
        let again = release("rag", 1);
        let mut tx = scratch.db.begin().await.unwrap();
        assert_eq!(tx.insert_release(&again).await.unwrap(), Some(first.id));
        tx.commit().await.unwrap();
        assert_eq!(scratch.db.release(again.id).await.unwrap(), None);
        assert_eq!(scratch.db.release(first.id).await.unwrap(), Some(first));
    }

    async fn what_github_adds_to_a_release_is_kept(scratch) {
        let mut release = save_release(&scratch.db, "rag", 1).await;
        let mut tx = scratch.db.begin().await.unwrap();
        assert_eq!(tx.release(release.id).await.unwrap().as_ref(), Some(&release));
        release.pusher = Some(PersonRef::new(9, "pat"));
        tx.update_release(&release).await.unwrap();
        tx.commit().await.unwrap();
        let found = scratch.db.begin().await.unwrap().releases_by_commit("acme/rag", &release.commit).await.unwrap();
        assert_eq!(found, [release]);
    }

    async fn releases_of_a_service_come_newest_first_and_page_by_key(scratch) {
        let mut expected = Vec::new();
        for of in (1..=5).rev() {
            expected.push(save_release(&scratch.db, "rag", of).await);
        }
        save_release(&scratch.db, "guardrails", 9).await;
        let first = scratch.db.releases_of(&service("rag"), None, 3).await.unwrap();
        let last = first.last().unwrap();
        let second = scratch.db.releases_of(&service("rag"), Some((last.reported_at, last.id)), 3).await.unwrap();
        assert_eq!([first, second].concat(), expected);
    }

    async fn the_newest_report_of_a_gate_is_the_one_that_is_kept(scratch) {
        let release = save_release(&scratch.db, "rag", 1).await;
        let other = save_release(&scratch.db, "guardrails", 1).await;
        let newest = gate(&release, "unit-tests", Verdict::Pass, 20);
        let mut tx = scratch.db.begin().await.unwrap();
        for report in [
            gate(&release, "unit-tests", Verdict::Fail, 10),
            newest.clone(),
            gate(&release, "unit-tests", Verdict::Fail, 5),
            gate(&other, "lint", Verdict::Fail, 1),
        ] {
            tx.put_gate(&report).await.unwrap();
        }
        assert_eq!(tx.gates(release.id).await.unwrap(), std::slice::from_ref(&newest));
        tx.commit().await.unwrap();
        assert_eq!(scratch.db.gates(release.id).await.unwrap(), [newest]);
        assert_eq!(scratch.db.gates_of(&[release.id, other.id]).await.unwrap().len(), 2);
    }

    async fn a_push_is_remembered_by_its_head_for_the_release_that_follows(scratch) {
        let release = release("rag", 1);
        let mut push = Push { head: release.commit.clone(), pusher: None, commits: Vec::new() };
        for pusher in [None, Some(PersonRef::new(9, "pat"))] {
            push.pusher = pusher;
            let mut tx = scratch.db.begin().await.unwrap();
            tx.remember_push("acme/rag", &push).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(scratch.db.begin().await.unwrap().push_of("acme/rag", &release.commit).await.unwrap(), Some(push));
        assert_eq!(scratch.db.begin().await.unwrap().push_of("acme/other", &release.commit).await.unwrap(), None);
    }

    async fn a_run_is_remembered_by_its_id_for_the_release_that_follows(scratch) {
        let head = release("rag", 1).commit;
        let mut run = Run { run_id: 7, head, url: None, actor: None };
        for actor in [None, Some(PersonRef::new(9, "pat"))] {
            run.actor = actor;
            let mut tx = scratch.db.begin().await.unwrap();
            tx.remember_run("acme/rag", &run).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = scratch.db.begin().await.unwrap();
        assert_eq!(tx.run("acme/rag", 7).await.unwrap(), Some(run));
        assert_eq!(tx.run("acme/rag", 8).await.unwrap(), None);
        assert_eq!(tx.run("acme/other", 7).await.unwrap(), None);
    }
}
