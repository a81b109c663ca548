-- Pushes by their head: a release that CI reports later joins its commits and its pusher from here.
CREATE TABLE pushes (
  repository  TEXT NOT NULL,
  head        TEXT NOT NULL,
  pusher      TEXT NOT NULL,
  commits     TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (repository, head)
);
