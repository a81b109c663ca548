-- Services at ECS that are only watched: whose turn it is to read one. One replica at a time: a lease on the database's
-- time, with an epoch that grows with every claim.
CREATE TABLE rolling_services (
  service     TEXT NOT NULL,
  cluster     TEXT NOT NULL,
  ecs_service TEXT NOT NULL,
  next_at     BIGINT NOT NULL,
  owner       TEXT,
  epoch       BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT,
  read_at     BIGINT,
  trouble     TEXT,
  PRIMARY KEY (service, cluster, ecs_service)
);
CREATE INDEX rolling_services_due ON rolling_services (next_at);

-- Their deployments, as ECS described them last.
CREATE TABLE rolling_deployments (
  service     TEXT NOT NULL,
  cluster     TEXT NOT NULL,
  ecs_service TEXT NOT NULL,
  arn         TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  body        TEXT NOT NULL,
  PRIMARY KEY (service, cluster, ecs_service, arn)
);
CREATE INDEX rolling_deployments_created ON rolling_deployments (service, created_at);
