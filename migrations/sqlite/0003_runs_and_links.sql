-- Workflow runs by their id: a release that CI reports later joins what GitHub said of its run from here.
CREATE TABLE runs (
  repository  TEXT NOT NULL,
  run_id      BIGINT NOT NULL,
  head        TEXT NOT NULL,
  url         TEXT,
  actor       TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (repository, run_id)
) WITHOUT ROWID;
CREATE INDEX runs_received ON runs (received_at);
CREATE INDEX pushes_received ON pushes (received_at);

-- What was done under an idempotency key, from the transaction that did it until the answer is kept.
ALTER TABLE idempotency ADD COLUMN result TEXT;

-- The deployment that a deployment goes back from, and the one that replaced it.
ALTER TABLE deployments ADD COLUMN rollback_of TEXT;
ALTER TABLE deployments ADD COLUMN superseded_by TEXT;
UPDATE deployments SET rollback_of = json_extract(body, '$.kind.of') WHERE is_rollback = 1;
UPDATE deployments SET superseded_by = json_extract(body, '$.state.by') WHERE state = 'superseded';
CREATE INDEX deployments_rollback_of ON deployments (rollback_of) WHERE rollback_of IS NOT NULL;
CREATE INDEX deployments_superseded_by ON deployments (superseded_by) WHERE superseded_by IS NOT NULL;

-- The log takes the next number and no other: none again, none left out.
DROP TRIGGER audit_only_next;
CREATE TRIGGER audit_only_next BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only and has no gaps'); END;
