// A stage: one sandbox and one server on SQLite, on free ports of loopback, with what tests do to them from outside.

import type { Cookie } from "@playwright/test";
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type Server, createServer as createSite } from "node:http";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(homedir(), ".cache/tidegate/target");
const PATIENCE_MS = 30_000;

/** The origins that infra/demo/tidegate.toml is written for. */
const DEMO = { portal: "127.0.0.1:8080", github: "127.0.0.1:8081", messages: "127.0.0.1:8084" };
const RELEASE_WORKFLOW = ".github/workflows/release.yml";
const REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
/** What CI has passed before staging. */
const GATES = ["lint", "unit-tests", "integration-tests", "build", "vulnerability-scan"];
const WEBHOOK_SECRET = "sandbox-webhook-secret";

export interface Options {
  /** Virtual seconds per real second at the cloud. */
  speed: number;
  /** orchestrator in production has to pass a smoke suite, which asks {@link Stage.site}. */
  verified?: boolean;
}

export interface Answer<T = any> {
  status: number;
  headers: Headers;
  body: T;
}

/** What a job's token speaks for; `repository` is `owner/name`. See the sandbox's seeds/README.md. */
export interface Job {
  repository: string;
  sha?: string;
  ref?: string;
  actor?: string;
  run_id?: number;
  [more: string]: unknown;
}

export interface Change {
  author: string;
  title: string;
  gates: string[];
}

export interface Release {
  id: string;
  service: string;
  commit: string;
  digest: string;
  tag: string;
  /** What its workflow run calls the portal with, for 15 minutes. */
  token: string;
}

export class Stage {
  /** Cookies of the people who have signed in, by login. */
  readonly sessions = new Map<string, Cookie[]>();

  private server: ChildProcess | undefined;
  /** From the start of the process to the first 200 of /readyz. */
  readyAfterMs = NaN;

  private constructor(
    private readonly processes: ChildProcess[],
    readonly dir: string,
    /** Where people go. */
    readonly url: string,
    readonly githubUrl: string,
    readonly awsUrl: string,
    readonly controlUrl: string,
    /** What a suite asks, where the stage has one. */
    readonly site: Site | undefined,
  ) {}

  static async open({ speed, verified }: Options): Promise<Stage> {
    const dir = await mkdtemp(join(tmpdir(), "tidegate-stage-"));
    const processes: ChildProcess[] = [];
    const site = verified ? await Site.open() : undefined;
    try {
      const sandbox = run("sandbox", dir, processes, [
        "--data",
        join(ROOT, "end2end/sandbox/seeds/acme.json"),
        "--speed",
        String(speed),
        // What is recorded is held against the published models afterwards (scripts/test.sh).
        ...(process.env.SANDBOX_RECORD ? ["--record", process.env.SANDBOX_RECORD] : []),
      ]);
      const urls = await announced(sandbox, ["aws", "github", "control", "messages"]);
      const portal = `127.0.0.1:${await freePort()}`;

      const written = await readFile(join(ROOT, "infra/demo/tidegate.toml"), "utf8");
      const config = join(dir, "tidegate.toml");
      await writeFile(
        config,
        (site ? site.verifies(written) : written)
          .replaceAll(DEMO.portal, portal)
          .replaceAll(DEMO.github, new URL(urls.github!).host)
          .replaceAll(DEMO.messages, new URL(urls.messages!).host),
      );
      const stage = new Stage(processes, dir, `http://${portal}`, urls.github!, urls.aws!, urls.control!, site);
      await stage.startServer();
      return stage;
    } catch (error) {
      site?.close();
      await end(processes, dir);
      throw error;
    }
  }

  close = () => {
    this.site?.close();
    return end(this.processes, this.dir);
  };

  /** Starts the server on the stage's database; also again, after it was stopped. */
  async startServer(): Promise<void> {
    const began = Date.now();
    this.server = run("tidegate", this.dir, this.processes, ["serve", "--config", join(this.dir, "tidegate.toml")], {
      AWS_ENDPOINT_URL: this.awsUrl,
      TIDEGATE_DATABASE_URL: `sqlite://${this.dir}/tidegate.db`,
      TIDEGATE_SECRET_KEY: "5a".repeat(32),
      TIDEGATE_GITHUB_CLIENT_SECRET: "sandbox-client-secret-not-for-production",
      TIDEGATE_GITHUB_WEBHOOK_SECRET: WEBHOOK_SECRET,
      TIDEGATE_GITHUB_TOKEN: "ghp_sandbox_service",
      TIDEGATE_SLACK_TOKEN: "xoxb-sandbox-token",
      TIDEGATE_PAGERDUTY_KEY: "5a4d3b0c5a4d3b0c5a4d3b0c5a4d3b0c",
      TIDEGATE_SITE: join(TARGET, "site"),
    });
    await answering(this.server, `${this.url}/readyz`, join(this.dir, "tidegate.log"));
    this.readyAfterMs = Date.now() - began;
  }

