-- Times are milliseconds since 1970 UTC, ids are UUIDv7 text, booleans are 0 and 1, JSON is text.
-- The same tables as sqlite/0001_begin.sql; only types and triggers differ. Text compares by bytes, as SQLite does.

CREATE TABLE releases (
  id          TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  service     TEXT COLLATE "C" NOT NULL,
  repository  TEXT COLLATE "C" NOT NULL,
  commit_sha  TEXT COLLATE "C" NOT NULL,
  digest      TEXT COLLATE "C" NOT NULL,
  reported_at BIGINT NOT NULL,
  body        TEXT NOT NULL,
  UNIQUE (service, commit_sha, digest)
);
CREATE INDEX releases_by_service ON releases (service, reported_at, id);
CREATE INDEX releases_by_commit ON releases (repository, commit_sha);

CREATE TABLE gates (
  release_id  TEXT COLLATE "C" NOT NULL REFERENCES releases (id),
  gate        TEXT COLLATE "C" NOT NULL,
  verdict     TEXT COLLATE "C" NOT NULL,
  detail      TEXT,
  url         TEXT,
  reported_at BIGINT NOT NULL,
  PRIMARY KEY (release_id, gate)
);

CREATE TABLE deployments (
  id           TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  version      BIGINT NOT NULL,
  service      TEXT COLLATE "C" NOT NULL,
  environment  TEXT COLLATE "C" NOT NULL,
  release_id   TEXT COLLATE "C" NOT NULL REFERENCES releases (id),
  digest       TEXT COLLATE "C" NOT NULL,
  commit_sha   TEXT COLLATE "C" NOT NULL,
  state        TEXT COLLATE "C" NOT NULL,
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
  login         TEXT COLLATE "C" NOT NULL,
  requested_at  BIGINT NOT NULL,
  deployment_id TEXT COLLATE "C" NOT NULL REFERENCES deployments (id),
  PRIMARY KEY (login, requested_at, deployment_id)
);

-- What runs in each lane, and how its last other deployment ended.
CREATE TABLE lanes (
  service      TEXT COLLATE "C" NOT NULL,
  environment  TEXT COLLATE "C" NOT NULL,
  succeeded    TEXT COLLATE "C" REFERENCES deployments (id),
  succeeded_at BIGINT,
  ended        TEXT COLLATE "C" REFERENCES deployments (id),
  ended_at     BIGINT,
  PRIMARY KEY (service, environment)
);

-- One row for each deployment that is not at rest: when to look at it, and who holds it until when.
CREATE TABLE work (
  deployment_id TEXT COLLATE "C" PRIMARY KEY NOT NULL REFERENCES deployments (id),
  next_at       BIGINT NOT NULL,
  wakes         BIGINT NOT NULL DEFAULT 0,
  owner         TEXT COLLATE "C",
  epoch         BIGINT NOT NULL DEFAULT 0,
  lease_until   BIGINT
);
CREATE INDEX work_due ON work (next_at);

-- The audit log. `event` holds the exact bytes that the log stands for; the other columns are for finding them.
CREATE TABLE audit_head (
  id  BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
  seq BIGINT NOT NULL,
  at  BIGINT NOT NULL
);
INSERT INTO audit_head (id, seq, at) VALUES (1, 0, 0);

CREATE TABLE audit (
  seq           BIGINT PRIMARY KEY NOT NULL,
  at            BIGINT NOT NULL,
  kind          TEXT COLLATE "C" NOT NULL,
  area          TEXT COLLATE "C" NOT NULL,
  service       TEXT COLLATE "C",
  environment   TEXT COLLATE "C",
  deployment_id TEXT COLLATE "C",
  person        TEXT COLLATE "C",
  event         BYTEA NOT NULL
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
  seq  BIGINT PRIMARY KEY NOT NULL REFERENCES audit (seq),
  salt BYTEA NOT NULL,
  text TEXT NOT NULL
);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_texts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_texts
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON audit_head
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_head_only_forward BEFORE UPDATE ON audit_head
  FOR EACH ROW WHEN (NEW.seq < OLD.seq OR NEW.at < OLD.at) EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE people (
  id               BIGINT PRIMARY KEY NOT NULL,
  login            TEXT COLLATE "C" NOT NULL,
  name             TEXT,
  token            BYTEA,
  teams            TEXT NOT NULL,
  teams_checked_at BIGINT NOT NULL
);

CREATE TABLE sessions (
  key_hash   TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  person     BIGINT NOT NULL REFERENCES people (id),
  created_at BIGINT NOT NULL,
  seen_at    BIGINT NOT NULL,
  data       TEXT NOT NULL
);
CREATE INDEX sessions_of_person ON sessions (person);
CREATE INDEX sessions_seen ON sessions (seen_at);
CREATE INDEX sessions_created ON sessions (created_at);

CREATE TABLE oauth_states (
  state_hash   TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  browser_hash TEXT COLLATE "C" NOT NULL,
  verifier     BYTEA NOT NULL,
  return_to    TEXT NOT NULL,
  expires_at   BIGINT NOT NULL
);
CREATE INDEX oauth_states_expired ON oauth_states (expires_at);

-- Tokens of Actions that were used, by issuer's id.
CREATE TABLE used_tokens (
  jti        TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX used_tokens_expired ON used_tokens (expires_at);

CREATE TABLE webhook_deliveries (
  delivery_id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  body_hash   TEXT COLLATE "C" NOT NULL UNIQUE,
  received_at BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_received ON webhook_deliveries (received_at);

CREATE TABLE idempotency (
  scope        TEXT COLLATE "C" NOT NULL,
  key          TEXT COLLATE "C" NOT NULL,
  request_hash TEXT COLLATE "C" NOT NULL,
  status       BIGINT,
  body         TEXT,
  begun_at     BIGINT NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_begun ON idempotency (begun_at);

CREATE TABLE configurations (
  hash      TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  text      TEXT NOT NULL,
  loaded_at BIGINT NOT NULL
);
