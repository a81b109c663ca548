//! The revision: everything a person sees when approving, and its hash, which the approval is bound to (R2).

use crate::{
    gate::{GateStatus, Verdict},
    name::{Digest, EnvironmentName, GateName, ServiceName},
    traffic::TrafficPlan,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// SHA-256 over RFC 8785 canonical JSON, in hexadecimal.
///
/// # Panics
/// Never for this crate's types: they have text keys and finite numbers.
#[expect(
    clippy::expect_used,
    reason = "the types of this crate have text keys and finite numbers, which is all that can fail"
)]
pub fn canonical_hash<T: Serialize>(value: &T) -> String {
    let bytes = serde_json_canonicalizer::to_vec(value).expect("canonical JSON of a domain value");
    hex::encode(Sha256::digest(bytes))
}

/// The SHA-256 of a canonical revision, 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionHash(pub String);

impl RevisionHash {
    /// The first ten digits, for a screen.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl fmt::Display for RevisionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a gate said when the revision was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateEvidence {
    pub gate: GateName,
    pub verdict: Verdict,
    pub detail: Option<String>,
    pub url: Option<String>,
}

/// What an approval is bound to (requirements §5). Anything here changes → the approval is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub digest: Digest,
    /// Hash of the task definition and AppSpec that would be deployed.
    pub task_definition: String,
    pub traffic: TrafficPlan,
    /// [`crate::health::HealthDefinition::version`]; `none` while the target has none.
    pub health_definition: String,
    /// [`crate::Policy::version`].
    pub policy: String,
    pub gates: Vec<GateEvidence>,
    /// What runs now and would be returned to; `none` on the first deployment.
    pub rollback_target: String,
    /// [`crate::smoke::Verification::version`]; `none` while the target has none. Left out of the hash then, so that what was
    /// approved before there was such a member keeps its own.
    #[serde(default = "none", skip_serializing_if = "is_none")]
    pub verification: String,
}

fn none() -> String {
    "none".to_owned()
}

fn is_none(version: &str) -> bool {
    version == "none"
}

/// One difference between two revisions, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub what: String,
    pub from: String,
    pub to: String,
}

impl Revision {
    pub fn hash(&self) -> RevisionHash {
        RevisionHash(canonical_hash(self))
    }

    /// What differs from `self` to `newer`. Empty exactly when the hashes are equal.
    pub fn changes(&self, newer: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut note = |what: &str, from: String, to: String| {
            if from != to {
                changes.push(Change {
                    what: what.to_owned(),
                    from,
                    to,
                });
            }
        };
        note("service", self.service.to_string(), newer.service.to_string());
        note(
            "environment",
            self.environment.to_string(),
            newer.environment.to_string(),
        );
        note("image digest", self.digest.to_string(), newer.digest.to_string());
        note(
            "task definition",
            self.task_definition.clone(),
            newer.task_definition.clone(),
        );
        note("traffic plan", self.traffic.to_string(), newer.traffic.to_string());
        note(
            "health definition",
            self.health_definition.clone(),
            newer.health_definition.clone(),
        );
        note("policy", self.policy.clone(), newer.policy.clone());
        note(
            "rollback target",
            self.rollback_target.clone(),
            newer.rollback_target.clone(),
        );
        note("verification", self.verification.clone(), newer.verification.clone());
        let mut gates: Vec<&GateName> = self
            .gates
            .iter()
            .chain(&newer.gates)
            .map(|evidence| &evidence.gate)
            .collect();
        gates.sort_unstable();
        gates.dedup();
        for gate in gates {
            note(
                &format!("gate {gate}"),
                evidence_words(&self.gates, gate),
                evidence_words(&newer.gates, gate),
            );
        }
        let reordered = self.gates != newer.gates && {
            let sorted = |evidence: &[GateEvidence]| {
                let mut names: Vec<GateName> = evidence.iter().map(|evidence| evidence.gate.clone()).collect();
                names.sort_unstable();
                names
            };
            sorted(&self.gates) == sorted(&newer.gates)
        };
        if reordered {
            note("order of gates", gate_order(&self.gates), gate_order(&newer.gates));
        }
        changes
    }
}

