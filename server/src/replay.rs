//! `tidegate health replay`: what a health definition would have done to the deployments that were recorded, as a table or
//! as JSON. Reads the database and changes nothing.

use crate::{
    config,
    service::lab::{self, Asked, Chosen, Outcome, Row},
};
use secrecy::ExposeSecret as _;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};
use tidegate_domain::{
    DeploymentId, EnvironmentName, ServiceName, Timestamp,
    health::{Ending, HealthDefinition, Mark, Replay},
    time::{SECOND, span_words},
};
use tidegate_store::{Db, PoolOptions};

/// What to replay.
#[derive(Debug, Clone, clap::Args)]
pub struct Replayed {
    /// The definition: a file with one `[health.NAME]`, a name of the configuration, or six digits or more of a version.
    #[arg(long, value_name = "FILE|NAME|VERSION")]
    pub definition: String,
    /// Compare with this one instead of what each target is judged by today.
    #[arg(long, value_name = "FILE|NAME|VERSION")]
    pub against: Option<String>,
    /// Only these deployments; may be given more than once.
    #[arg(long, value_name = "ID")]
    pub deployment: Vec<DeploymentId>,
    /// Only this service.
    #[arg(long, value_name = "NAME")]
    pub service: Option<ServiceName>,
    /// Only this environment.
    #[arg(long, value_name = "NAME")]
    pub environment: Option<EnvironmentName>,
    /// Only deployments that were first evaluated at this moment or later, such as 2026-03-01T00:00:00Z.
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<Timestamp>,
    /// Only deployments that were first evaluated before this moment.
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Reads, replays, and returns what to print.
///
/// # Errors
/// What is wrong with the configuration, a definition or the database, in words.
pub fn replay(config: &Path, asked: Replayed) -> Result<String, Box<dyn std::error::Error>> {
    let loaded = config::load(config)?;
    let named = config::definitions(&config.display().to_string(), &loaded.text)?;
    let url = config::database_url(&loaded.settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let db = Db::connect(url.expose_secret(), PoolOptions::default()).await?;
        let new = Chosen::One(Box::new(definition(&db, &named, &asked.definition).await?));
        let old = match &asked.against {
            Some(against) => Chosen::One(Box::new(definition(&db, &named, against).await?)),
            None => Chosen::InForce,
        };
        let which = Asked {
            service: asked.service,
            environment: asked.environment,
            from: asked.from,
            to: asked.to,
            deployments: asked.deployment,
        };
        let outcome = lab::replayed(&db, &loaded.catalog, &which, &old, &new).await?;
        db.close().await;
        if asked.json {
            let mut value = serde_json::to_value(&outcome)?;
            value["definitions"] = serde_json::json!({ "old": old.words(), "new": new.words() });
            return Ok(serde_json::to_string_pretty(&value)?);
        }
        Ok(table(&outcome, &old.words(), &new.words()))
    })
}

/// A file where there is one, else a name or a version.
async fn definition(
    db: &Db,
    named: &BTreeMap<String, HealthDefinition>,
    text: &str,
) -> Result<HealthDefinition, Box<dyn std::error::Error>> {
    let path = Path::new(text);
    if path.is_file() {
        let draft = std::fs::read_to_string(path).map_err(|error| format!("{text}: cannot be read: {error}"))?;
        return lab::drafted(text, &draft).map_err(|problems| format!("{text}:\n  {}", problems.join("\n  ")).into());
    }
    lab::chosen(db, named, text)
        .await?
        .map_err(|why| format!("{why}; or the path of a file that is there").into())
}

const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Passed => "let through",
        Ending::Held => "held",
        Ending::RolledBack => "rolled back",
        Ending::Undecided => "undecided",
    }
}

fn table(outcome: &Outcome, old: &str, new: &str) -> String {
    let mut out = format!("old: {old}\nnew: {new}\n\n");
    let mut lines = vec![
        [
            "deployment",
            "service",
            "environment",
            "began (UTC)",
            "happened",
            "marked",
            "old",
            "new",
            "new acts",
        ]
        .map(str::to_owned),
    ];
    lines.extend(outcome.deployments.iter().map(cells));
    let mut widths = [0_usize; 9];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    for row in outcome
        .deployments
        .iter()
        .filter(|row| row.side.old.ending != row.side.new.ending)
    {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "\n{}\n  old: {}\n  new: {}",
            row.id,
            why(&row.side.old),
            why(&row.side.new)
        );
    }
    out.push('\n');
    for (words, old, new) in [
        ("rolled back", outcome.old.rolled_back, outcome.new.rolled_back),
        ("held", outcome.old.held, outcome.new.held),
        ("let through", outcome.old.passed, outcome.new.passed),
        ("undecided", outcome.old.undecided, outcome.new.undecided),
        (
            "false rollbacks",
            outcome.old.false_rollbacks,
            outcome.new.false_rollbacks,
        ),
        ("false holds", outcome.old.false_holds, outcome.new.false_holds),
        ("misses", outcome.old.misses, outcome.new.misses),
        ("caught", outcome.old.caught, outcome.new.caught),
    ] {
        let _ = writeln!(out, "{words:16} old {old:4}  new {new:4}");
    }
    if outcome.left_out > 0 {
        let _ = writeln!(
            out,
            "{} left out: thinned with age, or without a definition to compare with",
            outcome.left_out
        );
    }
    if outcome.more {
        let _ = writeln!(
            out,
            "only the newest {} were compared: give --from and --to",
            lab::AT_ONCE
        );
    }
    out
}

fn cells(row: &Row) -> [String; 9] {
    let acts = match row.side.earlier_seconds {
        None => String::new(),
        Some(0) => "at the same moment".to_owned(),
        Some(seconds) if seconds > 0 => format!("{} earlier", span_words(seconds * SECOND)),
        Some(seconds) => format!("{} later", span_words(-seconds * SECOND)),
    };
    let began: String = row.began_at.to_string().chars().take(16).collect();
    [
        row.id.to_string(),
        row.service.to_string(),
        row.environment.to_string(),
        began.replace('T', " "),
        row.happened
            .map_or("still runs", |happened| ending(happened.ending))
            .to_owned(),
        match row.side.mark {
            Some(Mark::Incident) => "incident",
            Some(Mark::Fine) => "fine",
            None => "",
        }
        .to_owned(),
        ending(row.side.old.ending).to_owned(),
        ending(row.side.new.ending).to_owned(),
        acts,
    ]
}

fn why(replay: &Replay) -> String {
    match replay.decided() {
        Some(act) => format!("{} at {}: {}", ending(replay.ending), act.at, act.words),
        None => ending(replay.ending).to_owned(),
    }
}
