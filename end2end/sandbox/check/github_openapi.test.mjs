import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Checker } from "./github_openapi.mjs";

const script = fileURLToPath(new URL("github_openapi.mjs", import.meta.url));

const membership = () => ({
  protocol: "github",
  method: "GET",
  path: "/api/v3/orgs/acme/teams/platform/memberships/ada-acme",
  query: "",
  headers: { "user-agent": "test" },
  request_body: null,
  status: 200,
  response_body: {
    url: "https://github.test/api/v3/organizations/1/team/2/memberships/ada-acme",
    role: "member",
    state: "active",
  },
});

const account = () => ({
  login: "ada-acme",
  id: 1,
  node_id: "MDQ6VXNlcjE=",
  avatar_url: "https://github.test/avatars/u/1",
  gravatar_id: "",
  url: "https://github.test/api/v3/users/ada-acme",
  html_url: "https://github.test/ada-acme",
  followers_url: "https://github.test/api/v3/users/ada-acme/followers",
  following_url: "https://github.test/api/v3/users/ada-acme/following{/other_user}",
  gists_url: "https://github.test/api/v3/users/ada-acme/gists{/gist_id}",
  starred_url: "https://github.test/api/v3/users/ada-acme/starred{/owner}{/repo}",
  subscriptions_url: "https://github.test/api/v3/users/ada-acme/subscriptions",
  organizations_url: "https://github.test/api/v3/users/ada-acme/orgs",
  repos_url: "https://github.test/api/v3/users/ada-acme/repos",
  events_url: "https://github.test/api/v3/users/ada-acme/events{/privacy}",
  received_events_url: "https://github.test/api/v3/users/ada-acme/received_events",
  type: "User",
  site_admin: false,
});

const members = () => ({
  ...membership(),
  path: "/api/v3/orgs/acme/teams/platform/members",
  query: "per_page=100&page=1&role=member",
  response_body: [account()],
});

const revocation = () => ({
  ...membership(),
  method: "DELETE",
  path: "/api/v3/applications/portal/token",
  request_body: { access_token: "gho_x" },
  status: 204,
  response_body: null,
});

const ping = () => ({
  protocol: "github",
  webhook: "ping",
  request_body: { zen: "Keep it logically awesome.", hook_id: 1, sender: account() },
});

