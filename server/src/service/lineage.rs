//! What a deployment brings on top of what ran before it: the releases in between, their commits, and the people who
//! must not approve because of them (R3).

use tidegate_domain::{Deployment, Release, Timestamp, approval::Involved, name::CommitSha, release::Commit};
use tidegate_store::{Db, StoreError};

/// Releases looked back over at most. Who wrote a deployment that brings more is not known, and nobody is asked about it.
pub const LOOK_BACK: usize = 100;

/// What a deployment is made of.
#[derive(Debug, Clone)]
pub struct Lineage {
    pub release: Release,
    /// The deployment that succeeded before in the same place.
    pub previous: Option<Deployment>,
    pub previous_release: Option<Release>,
    /// Reported after the previous one and skipped; newest first. Their commits go out with this one.
    pub between: Vec<Release>,
    /// There are more in between than were looked at.
    pub too_long: bool,
    /// Newest first, without those that the previous release had.
    pub commits: Vec<Commit>,
    /// Everyone whose approval never counts.
    pub involved: Involved,
}

/// GitHub's page of what a deployment brings; `web`: GitHub's own address.
pub(crate) fn compare_url(web: &str, lineage: &Lineage) -> Option<String> {
    let base = lineage.previous_release.as_ref()?;
    let release = &lineage.release;
    (base.commit != release.commit && base.repository == release.repository).then(|| {
        format!(
            "{web}/{}/compare/{}...{}",
            release.repository, base.commit, release.commit
        )
    })
}

/// Reads it. The people are those known now: a release that learns of another author later excludes them from then on.
///
/// # Errors
/// When the database does not answer, or a release is missing.
pub async fn lineage(db: &Db, deployment: &Deployment) -> Result<Lineage, StoreError> {
    let release = db
        .release(deployment.release)
        .await?
        .ok_or_else(|| StoreError::NotFound {
            what: format!("release {}", deployment.release),
        })?;
    lineage_of(db, deployment, release).await
}

pub(crate) async fn lineage_of(db: &Db, deployment: &Deployment, release: Release) -> Result<Lineage, StoreError> {
    let previous = previous(db, deployment).await?;
    let previous_release = match &previous {
        Some(previous) if previous.release == release.id => Some(release.clone()),
        Some(previous) => db.release(previous.release).await?,
        None => None,
    };
    let mut between = match &previous_release {
        Some(base) if base.reported_at < release.reported_at => between(db, base, &release).await?,
        _ => Vec::new(),
    };
    let too_long = between.len() > LOOK_BACK;
    between.truncate(LOOK_BACK);
    let back_to_older = previous_release
        .as_ref()
        .is_some_and(|base| base.id == release.id || base.reported_at > release.reported_at);
    let commits = if back_to_older {
        Vec::new()
    } else {
        join(&release, &between, previous_release.as_ref())
    };
    let mut involved = Involved::of(&release, deployment.requested_by.human().cloned());
    for older in &between {
        let people = Involved::of(older, None);
        involved.authors.extend(people.authors);
        involved.authors.extend(people.pusher);
    }
    Ok(Lineage {
        release,
        previous,
        previous_release,
        between,
        too_long,
        commits,
        involved,
    })
}

/// What succeeded in the same place before it: for one that has not ended, what runs there now.
async fn previous(db: &Db, deployment: &Deployment) -> Result<Option<Deployment>, StoreError> {
    if deployment.state.name().is_terminal() {
        db.succeeded_before(&deployment.service, &deployment.environment, deployment.id)
            .await
    } else {
        db.latest_succeeded(&deployment.service, &deployment.environment).await
    }
}

/// Releases of the service reported after `base` and before `release`; newest first, and one more than are looked at.
async fn between(db: &Db, base: &Release, release: &Release) -> Result<Vec<Release>, StoreError> {
    let older = db
        .releases_of(&release.service, Some((release.reported_at, release.id)), LOOK_BACK + 1)
        .await?;
    Ok(older
        .into_iter()
        .take_while(|older| older.id != base.id && older.reported_at >= base.reported_at)
        .collect())
}

/// Commits of the release and of those in between, each once, newest first.
fn join(release: &Release, between: &[Release], base: Option<&Release>) -> Vec<Commit> {
    let mut seen: Vec<&CommitSha> = base
        .map(|base| {
            std::iter::once(&base.commit)
                .chain(base.commits.iter().map(|commit| &commit.sha))
                .collect()
        })
        .unwrap_or_default();
    let mut commits = Vec::new();
    for commit in release
        .commits
        .iter()
        .chain(between.iter().flat_map(|older| &older.commits))
    {
        if !seen.contains(&&commit.sha) {
            seen.push(&commit.sha);
            commits.push(commit.clone());
        }
    }
    commits.sort_by_key(|commit| std::cmp::Reverse(commit.at.unwrap_or(Timestamp::from_millis(i64::MAX))));
    commits
}

impl Lineage {
    /// Why it cannot be told who wrote what it brings; `None` when it can.
    pub fn unknown(&self) -> Option<String> {
        self.too_long.then(|| {
            format!(
                "it brings more than {LOOK_BACK} releases at once, too many to tell who wrote them: deploy one in between first"
            )
        })
    }
}

/// Adds to a release what was learned of it later. True when there was anything new.
pub fn enrich(release: &mut Release, commits: &[Commit]) -> bool {
    let mut grown = false;
    for commit in commits {
        match release.commits.iter_mut().find(|known| known.sha == commit.sha) {
            None => {
                release.commits.push(commit.clone());
                grown = true;
            }
            // An author that GitHub has no account for may be known by another road.
            Some(known) if known.author.id == 0 && commit.author.id != 0 => {
                known.author = commit.author.clone();
                grown = true;
            }
            Some(_) => {}
        }
    }
    if grown {
        release
            .commits
            .sort_by_key(|commit| std::cmp::Reverse(commit.at.unwrap_or(Timestamp::from_millis(i64::MAX))));
    }
    grown
}
