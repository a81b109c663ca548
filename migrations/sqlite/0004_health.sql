-- Health definitions by their version, the SHA-256 over them: what judged stays readable. Never changed, never removed.
CREATE TABLE health_definitions (
  version TEXT NOT NULL PRIMARY KEY,
  name    TEXT NOT NULL,
  kept_at BIGINT NOT NULL,
  body    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX health_definitions_name ON health_definitions (name, kept_at);

-- What was measured, by scope: a deployment's id, or SERVICE/ENVIRONMENT for the time between deployments.
CREATE TABLE health_recordings (
  scope             TEXT NOT NULL PRIMARY KEY,
  deployment        TEXT,
  service           TEXT NOT NULL,
  environment       TEXT NOT NULL,
  began_at          BIGINT NOT NULL,
  last_at           BIGINT NOT NULL,
  -- Held, rolled back or marked by people: kept whole for good.
  spared            BIGINT NOT NULL,
  -- Evaluations, and points, before this were thinned.
  evaluations_until BIGINT NOT NULL,
  points_until      BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX health_recordings_all ON health_recordings (began_at, deployment) WHERE deployment IS NOT NULL;
CREATE INDEX health_recordings_lane ON health_recordings (service, environment, began_at, deployment)
  WHERE deployment IS NOT NULL;
CREATE INDEX health_recordings_last ON health_recordings (last_at) WHERE deployment IS NOT NULL AND spared = 0;

CREATE TABLE health_evaluations (
  scope   TEXT NOT NULL,
  at      BIGINT NOT NULL,
  version TEXT NOT NULL,
  outcome TEXT NOT NULL,
  -- The outcome differs from the one before.
  turned  BIGINT NOT NULL,
  body    TEXT NOT NULL,
  PRIMARY KEY (scope, at)
) WITHOUT ROWID;

-- A series is known by whose it is and by its query, placeholders unfilled; the key is a hash over both.
CREATE TABLE health_series (
  scope  TEXT NOT NULL,
  series TEXT NOT NULL,
  which  TEXT NOT NULL,
  query  TEXT NOT NULL,
  PRIMARY KEY (scope, series)
) WITHOUT ROWID;
CREATE TABLE health_points (
  scope  TEXT NOT NULL,
  series TEXT NOT NULL,
  at     BIGINT NOT NULL,
  value  REAL NOT NULL,
  PRIMARY KEY (scope, series, at)
) WITHOUT ROWID;

-- What people said of a deployment afterwards. The audit log has what they said before.
CREATE TABLE health_marks (
  deployment TEXT NOT NULL PRIMARY KEY,
  mark       TEXT NOT NULL,
  body       TEXT NOT NULL
) WITHOUT ROWID;

-- Health between deployments: a service in an environment that is judged on a schedule, by one replica at a time.
CREATE TABLE health_watches (
  service     TEXT NOT NULL,
  environment TEXT NOT NULL,
  next_at     BIGINT NOT NULL,
  owner       TEXT,
  epoch       BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT,
  health      TEXT,
  since       BIGINT,
  breached_at BIGINT,
  PRIMARY KEY (service, environment)
) WITHOUT ROWID;
CREATE INDEX health_watches_due ON health_watches (next_at);