describe("a recorded call", () => {
  let checker;
  before(() => {
    checker = new Checker();
  });

  for (const [what, call] of [
    ["a membership", membership()],
    ["a list of members", members()],
    ["a revocation", revocation()],
    ["a webhook", ping()],
    [
      "a refusal",
      {
        ...membership(),
        status: 401,
        response_body: { message: "Bad credentials", documentation_url: "https://x.test", status: "401" },
      },
    ],
  ]) {
    test(`that is as documented is right: ${what}`, () => {
      assert.deepEqual(checker.check(call), []);
    });
  }

  const spoil = (make, change) => {
    const call = make();
    change(call);
    return call;
  };
  for (const [what, call, expected] of [
    [
      "an operation GitHub does not have",
      spoil(membership, (c) => (c.path = "/api/v3/orgs/acme/squads")),
      /unknown operation GET \/orgs\/acme\/squads/,
    ],
    [
      "a method the operation does not have",
      spoil(members, (c) => (c.method = "PUT")),
      /unknown operation PUT/,
    ],
    [
      "a query parameter it does not know",
      spoil(members, (c) => (c.query = "limit=5")),
      /unknown query parameter limit/,
    ],
    [
      "a query parameter of the wrong type",
      spoil(members, (c) => (c.query = "per_page=many")),
      /query per_page.*must be integer/,
    ],
    [
      "a query parameter outside its enumeration",
      spoil(members, (c) => (c.query = "role=owner")),
      /query role.*allowed values/,
    ],
    [
      "a path parameter of the wrong type",
      spoil(membership, (c) => (c.path = "/api/v3/repos/acme/rag/actions/runs/last")),
      /path run_id.*must be integer/,
    ],
    [
      "no User-Agent",
      spoil(membership, (c) => (c.headers = {})),
      /User-Agent is missing/,
    ],
    [
      "a body where none is taken",
      spoil(membership, (c) => (c.request_body = { a: 1 })),
      /takes none/,
    ],
    [
      "no body where one is needed",
      spoil(revocation, (c) => (c.request_body = null)),
      /has no body/,
    ],
    [
      "a body that lacks a member",
      spoil(revocation, (c) => (c.request_body = {})),
      /request must have required property 'access_token'/,
    ],
    [
      "a body with a member too many",
      spoil(revocation, (c) => (c.request_body.hint = "x")),
      /request must NOT have additional properties: "hint"/,
    ],
    [
      "a status that is not documented",
      spoil(membership, (c) => (c.status = 418)),
      /status 418 is not documented/,
    ],
    [
      "an answer that lacks a member",
      spoil(membership, (c) => delete c.response_body.state),
      /response 200 must have required property 'state'/,
    ],
    [
      "an answer with a member too many",
      spoil(membership, (c) => (c.response_body.since = "today")),
      /must NOT have additional properties: "since"/,
    ],
    [
      "an answer of the wrong type",
      spoil(members, (c) => (c.response_body[0].id = "1")),
      /response 200\/0\/id must be integer/,
    ],
    [
      "an answer outside its enumeration",
      spoil(membership, (c) => (c.response_body.state = "invited")),
      /\/state must be equal to one of the allowed values/,
    ],
    [
      "an answer with null where none is allowed",
      spoil(members, (c) => (c.response_body[0].login = null)),
      /\/0\/login must be string/,
    ],
    [
      "an answer with an address that is none",
      spoil(members, (c) => (c.response_body[0].url = "users/ada")),
      /\/0\/url must match format "uri"/,
    ],
    [
      "an unknown member deep in a list",
      spoil(members, (c) => (c.response_body[0].rank = 3)),
      /\/0 must NOT have additional properties: "rank"/,
    ],
    [
      "a webhook GitHub does not have",
      spoil(ping, (c) => (c.webhook = "pong")),
      /unknown webhook pong/,
    ],
    [
      "a webhook's action GitHub does not have",
      { protocol: "github", webhook: "workflow_run", request_body: { action: "paused" } },
      /unknown webhook workflow-run-paused/,
    ],
    [
      "a webhook's payload of the wrong type",
      spoil(ping, (c) => (c.request_body.hook_id = "one")),
      /payload\/hook_id must be integer/,
    ],
    [
      "a webhook's payload with a member too many",
      spoil(ping, (c) => (c.request_body.sender.rank = 1)),
      /payload\/sender must NOT have additional properties: "rank"/,
    ],
    [
      "a body with an answer that has none",
      spoil(revocation, (c) => (c.response_body = { ok: true })),
      /response 204 has a body/,
    ],
  ]) {
    test(`is wrong with ${what}`, () => {
      const found = checker.check(call);
      assert.match(found.join("\n"), expected);
    });
  }
});

describe("the command", () => {
  let folder;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "github-openapi-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const run = (...calls) => {
    const file = join(folder, "record.jsonl");
    writeFileSync(file, calls.map((call) => `${JSON.stringify(call)}\n`).join(""));
    return spawnSync(process.execPath, [script, file], { encoding: "utf8" });
  };

  test("passes a right record and skips other protocols", () => {
    const { status, stdout } = run(membership(), { protocol: "aws", operation: "ListClusters" });
    assert.equal(status, 0);
    assert.match(stdout, /1 GitHub calls, 0 faults/);
  });

  test("fails a record with a fault and says where", () => {
    const wrong = { ...membership(), status: 418 };
    const { status, stderr } = run(membership(), wrong);
    assert.equal(status, 1);
    assert.match(stderr, /418 is not documented/);
  });

  test("fails a record without GitHub calls", () => {
    assert.equal(run({ protocol: "aws" }).status, 1);
  });
});
