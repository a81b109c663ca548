//! Elastic Load Balancing over the query protocol.

use crate::fleet::Fleet;
use serde_json::json;

/// The parameters of a forward action to these target groups.
fn forward(action: &str, groups: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut parameters = vec![(format!("{action}.Type"), "forward".to_owned())];
    for (index, (arn, weight)) in groups.iter().enumerate() {
        let group = format!("{action}.ForwardConfig.TargetGroups.member.{}", index + 1);
        parameters.push((format!("{group}.TargetGroupArn"), (*arn).to_owned()));
        parameters.push((format!("{group}.Weight"), (*weight).to_owned()));
    }
    parameters
}

async fn modify(fleet: &Fleet, operation: &str, parameters: &[(String, String)]) -> crate::fleet::Xml {
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fleet.balancing(operation, &parameters).await
}

#[tokio::test]
async fn a_listener_is_found_by_its_load_balancer_and_by_its_arn() {
    let fleet = Fleet::start().await;
    let answer = fleet
        .balancing("DescribeLoadBalancers", &[("Names.member.1", "fleet")])
        .await
        .ok();
    assert_eq!(answer.one("RequestId"), answer.request_id);
    let balancer = answer.one("LoadBalancerArn").to_owned();
    let answer = fleet
        .balancing("DescribeListeners", &[("LoadBalancerArn", &balancer)])
        .await
        .ok();
    assert_eq!(answer.all("Port"), ["443", "8443", "9443", "80"]);
    assert_eq!(answer.all("Weight"), ["100", "0", "100", "0", "100", "0", "1"]);
    let first = answer.all("ListenerArn")[0].to_owned();
    let answer = fleet
        .balancing("DescribeListeners", &[("ListenerArns.member.1", &first)])
        .await
        .ok();
    assert_eq!((answer.one("Port"), answer.one("Protocol")), ("443", "HTTPS"));
    let page = fleet
        .balancing(
            "DescribeListeners",
            &[("LoadBalancerArn", &balancer), ("PageSize", "3")],
        )
        .await
        .ok();
    let marker = page.one("NextMarker").to_owned();
    let rest = fleet
        .balancing(
            "DescribeListeners",
            &[("LoadBalancerArn", &balancer), ("Marker", &marker)],
        )
        .await
        .ok();
    assert_eq!(rest.all("Port"), ["80"]);
    let groups = fleet
        .balancing("DescribeTargetGroups", &[("LoadBalancerArn", &balancer)])
        .await
        .ok();
    assert_eq!(
        groups.all("TargetGroupName").len(),
        5,
        "all but the one that no rule names"
    );
}

#[tokio::test]
async fn weights_move_by_modify_listener_and_what_is_not_named_stays() {
    let fleet = Fleet::start().await;
    let (a, b) = (fleet.group("by-hand-a").await, fleet.group("by-hand-b").await);
    let arn = fleet.listener(443).await["arn"].as_str().unwrap().to_owned();
    let mut parameters = vec![("ListenerArn".to_owned(), arn.clone())];
    parameters.extend(forward("DefaultActions.member.1", &[(&a, "999"), (&b, "1")]));
    let stickiness = "DefaultActions.member.1.ForwardConfig.TargetGroupStickinessConfig";
    parameters.push((format!("{stickiness}.Enabled"), "true".into()));
    parameters.push((format!("{stickiness}.DurationSeconds"), "3600".into()));
    let answer = modify(&fleet, "ModifyListener", &parameters).await.ok();
    assert_eq!(answer.all("Weight"), ["999", "1"]);
    assert_eq!((answer.one("Enabled"), answer.one("DurationSeconds")), ("true", "3600"));
    assert_eq!(answer.one("Port"), "443");
    assert_eq!(fleet.weights(443).await, [999, 1]);
    let rules = fleet.balancing("DescribeRules", &[("ListenerArn", &arn)]).await.ok();
    assert_eq!(rules.one("Priority"), "default");
    assert_eq!(rules.all("Weight"), ["999", "1"]);
}

