//! Everything that was ever asked for, newest first, by filters that a page's address holds.

use super::{
    Services,
    errors::{self, invalid},
    summary::summary,
};
use tidegate_app::{
    model::{History, HistoryFilter},
    portal::PortalError,
};
use tidegate_domain::{
    Action, Actor, DeploymentId, StateName, Timestamp,
    name::{EnvironmentName, ServiceName},
    time::DAY,
};
use tidegate_store::HistoryQuery;

/// Deployments on a page.
const PAGE: usize = 50;

impl Services {
    pub(crate) async fn history_page(&self, actor: &Actor, filter: HistoryFilter) -> Result<History, PortalError> {
        self.allow(actor, Action::View, None).await?;
        let catalog = self.catalog();
        let mut query = query(filter)?;
        query.limit = PAGE + 1;
        let mut found = self.db().history(&query).await.map_err(errors::portal)?;
        let more = found.len() > PAGE;
        found.truncate(PAGE);
        let next = found
            .last()
            .filter(|_| more)
            .map(|last| key(last.value.requested_at, last.value.id));
        Ok(History {
            items: found.iter().map(|found| summary(&found.value, &catalog)).collect(),
            next,
            services: catalog.services.iter().map(|service| service.name.clone()).collect(),
            environments: catalog
                .environments
                .iter()
                .map(|environment| environment.name.clone())
                .collect(),
            now: self.db().now().await.map_err(errors::portal)?,
        })
    }
}

fn query(filter: HistoryFilter) -> Result<HistoryQuery, PortalError> {
    Ok(HistoryQuery {
        service: service_filter(filter.service)?,
        environment: environment_filter(filter.environment)?,
        state: given(filter.state)
            .map(|text| {
                StateName::parse(&text).ok_or_else(|| {
                    let known: Vec<&str> = StateName::ALL.iter().map(|name| name.as_str()).collect();
                    invalid(
                        "state",
                        format!("{text:?} is no state: use one of {}", known.join(", ")),
                    )
                })
            })
            .transpose()?,
        person: given(filter.person),
        from: given(filter.from).map(|day| start_of("from", &day)).transpose()?,
        to: given(filter.to)
            .map(|day| start_of("to", &day))
            .transpose()?
            .map(|start| start.plus_millis(DAY)),
        text: given(filter.text),
        after: given(filter.after).map(|key| parse_key(&key)).transpose()?,
        limit: PAGE,
    })
}

/// An empty form field is no filter.
pub(crate) fn given(field: Option<String>) -> Option<String> {
    field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(crate) fn service_filter(field: Option<String>) -> Result<Option<ServiceName>, PortalError> {
    given(field)
        .map(ServiceName::new)
        .transpose()
        .map_err(|error| invalid("service", error.to_string()))
}

pub(crate) fn environment_filter(field: Option<String>) -> Result<Option<EnvironmentName>, PortalError> {
    given(field)
        .map(EnvironmentName::new)
        .transpose()
        .map_err(|error| invalid("environment", error.to_string()))
}

/// The first moment of a day in UTC.
pub(crate) fn start_of(field: &str, day: &str) -> Result<Timestamp, PortalError> {
    day.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|start| Timestamp::from_millis(start.timestamp().as_millisecond()))
        .ok_or_else(|| invalid(field, format!("{day:?} is no day: write it as 2026-03-01")))
}

fn key(at: Timestamp, id: DeploymentId) -> String {
    format!("{}_{id}", at.millis())
}

fn parse_key(text: &str) -> Result<(Timestamp, DeploymentId), PortalError> {
    text.split_once('_')
        .and_then(|(millis, id)| Some((Timestamp::from_millis(millis.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| {
            invalid(
                "after",
                "is not the key of a page: follow the link to the next page, or leave it out",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_page_key_reads_back() {
        let id = DeploymentId::from_uuid(Uuid::from_u128(7));
        let at = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(parse_key(&key(at, id)), Ok((at, id)));
        assert!(parse_key("1_2").is_err());
    }

    #[test]
    fn the_last_day_of_a_span_is_in_it() {
        let filter = HistoryFilter {
            from: Some("2026-03-01".into()),
            to: Some("2026-03-01".into()),
            ..Default::default()
        };
        let query = query(filter).unwrap();
        assert_eq!(query.from, "2026-03-01T00:00:00Z".parse().ok());
        assert_eq!(query.to, "2026-03-02T00:00:00Z".parse().ok());
    }

    #[test]
    fn an_empty_field_is_no_filter_and_a_wrong_one_says_what_would_do() {
        let empty = HistoryFilter {
            service: Some(" ".into()),
            state: Some(String::new()),
            ..Default::default()
        };
        assert!(query(empty).unwrap().service.is_none());
        let wrong = HistoryFilter {
            state: Some("done".into()),
            ..Default::default()
        };
        let error = query(wrong).unwrap_err().to_string();
        assert!(error.contains("\"done\"") && error.contains("rolled_back"), "{error}");
    }
}