  /** Ends the server as a crash does. */
  stopServer = () => gone(this.server!, "SIGKILL");

  /** The server's process. */
  get serverPid(): number {
    return this.server!.pid!;
  }

  /** Changes the configuration, and has the server load it as an operator does. */
  async configure(edit: (text: string) => string): Promise<void> {
    const path = join(this.dir, "tidegate.toml");
    const before = (await this.log()).length;
    await writeFile(path, edit(await readFile(path, "utf8")));
    this.server!.kill("SIGHUP");
    const deadline = Date.now() + PATIENCE_MS;
    while (!/configuration reloaded/.test((await this.log()).slice(before))) {
      if (Date.now() > deadline) throw new Error("the configuration was not loaded");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What the server has written so far. */
  log = () => readFile(join(this.dir, "tidegate.log"), "utf8");

  /** The sandbox's control API: `control("/aws/timings", { … })`; without a body it is read. */
  async control<T = any>(path: string, body?: unknown, method = body === undefined ? "GET" : "POST"): Promise<T> {
    const answer = await call<T>(this.controlUrl + path, method, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** The Actions token of a job, for the audience that the portal asks for. */
  async token(job: Job): Promise<string> {
    return (await this.control("/github/oidc/tokens", { audience: "tidegate", ...job })).value;
  }

  /** What a workflow run of a service gets for its Actions token: a bearer token for the portal's API. */
  async ci(service: string, job: Omit<Job, "repository"> & { repository?: string } = {}): Promise<string> {
    const token = await this.token({ repository: `acme/${service}`, workflow_path: RELEASE_WORKFLOW, ...job });
    return (await this.accepted("POST", "/ci/session", token, { service })).token;
  }

  /** A commit, its workflow run and its image come to be, and CI reports them with every gate passed. */
  async release(service: string, { author = "cleo-acme", title = "Answer sooner", gates = GATES }: Partial<Change> = {}): Promise<Release> {
    const repository = `acme/${service}`;
    const { sha: commit } = await this.control(`/github/repos/${repository}/commits`, { message: title, author });
    const run = await this.control(`/github/repos/${repository}/runs`, {
      actor: author,
      head_sha: commit,
      path: RELEASE_WORKFLOW,
      status: "completed",
      conclusion: "success",
    });
    const tag = `sha-${commit.slice(0, 7)}`;
    const { digest } = await this.control("/aws/images", { repository, tags: [tag], content: commit });
    const token = await this.ci(service, { run_id: run.id });
    const people: { id: number; login: string }[] = await this.control("/github/users");
    const person = people.filter(({ login }) => login === author).map(({ id, login }) => ({ id, login }))[0];
    const reported = await this.accepted("POST", "/releases", token, {
      service,
      commit,
      ref: "refs/heads/main",
      image: `${REGISTRY}/${repository}:${tag}@${digest}`,
      run_id: run.id,
      run_url: `${this.githubUrl}/${repository}/actions/runs/${run.id}`,
      authors: [person],
      commits: [{ sha: commit, title, author: person }],
      gates: gates.map((gate) => ({ gate, verdict: "pass" })),
    });
    return { id: reported.id, service, commit, digest, tag, token };
  }

  /** CI asks for a release to be deployed. Answers with the deployment as the API shows it. */
  request = (release: Release, environment: string): Promise<any> =>
    this.accepted("POST", "/deployments", release.token, { release: release.id, environment });

  /** Waits until a deployment is in one of the states, as CI would: by asking. */
  async until(release: Release, deployment: string, states: string[], patience = 60_000): Promise<any> {
    const deadline = Date.now() + patience;
    for (;;) {
      const { body } = await this.api("GET", `/deployments/${deployment}`, release.token);
      if (states.includes(body.state)) return body;
      if (Date.now() > deadline) throw new Error(`still ${body.state}, not ${states.join(" or ")}: ${JSON.stringify(body)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** A release that works in staging and waits for approval in production. */
  async waiting(service: string, change: Partial<Change> = {}): Promise<{ release: Release; deployment: any }> {
    const release = await this.release(service, change);
    const staging = await this.request(release, "staging");
    await this.until(release, staging.id, ["succeeded"]);
    await this.accepted("POST", `/releases/${release.id}/gates`, release.token, {
      gates: [{ gate: "staging-smoke", verdict: "pass" }],
    });
    const deployment = await this.request(release, "production");
    return { release, deployment: await this.until(release, deployment.id, ["awaiting_approval"]) };
  }

  private async accepted(method: string, path: string, token: string, body: unknown): Promise<any> {
    const answer = await this.api(method, path, token, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** The portal's REST API as CI: `api("POST", "/releases", token, { … })`. Any status is an answer. */
  api = <T = any>(method: string, path: string, token: string, body?: unknown, headers: Record<string, string> = {}) =>
    call<T>(`${this.url}/api/v1${path}`, method, body, { authorization: `Bearer ${token}`, ...headers });

  /** Has GitHub send a signed webhook to the portal: `webhook({ event: "push", repository: "acme/rag" })`. */
  webhook = (delivery: Record<string, unknown>) =>
    this.control("/github/webhooks", { url: `${this.url}/webhooks/github`, secret: WEBHOOK_SECRET, ...delivery });
}

/** The service that a suite asks. */
export class Site {
  /** What `/classify` takes a message for. The suite expects `order_return`. */
  intent = "order_return";

  private constructor(
    private readonly server: Server,
    private readonly url: string,
  ) {}

  static open(): Promise<Site> {
    return new Promise((resolve, reject) => {
      let site: Site;
      const server = createSite((request, response) => {
        const body = request.url === "/classify" ? { intent: site.intent, token: "canary-token" } : { status: "up" };
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(body));
      });
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { port: number };
        resolve((site = new Site(server, `http://127.0.0.1:${port}`)));
      });
    });
  }

  close = () => this.server.close();

  /** The configuration in which orchestrator has to pass two tests of this site. */
  verifies(config: string): string {
    const suite = [
      "[smoke]",
      'allow = ["127.0.0.1"]',
      "[[smoke.reference.tests]]",
      'name = "health_check"',
      'path = "/health"',
      "[[smoke.reference.tests]]",
      'name = "intent_classification"',
      'path = "/classify"',
      'expect_json = { "/intent" = "order_return" }',
    ];
    const target = `smoke = "reference"\nbase_url = "${this.url}"`;
    return `${config.replace('# smoke = "reference"', target)}\n${suite.join("\n")}\n`;
  }
}

async function call<T>(url: string, method: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
  const answer = await fetch(url, {
    method,
    headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    redirect: "manual",
  });
  const text = await answer.text();
  const json = answer.headers.get("content-type")?.includes("json") && text !== "";
  return { status: answer.status, headers: answer.headers, body: json ? JSON.parse(text) : text };
}

function run(binary: string, dir: string, processes: ChildProcess[], args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  // `make bench` measures a release server.
  const profile = binary === "tidegate" ? (process.env.TIDEGATE_PROFILE ?? "debug") : "debug";
  const child = spawn(join(TARGET, profile, binary), args, {
    cwd: dir,
    stdio: ["ignore", "pipe", "pipe"],
    // Nothing of the person who runs the tests: above all no way into a real account.
    env: {
      PATH: process.env.PATH,
      RUST_LOG: process.env.RUST_LOG ?? "info",
      RUST_BACKTRACE: "1",
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "sandbox",
      AWS_SECRET_ACCESS_KEY: "sandbox",
      AWS_EC2_METADATA_DISABLED: "true",
      ...env,
    },
  });
  const log = createWriteStream(join(dir, `${binary}.log`), { flags: "a" });
  child.stdout!.pipe(log, { end: false });
  child.stderr!.pipe(log, { end: false });
  processes.push(child);
  return child;
}

/** Reads lines such as `aws      http://127.0.0.1:40001` until every name was seen. */
function announced(child: ChildProcess, names: string[]): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const seen: Record<string, string> = {};
    let text = "";
    const failed = (why: string) => reject(new Error(`the sandbox ${why}: ${text}`));
    const timer = setTimeout(() => failed("announced no addresses"), PATIENCE_MS);
    child.once("error", (error) => failed(error.message));
    child.once("exit", (code) => failed(`ended with ${code}`));
    child.stderr!.on("data", (chunk) => (text += chunk));
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      for (const [, name, url] of text.matchAll(/^(\w+) +(http\S+)$/gm)) seen[name!] = url!;
      if (names.every((name) => seen[name])) {
        clearTimeout(timer);
        resolve(seen);
      }
    });
  });
}

async function answering(child: ChildProcess, url: string, log: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const status = await fetch(url).then((answer) => answer.status, () => 0);
    if (status === 200) return;
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      throw new Error(`the server did not become ready (${status}):\n${await readFile(log, "utf8")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

async function end(processes: ChildProcess[], dir: string): Promise<void> {
  await Promise.all(
    processes.map(async (child) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await gone(child, "SIGTERM");
      clearTimeout(timer);
    }),
  );
  await rm(dir, { recursive: true, force: true });
}

async function gone(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await exited;
}