#[tokio::test]
async fn a_rule_is_modified_but_never_the_default_one() {
    let fleet = Fleet::start().await;
    let (a, b) = (fleet.group("by-hand-a").await, fleet.group("by-hand-b").await);
    let listener = fleet.listener(80).await;
    let rule = |index: usize| listener["rules"][index]["arn"].as_str().unwrap().to_owned();
    let of = |arn: String| {
        let mut parameters = vec![("RuleArn".to_owned(), arn)];
        parameters.extend(forward("Actions.member.1", &[(&a, "30"), (&b, "70")]));
        parameters
    };
    let answer = modify(&fleet, "ModifyRule", &of(rule(0))).await.ok();
    assert_eq!(answer.one("Priority"), "10");
    assert_eq!(answer.all("Weight"), ["30", "70"]);
    assert!(answer.text.contains("<Values><member>/api/*</member></Values>"));
    let refused = modify(&fleet, "ModifyRule", &of(rule(1))).await;
    assert_eq!((refused.status, refused.one("Code")), (400, "OperationNotPermitted"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let fleet = Fleet::start().await;
    let (a, b) = (fleet.group("by-hand-a").await, fleet.group("by-hand-b").await);
    let arn = fleet.listener(443).await["arn"].as_str().unwrap().to_owned();
    let none = a.replace("by-hand-a", "none");
    for (groups, code) in [
        (vec![(a.as_str(), "1000"), (b.as_str(), "0")], "ValidationError"),
        (vec![(a.as_str(), "1"), (a.as_str(), "1")], "ValidationError"),
        (vec![(none.as_str(), "1")], "TargetGroupNotFound"),
    ] {
        let mut parameters = vec![("ListenerArn".to_owned(), arn.clone())];
        parameters.extend(forward("DefaultActions.member.1", &groups));
        let refused = modify(&fleet, "ModifyListener", &parameters).await;
        assert_eq!((refused.status, refused.one("Code")), (400, code));
        assert_eq!(refused.one("Type"), "Sender");
    }
    assert_eq!(fleet.weights(443).await, [100, 0]);
    for (operation, parameters, code) in [
        (
            "DescribeListeners",
            vec![("ListenerArns.member.1", "arn:x")],
            "ListenerNotFound",
        ),
        ("DescribeListeners", vec![], "ValidationError"),
        ("DescribeRules", vec![("RuleArns.member.1", "arn:x")], "RuleNotFound"),
        (
            "DescribeTargetGroups",
            vec![("Names.member.1", "none")],
            "TargetGroupNotFound",
        ),
        (
            "DescribeTargetHealth",
            vec![("TargetGroupArn", "arn:x")],
            "TargetGroupNotFound",
        ),
        (
            "DescribeLoadBalancers",
            vec![("Names.member.1", "none")],
            "LoadBalancerNotFound",
        ),
    ] {
        let refused = fleet.balancing(operation, &parameters).await;
        assert_eq!((refused.status, refused.one("Code")), (400, code), "{operation}");
    }
}

#[tokio::test]
async fn faults_befall_it_in_the_words_of_its_protocol() {
    let fleet = Fleet::start().await;
    let (a, b) = (fleet.group("by-hand-a").await, fleet.group("by-hand-b").await);
    let arn = fleet.listener(443).await["arn"].as_str().unwrap().to_owned();
    let mut parameters = vec![("ListenerArn".to_owned(), arn)];
    parameters.extend(forward("DefaultActions.member.1", &[(&a, "50"), (&b, "50")]));
    let put = |fault| fleet.account.control("faults", fault);

    put(json!({ "operation": "ModifyListener", "kind": "throttle" })).await;
    let refused = modify(&fleet, "ModifyListener", &parameters).await;
    assert_eq!((refused.status, refused.one("Code")), (400, "Throttling"));
    put(json!({ "operation": "ModifyListener", "kind": "error", "when": "before" })).await;
    let refused = modify(&fleet, "ModifyListener", &parameters).await;
    assert_eq!((refused.status, refused.one("Type")), (500, "Receiver"));
    assert_eq!(fleet.weights(443).await, [100, 0], "without effect");
    put(json!({ "operation": "ModifyListener", "kind": "error", "when": "after" })).await;
    let refused = modify(&fleet, "ModifyListener", &parameters).await;
    assert_eq!(refused.one("Code"), "InternalFailure");
    assert_eq!(fleet.weights(443).await, [50, 50], "although it was refused");
}

#[tokio::test]
async fn an_unsigned_or_unknown_request_is_refused_in_xml() {
    let fleet = Fleet::start().await;
    let refused = fleet
        .account
        .http
        .post(fleet.account.sandbox.aws_url())
        .form(&[("Action", "DescribeRules"), ("Version", "2015-12-01")])
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 403);
    let text = refused.text().await.unwrap();
    assert!(text.contains("<Code>MissingAuthenticationToken</Code>"), "{text}");
}

#[tokio::test]
async fn a_seed_that_makes_no_sense_names_what() {
    let fleet = Fleet::start().await;
    let service = |members: serde_json::Value| {
        let mut service = json!({
            "name": "odd", "cluster": "fleet", "family": "app", "container": "app", "image": "acme/app:1",
        });
        for (member, value) in members.as_object().unwrap() {
            service[member] = value.clone();
        }
        json!({ "services": [service] })
    };
    let listener = |weight: u32| {
        json!({ "load_balancers": [{ "name": "odd", "listeners": [
            { "port": 80, "forward": [{ "target_group": "alone", "weight": weight }] },
        ]}]})
    };
    for (seed, words) in [
        (
            service(json!({ "controller": "ECS", "target_groups": ["none"] })),
            "no target group `none`",
        ),
        (
            service(json!({ "target_groups": ["alone"] })),
            "for the controllers EXTERNAL and ECS",
        ),
        (
            service(json!({ "controller": "EXTERNAL", "deployment_configuration": {} })),
            "for the controller ECS",
        ),
        (
            service(json!({ "controller": "ECS", "production": { "load_balancer": "fleet", "port": 81 } })),
            "no listener `fleet:81`",
        ),
        (
            service(json!({ "controller": "ECS", "deployment_configuration": { "strategy": "HOPE" } })),
            "Invalid deployment strategy HOPE.",
        ),
        (listener(1000), "between 0 and 999"),
        (
            json!({ "sick": { "none:1": "never_runs" } }),
            "no task definition `none:1`",
        ),
    ] {
        let url = format!("{}/aws/seed", fleet.account.sandbox.control_url());
        let answer = fleet.account.http.post(url).json(&seed).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{seed}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(words), "{text}");
    }
}