fn gate_order(evidence: &[GateEvidence]) -> String {
    evidence
        .iter()
        .map(|evidence| evidence.gate.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn evidence_words(evidence: &[GateEvidence], gate: &GateName) -> String {
    let Some(found) = evidence.iter().find(|evidence| evidence.gate == *gate) else {
        return "not asked for".to_owned();
    };
    let mut words = match found.verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail => "fail".to_owned(),
    };
    for part in [&found.detail, &found.url].into_iter().flatten() {
        words.push_str(" · ");
        words.push_str(part);
    }
    words
}

/// The evidence of gates that were reported; a missing gate has none.
pub fn evidence(statuses: &[GateStatus]) -> Vec<GateEvidence> {
    statuses
        .iter()
        .filter_map(|status| status.result.as_ref())
        .map(|result| GateEvidence {
            gate: result.gate.clone(),
            verdict: result.verdict,
            detail: result.detail.clone(),
            url: result.url.clone(),
        })
        .collect()
}

#[cfg(test)]
pub(crate) fn example() -> Revision {
    Revision {
        service: ServiceName::new("rag").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        digest: Digest::new(format!("sha256:{}", "a1".repeat(32))).unwrap(),
        task_definition: "b2".repeat(32),
        traffic: TrafficPlan::Canary {
            percent: 10,
            minutes: 5,
        },
        health_definition: "none".to_owned(),
        policy: "c3".repeat(32),
        gates: vec![GateEvidence {
            gate: GateName::new("lint").unwrap(),
            verdict: Verdict::Pass,
            detail: None,
            url: None,
        }],
        rollback_target: "none".to_owned(),
        verification: none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r02_the_hash_is_sha256_over_canonical_json() {
        // RFC 8785 §3.2.3 sorts members and drops white space; the digest below is `printf '{"a":"x","b":[1,2]}' | sha256sum`.
        let value = serde_json::json!({"b": [1, 2], "a": "x"});
        assert_eq!(
            canonical_hash(&value),
            "721ef82f2d6c0997bffb7a8ab3f40f8fb45b0b52ce2af3afa6b0f05efbdc317f"
        );
    }

    #[test]
    fn r02_every_member_of_a_revision_changes_its_hash_and_is_named() {
        let first = example();
        type Edit = (&'static str, fn(&mut Revision));
        let edits: [Edit; 11] = [
            ("service", |r| r.service = ServiceName::new("other").unwrap()),
            ("environment", |r| {
                r.environment = EnvironmentName::new("staging").unwrap()
            }),
            ("image digest", |r| {
                r.digest = Digest::new(format!("sha256:{}", "ff".repeat(32))).unwrap()
            }),
            ("task definition", |r| r.task_definition = "00".repeat(32)),
            ("traffic plan", |r| r.traffic = TrafficPlan::AllAtOnce),
            ("health definition", |r| r.health_definition = "v2".to_owned()),
            ("policy", |r| r.policy = "00".repeat(32)),
            ("gate lint", |r| r.gates[0].detail = Some("2 warnings".to_owned())),
            ("gate lint", |r| r.gates.clear()),
            ("rollback target", |r| r.rollback_target = "sha256:old".to_owned()),
            ("verification", |r| r.verification = "d4".repeat(32)),
        ];
        for (what, edit) in edits {
            let mut second = first.clone();
            edit(&mut second);
            assert_ne!(first.hash(), second.hash(), "{what}");
            let named: Vec<_> = first.changes(&second).into_iter().map(|change| change.what).collect();
            assert_eq!(named, [what]);
        }
        assert_eq!(first.changes(&first.clone()), []);
    }

    #[test]
    fn r02_what_was_approved_before_there_was_a_verification_keeps_its_hash() {
        let written = serde_json::to_value(example()).unwrap();
        assert_eq!(written.get("verification"), None);
        let read: Revision = serde_json::from_value(written).unwrap();
        assert_eq!((read.verification.as_str(), read.hash()), ("none", example().hash()));
    }
}
