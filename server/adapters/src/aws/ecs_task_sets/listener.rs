//! The weights of a listener's default action. Only the two target groups' weights are ever changed; every other action,
//! such as a sign-in before the forward, goes back as it was read.

use crate::{
    CallError,
    aws::{
        Aws,
        call::{self, Sent},
    },
};
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ForwardActionConfig, TargetGroupTuple};

/// What a listener's default action forwards to.
#[derive(Debug, Clone)]
pub(super) struct Forward {
    actions: Vec<Action>,
    /// Target group and weight.
    pub(super) groups: Vec<(String, i32)>,
    /// Clients stay with a target group, whatever its weight.
    pub(super) sticky: bool,
}

/// Reads the listener. The inner error is something about it that people can mend.
pub(super) async fn read(aws: &Aws, listener: &str) -> Result<Result<Forward, String>, CallError> {
    let answer = aws.elb.describe_listeners().listener_arns(listener).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if call::code(&error) == Some("ListenerNotFound") => {
            return Ok(Err(format!("there is no listener {listener}")));
        }
        Err(error) => return Err(call::unread(&error)),
    };
    let actions = answer
        .listeners
        .unwrap_or_default()
        .into_iter()
        .next()
        .and_then(|found| found.default_actions)
        .unwrap_or_default();
    Ok(Forward::of(actions)
        .ok_or_else(|| format!("the default action of {listener} does not forward to target groups")))
}

/// Sets the weights of two groups, in per cent. One HTTP attempt.
pub(super) async fn set(
    aws: &Aws,
    listener: &str,
    forward: &Forward,
    weights: [(&str, u8); 2],
    sent: Sent,
) -> Result<(), CallError> {
    aws.elb
        .modify_listener()
        .listener_arn(listener)
        .set_default_actions(Some(forward.with(weights)))
        .customize()
        .interceptor(sent.clone())
        .send()
        .await
        .map(drop)
        .map_err(|error| call::failed(&error, &sent))
}

impl Forward {
    fn of(actions: Vec<Action>) -> Option<Self> {
        let forward = actions.iter().find(|action| is_forward(action))?;
        let config = forward.forward_config();
        let listed = config.map(ForwardActionConfig::target_groups).unwrap_or_default();
        let mut groups: Vec<(String, i32)> = listed
            .iter()
            .filter_map(|group| Some((group.target_group_arn()?.to_owned(), group.weight().unwrap_or(1))))
            .collect();
        if groups.is_empty() {
            groups.push((forward.target_group_arn()?.to_owned(), 1));
        }
        let stickiness = config.and_then(|config| config.target_group_stickiness_config());
        let sticky = stickiness.is_some_and(|config| config.enabled() == Some(true));
        Some(Self {
            actions,
            groups,
            sticky,
        })
    }

    /// Share of the traffic that goes to a group, in percent. `None` where no group has any.
    pub(super) fn share(&self, group: &str) -> Option<u8> {
        let weight = |group: &&(String, i32)| i64::from(group.1.max(0));
        let all: i64 = self.groups.iter().map(|group| weight(&group)).sum();
        let own: i64 = self
            .groups
            .iter()
            .filter(|(name, _)| name == group)
            .map(|group| weight(&group))
            .sum();
        // Rounded, but only nothing is 0 % and only all is 100 %.
        let percent = (own * 200 + all) / (2 * all.max(1));
        let percent = match own {
            0 => 0,
            _ if own == all => 100,
            _ => percent.clamp(1, 99),
        };
        (all > 0).then(|| u8::try_from(percent).unwrap_or(100))
    }

    pub(super) fn names(&self, group: &str) -> bool {
        self.groups.iter().any(|(name, _)| name == group)
    }

