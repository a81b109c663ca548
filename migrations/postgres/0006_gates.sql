-- The migration that a release carries, where it declares one.
ALTER TABLE releases ADD COLUMN migration_id TEXT COLLATE "C";
ALTER TABLE releases ADD COLUMN migration_phase TEXT COLLATE "C";
CREATE INDEX releases_migration ON releases (service, id) WHERE migration_id IS NOT NULL;

-- How long a gate took, where CI said so.
ALTER TABLE gates ADD COLUMN seconds BIGINT;

-- The register of break-glass. What became of it stands in its deployment.
CREATE TABLE break_glass (
  id            TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  deployment_id TEXT COLLATE "C" NOT NULL REFERENCES deployments (id),
  opened_at     BIGINT NOT NULL,
  reviewed_at   BIGINT,
  body          TEXT NOT NULL
);
CREATE INDEX break_glass_opened ON break_glass (opened_at, id);
CREATE INDEX break_glass_unreviewed ON break_glass (opened_at) WHERE reviewed_at IS NULL;
