//! What a deployment does to the load balancer: the weights of the rules that the service names.

use serde_json::Value;

use crate::aws::model::Account;

/// Makes the rules of the service say what its deployment has come to.
pub(super) fn apply(account: &mut Account, service: usize) {
    let managed = &account.services[service].managed;
    let Some(deployment) = managed.current() else {
        return;
    };
    let group_of = |revision: &String| managed.revision(revision)?.target_group.clone();
    let source = deployment.sources.last().and_then(group_of);
    let (Some(source), Some(target)) = (source, group_of(&deployment.target)) else {
        return;
    };
    let (production, test) = (deployment.production, deployment.test);
    let settings: Vec<Value> = managed
        .balancers
        .iter()
        .map(|balancer| balancer["advancedConfiguration"].clone())
        .collect();
    for setting in settings {
        for (member, percent) in [("productionListenerRule", production), ("testListenerRule", test)] {
            let rule = setting[member].as_str().unwrap_or_default();
            if let Some(rule) = account.load_balancing.rule_mut(rule) {
                let (blue, green) = weights(percent);
                rule.weigh(&[(source.clone(), blue), (target.clone(), green)]);
            }
        }
    }
}

/// The weights of source and target. Percents are multiples of 0.1; weights are whole.
fn weights(percent: f64) -> (u32, u32) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000"
    )]
    let tenths = (percent.clamp(0.0, 100.0) * 10.0).round() as u32;
    if tenths.is_multiple_of(10) {
        (100 - tenths / 10, tenths / 10)
    } else {
        (1000 - tenths, tenths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_percents_or_tenths_of_them() {
        assert_eq!(weights(0.0), (100, 0));
        assert_eq!(weights(10.0), (90, 10));
        assert_eq!(weights(33.3), (667, 333));
        assert_eq!(weights(100.0), (0, 100));
    }
}