    /// Groups other than these two.
    pub(super) fn others<'a>(&'a self, pair: &'a [String; 2]) -> impl Iterator<Item = &'a str> {
        let names = self.groups.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !pair.iter().any(|own| own == name))
    }

    fn with(&self, weights: [(&str, u8); 2]) -> Vec<Action> {
        let change = |action: &Action| {
            let mut action = action.clone();
            if is_forward(&action) {
                let old = action.forward_config.take();
                let stickiness = old.and_then(|config| config.target_group_stickiness_config);
                let groups = weights.map(|(group, weight)| {
                    TargetGroupTuple::builder()
                        .target_group_arn(group)
                        .weight(i32::from(weight))
                        .build()
                });
                action.target_group_arn = None;
                action.forward_config = Some(
                    ForwardActionConfig::builder()
                        .set_target_groups(Some(groups.to_vec()))
                        .set_target_group_stickiness_config(stickiness)
                        .build(),
                );
            }
            // A secret is never told: it stays as it is.
            if let Some(oidc) = &mut action.authenticate_oidc_config {
                oidc.use_existing_client_secret = Some(true);
            }
            action
        };
        self.actions.iter().map(change).collect()
    }
}

fn is_forward(action: &Action) -> bool {
    action.r#type() == Some(&ActionTypeEnum::Forward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{AuthenticateOidcActionConfig, TargetGroupStickinessConfig};

    fn forward(groups: &[(&str, i32)]) -> Action {
        let groups = groups.iter().map(|(name, weight)| {
            TargetGroupTuple::builder()
                .target_group_arn(*name)
                .weight(*weight)
                .build()
        });
        let stickiness = TargetGroupStickinessConfig::builder().enabled(false).build();
        let config = ForwardActionConfig::builder()
            .set_target_groups(Some(groups.collect()))
            .target_group_stickiness_config(stickiness)
            .build();
        Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .order(2)
            .forward_config(config)
            .build()
    }

    fn read(groups: &[(&str, i32)]) -> Forward {
        Forward::of(vec![forward(groups)]).unwrap()
    }

    #[test]
    fn a_share_is_a_part_of_all_weights() {
        assert_eq!(read(&[("a", 90), ("b", 10)]).share("b"), Some(10));
        assert_eq!(read(&[("a", 1), ("b", 1)]).share("b"), Some(50));
        assert_eq!(read(&[("a", 100), ("b", 0)]).share("b"), Some(0));
        assert_eq!(read(&[("a", 0), ("b", 7)]).share("b"), Some(100));
        assert_eq!(read(&[("a", 7)]).share("b"), Some(0));
        assert_eq!(read(&[("a", 0), ("b", 0)]).share("b"), None);
    }

    #[test]
    fn a_little_is_not_nothing_and_nearly_all_is_not_all() {
        assert_eq!(read(&[("a", 999), ("b", 1)]).share("b"), Some(1));
        assert_eq!(read(&[("a", 1), ("b", 999)]).share("b"), Some(99));
    }

    #[test]
    fn only_the_weights_change_and_a_sign_in_before_them_stays() {
        let oidc = AuthenticateOidcActionConfig::builder()
            .issuer("https://id.example")
            .authorization_endpoint("https://id.example/a")
            .token_endpoint("https://id.example/t")
            .user_info_endpoint("https://id.example/u")
            .client_id("web")
            .build();
        let sign_in = Action::builder()
            .r#type(ActionTypeEnum::AuthenticateOidc)
            .order(1)
            .authenticate_oidc_config(oidc)
            .build();
        let read = Forward::of(vec![sign_in, forward(&[("a", 100), ("b", 0)])]).unwrap();
        let changed = read.with([("a", 90), ("b", 10)]);
        assert_eq!(changed[1], forward(&[("a", 90), ("b", 10)]));
        let kept = changed[0].authenticate_oidc_config().unwrap();
        assert_eq!(
            (kept.client_id(), kept.use_existing_client_secret()),
            (Some("web"), Some(true))
        );
    }

    #[test]
    fn one_group_by_itself_has_all() {
        let action = Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .target_group_arn("a")
            .build();
        let read = Forward::of(vec![action]).unwrap();
        assert_eq!((read.share("a"), read.names("b")), (Some(100), false));
    }
}
