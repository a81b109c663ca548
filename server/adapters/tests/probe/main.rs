//! What a smoke test sends and reads, against listeners of this machine; and where it never goes (R31).

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod listener;
mod reaching;
mod reading;

use listener::Listener;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};
use tidegate_adapters::probe::{HttpProber, Resolver, SecretSource, url_safety::Allow};
use tidegate_domain::smoke::{Answer, Response};

/// What a name stands for, one answer after the other; the last one stays.
#[derive(Default)]
pub(crate) struct Names {
    answers: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Names {
    pub(crate) fn of(entries: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parse = |addresses: &&[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        let answers = entries
            .iter()
            .map(|(host, answers)| ((*host).to_owned(), answers.iter().map(parse).collect()))
            .collect();
        Arc::new(Self {
            answers: Mutex::new(answers),
            asked: Mutex::default(),
        })
    }
}

#[async_trait::async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let known = answers
            .get_mut(host)
            .ok_or_else(|| io::Error::other("no such host is known"))?;
        Ok(if known.len() > 1 {
            known.remove(0)
        } else {
            known[0].clone()
        })
    }
}

pub(crate) struct OneSecret;

impl SecretSource for OneSecret {
    fn secret(&self, name: &str) -> Result<SecretString, String> {
        match name {
            "TIDEGATE_SMOKE_TOKEN" => Ok("canary-secret-value".to_owned().into()),
            _ => Err(format!("{name} is not set")),
        }
    }
}

pub(crate) fn prober(names: &Arc<Names>) -> HttpProber {
    HttpProber::new(names.clone(), Arc::new(OneSecret))
}

pub(crate) fn allow(entries: &[&str]) -> Allow {
    Allow::parse(entries).unwrap()
}

pub(crate) fn here() -> Allow {
    allow(&["127.0.0.1"])
}

pub(crate) fn response(answer: Answer) -> Response {
    match answer {
        Answer::Response(response) => response,
        Answer::Nothing { why, .. } => panic!("no answer: {why}"),
    }
}

pub(crate) fn nothing(answer: Answer) -> String {
    match answer {
        Answer::Nothing { why, .. } => why,
        Answer::Response(response) => panic!("an answer: {response:?}"),
    }
}
