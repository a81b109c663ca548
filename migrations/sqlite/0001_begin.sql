-- Times are milliseconds since 1970 UTC, ids are UUIDv7 text, booleans are 0 and 1, JSON is text.
-- The same tables as postgres/0001_begin.sql; only types and triggers differ.

CREATE TABLE releases (
  id          TEXT PRIMARY KEY NOT NULL,
  service     TEXT NOT NULL,
  repository  TEXT NOT NULL,
  commit_sha  TEXT NOT NULL,
  digest      TEXT NOT NULL,
  reported_at BIGINT NOT NULL,
  body        TEXT NOT NULL,
  UNIQUE (service, commit_sha, digest)
);
CREATE INDEX releases_by_service ON releases (service, reported_at, id);
CREATE INDEX releases_by_commit ON releases (repository, commit_sha);

CREATE TABLE gates (
  release_id  TEXT NOT NULL REFERENCES releases (id),
  gate        TEXT NOT NULL,
  verdict     TEXT NOT NULL,
  detail      TEXT,
  url         TEXT,
  reported_at BIGINT NOT NULL,
  PRIMARY KEY (release_id, gate)
);

CREATE TABLE deployments (
  id           TEXT PRIMARY KEY NOT NULL,
  version      BIGINT NOT NULL,
  service      TEXT NOT NULL,
  environment  TEXT NOT NULL,
  release_id   TEXT NOT NULL REFERENCES releases (id),
  digest       TEXT NOT NULL,
  commit_sha   TEXT NOT NULL,
  state        TEXT NOT NULL,
  is_rollback  BIGINT NOT NULL,
  in_flight    BIGINT NOT NULL,
  terminal     BIGINT NOT NULL,
  requested_at BIGINT NOT NULL,
  queued_at    BIGINT,
  finished_at  BIGINT,
  updated_at   BIGINT NOT NULL,
  search       TEXT NOT NULL,
  body         TEXT NOT NULL
);
-- One in flight per service and environment, rollbacks included.
CREATE UNIQUE INDEX deployments_lane ON deployments (service, environment) WHERE in_flight = 1;
CREATE INDEX deployments_open ON deployments (service, environment, requested_at, id) WHERE terminal = 0;
CREATE INDEX deployments_succeeded ON deployments (service, environment, finished_at, id) WHERE state = 'succeeded';
CREATE INDEX deployments_digest ON deployments (service, environment, digest) WHERE state = 'succeeded';
CREATE INDEX deployments_of_release ON deployments (release_id, requested_at, id);
CREATE INDEX deployments_updated ON deployments (updated_at, id);
-- The history, newest first, for each filter that narrows it.
CREATE INDEX history_all ON deployments (requested_at, id);
CREATE INDEX history_service ON deployments (service, requested_at, id);
CREATE INDEX history_environment ON deployments (environment, requested_at, id);
CREATE INDEX history_state ON deployments (state, requested_at, id);
CREATE INDEX history_lane ON deployments (service, environment, requested_at, id);
CREATE INDEX history_service_state ON deployments (service, state, requested_at, id);
CREATE INDEX history_environment_state ON deployments (environment, state, requested_at, id);
CREATE INDEX history_lane_state ON deployments (service, environment, state, requested_at, id);

-- Who requested, approved or rejected, by login in lower case.
CREATE TABLE deployment_people (
  login         TEXT NOT NULL,
  requested_at  BIGINT NOT NULL,
  deployment_id TEXT NOT NULL REFERENCES deployments (id),
  PRIMARY KEY (login, requested_at, deployment_id)
) WITHOUT ROWID;

-- What runs in each lane, and how its last other deployment ended.
CREATE TABLE lanes (
  service      TEXT NOT NULL,
  environment  TEXT NOT NULL,
  succeeded    TEXT REFERENCES deployments (id),
  succeeded_at BIGINT,
  ended        TEXT REFERENCES deployments (id),
  ended_at     BIGINT,
  PRIMARY KEY (service, environment)
);

