//! Alarms: a name and a state. CodeDeploy stops a deployment whose group watches one that goes to ALARM.
//!
//! Whether an alarm is in ALARM is kept once, in the account, where CodeDeploy looks too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{bad_token, invalid};
use crate::aws::{
    codedeploy::ending,
    ecs::deployments::run::heed_alarms,
    model::{Account, At},
    protocol::{AwsError, epoch, input, page, without_nulls},
};

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Alarm {
    pub name: String,
    /// While it is not in ALARM.
    pub state: AlarmState,
    pub reason: String,
    pub updated: At,
    pub composite: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
}

impl AlarmState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// The body of `POST /aws/alarms`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutAlarm {
    name: String,
    #[serde(default = "ok")]
    state: AlarmState,
    reason: Option<String>,
    #[serde(default)]
    composite: bool,
}

fn ok() -> AlarmState {
    AlarmState::Ok
}

impl PutAlarm {
    /// Puts it into its state, and stops the deployments that watch it if that is ALARM.
    pub(crate) fn apply(self, account: &mut Account, now: jiff::Timestamp) {
        let alarm = Alarm {
            name: self.name,
            state: self.state,
            reason: self
                .reason
                .unwrap_or_else(|| "Unchecked: Initial alarm creation".to_owned()),
            updated: At(now),
            composite: self.composite,
        };
        let name = alarm.name.clone();
        account.cloudwatch.alarms.retain(|each| each.name != name);
        account.cloudwatch.alarms.push(alarm);
        if self.state != AlarmState::Alarm {
            account.alarms.remove(&name);
            return;
        }
        account.alarms.insert(name.clone());
        for index in 0..account.deployments.len() {
            let each = &account.deployments[index];
            let watched = each.alarms.enabled && each.alarms.alarms.iter().any(|alarm| alarm.name == name);
            if watched && !each.status.is_final() && !each.is_rollback() {
                ending::stop_on_alarm(account, index, now);
            }
        }
        heed_alarms(account, At(now));
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    alarm_names: Option<Vec<String>>,
    alarm_name_prefix: Option<String>,
    alarm_types: Option<Vec<AlarmType>>,
    state_value: Option<AlarmState>,
    max_records: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum AlarmType {
    MetricAlarm,
    CompositeAlarm,
}

pub(super) fn describe(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: Input = input(body)?;
    let size = wanted.max_records.unwrap_or(50);
    if !(1..=100).contains(&size) {
        return Err(invalid("Value for parameter MaxRecords must be between 1 and 100."));
    }
    if wanted.alarm_names.as_ref().is_some_and(|names| names.len() > 100) {
        return Err(invalid(
            "The collection AlarmNames must not have a size greater than 100.",
        ));
    }
    if wanted.alarm_names.is_some() && wanted.alarm_name_prefix.is_some() {
        return Err(invalid("AlarmNames and AlarmNamePrefix exclude each other."));
    }
    let found: Vec<(Alarm, AlarmState)> = all(account)
        .into_iter()
        .filter(|(alarm, state)| {
            let kind = if alarm.composite {
                AlarmType::CompositeAlarm
            } else {
                AlarmType::MetricAlarm
            };
            let types = wanted.alarm_types.as_deref().unwrap_or(&[AlarmType::MetricAlarm]);
            let names = wanted.alarm_names.as_ref();
            let prefix = wanted.alarm_name_prefix.as_deref().unwrap_or_default();
            types.contains(&kind)
                && names.is_none_or(|names| names.contains(&alarm.name))
                && alarm.name.starts_with(prefix)
                && wanted.state_value.is_none_or(|value| value == *state)
        })
        .collect();
    let (found, next) = page(&found, wanted.next_token.as_deref(), size).ok_or_else(bad_token)?;
    let (composite, metric): (Vec<_>, Vec<_>) = found.into_iter().partition(|(alarm, _)| alarm.composite);
    let shown = |alarms: Vec<(Alarm, AlarmState)>| -> Vec<Value> {
        let shown = alarms.into_iter().map(|(alarm, state)| {
            json!({
                "AlarmName": alarm.name,
                "AlarmArn": account.arn("cloudwatch", &format!("alarm:{}", alarm.name)),
                "ActionsEnabled": true,
                "StateValue": state.as_str(),
                "StateReason": alarm.reason,
                "StateUpdatedTimestamp": epoch(alarm.updated.0),
                "StateTransitionedTimestamp": epoch(alarm.updated.0),
                "AlarmConfigurationUpdatedTimestamp": epoch(alarm.updated.0),
            })
        });
        shown.collect()
    };
    Ok(without_nulls(json!({
        "MetricAlarms": shown(metric),
        "CompositeAlarms": shown(composite),
        "NextToken": next,
    })))
}

/// Every alarm with its present state, by name.
fn all(account: &Account) -> Vec<(Alarm, AlarmState)> {
    let watched = account.groups.iter().flat_map(|group| &group.alarms.alarms);
    let mut alarms: BTreeMap<String, Alarm> = watched
        .map(|alarm| alarm.name.clone())
        .chain(account.alarms.iter().cloned())
        .map(|name| {
            let alarm = Alarm {
                name: name.clone(),
                state: AlarmState::Ok,
                reason: "Unchecked: Initial alarm creation".to_owned(),
                updated: At(jiff::Timestamp::UNIX_EPOCH),
                composite: false,
            };
            (name, alarm)
        })
        .collect();
    alarms.extend(
        account
            .cloudwatch
            .alarms
            .iter()
            .map(|alarm| (alarm.name.clone(), alarm.clone())),
    );
    alarms
        .into_values()
        .map(|alarm| {
            let state = match alarm.state {
                _ if account.alarms.contains(&alarm.name) => AlarmState::Alarm,
                // It was cleared by way of its group since.
                AlarmState::Alarm => AlarmState::Ok,
                other => other,
            };
            (alarm, state)
        })
        .collect()
}
