//! The shape of `[smoke]` and of what a target says of it, as it is written.

use crate::config::file::At;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// `allow`, and beside it a suite under each name.
#[derive(Debug, Clone, Default)]
pub struct Smoke {
    pub(super) allow: Vec<At<String>>,
    pub(super) suites: BTreeMap<String, At<Suite>>,
}

/// What is asked of a running version, and what it must answer. Tests run in their order; the first that fails ends it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Suite {
    pub(super) tests: Vec<Test>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// Unique in its suite.
    pub(super) name: At<String>,
    /// `GET` when left out.
    pub(super) method: Option<At<String>>,
    /// Begins with a slash; put behind the target's `base_url`.
    pub(super) path: At<String>,
    /// Text, or `{ secret = "TIDEGATE_SMOKE_…", prefix = "Bearer " }`: the value of that environment variable, or of the
    /// file that `TIDEGATE_SMOKE_…_FILE` names.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) headers: BTreeMap<String, At<toml::Value>>,
    /// Text as it is sent; a table or a list is sent as JSON.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) body: Option<At<toml::Value>>,
    /// Expected status; 200 when left out.
    pub(super) status: Option<At<u16>>,
    /// Longest time to the last byte, in milliseconds.
    pub(super) max_latency_ms: Option<At<i64>>,
    /// Expected values by JSON pointer (RFC 6901): `{ "/intent" = "order_return" }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) expect_json: BTreeMap<String, At<toml::Value>>,
    /// Expected headers of the answer; `*` at the end matches any rest.
    #[serde(default)]
    pub(super) expect_headers: BTreeMap<String, At<String>>,
    /// Over the whole exchange; `10s` when left out, `60s` at most.
    pub(super) timeout: Option<At<String>>,
    /// The test passes when one of so many passes; 1 when left out, 20 at most.
    pub(super) attempts: Option<At<u32>>,
    /// Between two attempts; `10s` when left out, `5m` at most.
    pub(super) pause: Option<At<String>>,
    /// Redirects that are followed, each only to where a request may go; 0 when left out, 5 at most.
    pub(super) redirects: Option<At<u8>>,
}

/// A suite on a schedule, between deployments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// Name of a suite.
    pub(super) suite: At<String>,
    /// From the beginning of a run to the next, such as `5m`; `30s` to `24h`.
    pub(super) every: At<String>,
}

impl<'de> Deserialize<'de> for Smoke {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Smoke;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`allow` and suites by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Smoke, A::Error> {
        let mut smoke = Smoke::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == "allow" {
                smoke.allow = map.next_value()?;
            } else {
                smoke.suites.insert(name, map.next_value()?);
            }
        }
        Ok(smoke)
    }
}

impl JsonSchema for Smoke {
    fn schema_name() -> Cow<'static, str> {
        "Smoke".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let suite = generator.subschema_for::<Suite>();
        json_schema!({
            "description": "Smoke suites by name, and what they may reach beyond the public Internet.",
            "type": "object",
            "properties": {
                "allow": {
                    "description": "Hosts and networks that may be reached although they are not public, such as 10.0.0.0/8.",
                    "type": "array",
                    "items": { "type": "string" }
                }
            },
            "additionalProperties": suite
        })
    }
}
