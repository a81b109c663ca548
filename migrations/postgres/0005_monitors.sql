-- Monitors: a suite that runs on a schedule against a service in an environment. One replica at a time: a lease on the
-- database's time, with an epoch that grows with every claim.
CREATE TABLE monitors (
  service     TEXT COLLATE "C" NOT NULL,
  environment TEXT COLLATE "C" NOT NULL,
  next_at     BIGINT NOT NULL,
  owner       TEXT,
  epoch       BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT,
  health      TEXT,
  since       BIGINT,
  PRIMARY KEY (service, environment)
);
CREATE INDEX monitors_due ON monitors (next_at);

-- What its runs found; thinned with age.
CREATE TABLE monitor_runs (
  service     TEXT COLLATE "C" NOT NULL,
  environment TEXT COLLATE "C" NOT NULL,
  began_at    BIGINT NOT NULL,
  passed      BIGINT NOT NULL,
  -- A change from passing to failing or back is kept as long as anything is.
  turned      BIGINT NOT NULL,
  body        TEXT NOT NULL,
  PRIMARY KEY (service, environment, began_at)
);
CREATE INDEX monitor_runs_began ON monitor_runs (began_at);