-- One row for each deployment that is not at rest: when to look at it, and who holds it until when.
CREATE TABLE work (
  deployment_id TEXT PRIMARY KEY NOT NULL REFERENCES deployments (id),
  next_at       BIGINT NOT NULL,
  wakes         BIGINT NOT NULL DEFAULT 0,
  owner         TEXT,
  epoch         BIGINT NOT NULL DEFAULT 0,
  lease_until   BIGINT
);
CREATE INDEX work_due ON work (next_at);

-- The audit log. `event` holds the exact bytes that the log stands for; the other columns are for finding them.
CREATE TABLE audit_head (
  id  INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  seq BIGINT NOT NULL,
  at  BIGINT NOT NULL
);
INSERT INTO audit_head (id, seq, at) VALUES (1, 0, 0);

CREATE TABLE audit (
  seq           INTEGER PRIMARY KEY NOT NULL,
  at            BIGINT NOT NULL,
  kind          TEXT NOT NULL,
  area          TEXT NOT NULL,
  service       TEXT,
  environment   TEXT,
  deployment_id TEXT,
  person        TEXT,
  event         BLOB NOT NULL
);
CREATE INDEX audit_at ON audit (at, seq);
CREATE INDEX audit_kind ON audit (kind, seq);
CREATE INDEX audit_area ON audit (area, seq);
CREATE INDEX audit_service ON audit (service, seq);
CREATE INDEX audit_environment ON audit (environment, seq);
CREATE INDEX audit_lane ON audit (service, environment, seq);
CREATE INDEX audit_deployment ON audit (deployment_id, seq);
CREATE INDEX audit_person ON audit (person, seq);

-- What people typed, apart from the events, which hold its salted hash only.
CREATE TABLE audit_texts (
  seq  INTEGER PRIMARY KEY NOT NULL REFERENCES audit (seq),
  salt BLOB NOT NULL,
  text TEXT NOT NULL
);

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_texts_no_update BEFORE UPDATE ON audit_texts
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_texts_no_delete BEFORE DELETE ON audit_texts
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE deletes without firing the triggers above.
CREATE TRIGGER audit_only_next BEFORE INSERT ON audit
WHEN NEW.seq <= (SELECT coalesce(max(seq), 0) FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_texts_only_new BEFORE INSERT ON audit_texts
WHEN EXISTS (SELECT 1 FROM audit_texts WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_head_only_forward BEFORE UPDATE ON audit_head
WHEN NEW.seq < OLD.seq OR NEW.at < OLD.at
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE people (
  id               INTEGER PRIMARY KEY NOT NULL,
  login            TEXT NOT NULL,
  name             TEXT,
  token            BLOB,
  teams            TEXT NOT NULL,
  teams_checked_at BIGINT NOT NULL
);

CREATE TABLE sessions (
  key_hash   TEXT PRIMARY KEY NOT NULL,
  person     BIGINT NOT NULL REFERENCES people (id),
  created_at BIGINT NOT NULL,
  seen_at    BIGINT NOT NULL,
  data       TEXT NOT NULL
);
CREATE INDEX sessions_of_person ON sessions (person);
CREATE INDEX sessions_seen ON sessions (seen_at);
CREATE INDEX sessions_created ON sessions (created_at);

CREATE TABLE oauth_states (
  state_hash   TEXT PRIMARY KEY NOT NULL,
  browser_hash TEXT NOT NULL,
  verifier     BLOB NOT NULL,
  return_to    TEXT NOT NULL,
  expires_at   BIGINT NOT NULL
);
CREATE INDEX oauth_states_expired ON oauth_states (expires_at);

-- Tokens of Actions that were used, by issuer's id.
CREATE TABLE used_tokens (
  jti        TEXT PRIMARY KEY NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX used_tokens_expired ON used_tokens (expires_at);

CREATE TABLE webhook_deliveries (
  delivery_id TEXT PRIMARY KEY NOT NULL,
  body_hash   TEXT NOT NULL UNIQUE,
  received_at BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_received ON webhook_deliveries (received_at);

CREATE TABLE idempotency (
  scope        TEXT NOT NULL,
  key          TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  status       BIGINT,
  body         TEXT,
  begun_at     BIGINT NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_begun ON idempotency (begun_at);

CREATE TABLE configurations (
  hash      TEXT PRIMARY KEY NOT NULL,
  text      TEXT NOT NULL,
  loaded_at BIGINT NOT NULL
);
