-- What people are told. A notice is written in the transaction of what it is about, and stays unrouted until the worker
-- has made a delivery of it for each channel that is to hear of it.
CREATE TABLE outbox (
  id            TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  deployment_id TEXT COLLATE "C" NOT NULL REFERENCES deployments (id),
  at            BIGINT NOT NULL,
  routed_at     BIGINT,
  body          TEXT NOT NULL
);
CREATE INDEX outbox_unrouted ON outbox (at, id) WHERE routed_at IS NULL;

-- One notice to one channel. `sequence` is the notice's place among those of its deployment: a channel hears of a
-- deployment in order. `state`: waiting, told or given_up; `why` is the last failure, or where it was told.
CREATE TABLE outbox_deliveries (
  notice_id     TEXT COLLATE "C" NOT NULL REFERENCES outbox (id),
  channel       TEXT COLLATE "C" NOT NULL,
  deployment_id TEXT COLLATE "C" NOT NULL,
  sequence      BIGINT NOT NULL,
  state         TEXT COLLATE "C" NOT NULL DEFAULT 'waiting',
  attempts      BIGINT NOT NULL DEFAULT 0,
  next_at       BIGINT NOT NULL,
  owner         TEXT COLLATE "C",
  lease_until   BIGINT,
  ended_at      BIGINT,
  why           TEXT,
  link          TEXT,
  PRIMARY KEY (notice_id, channel)
);
CREATE INDEX outbox_due ON outbox_deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX outbox_of_deployment ON outbox_deliveries (deployment_id, channel, sequence);
