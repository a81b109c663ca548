// The API document is held against the running server, briefly and the same way each time.
import { spawn } from "node:child_process";
import { expect, test } from "../fixtures.ts";

// How many calls are made decides the time, not a clock.
const EXAMPLES = 15;

test("the API does what its document says", async ({ stage }) => {
  test.setTimeout(240_000);
  const token = await stage.ci("rag");
  const args = [
    "run",
    `${stage.url}/api/v1/openapi.json`,
    "--header",
    `Authorization: Bearer ${token}`,
    "--phases",
    "examples,coverage,fuzzing",
    "--max-examples",
    String(EXAMPLES),
    "--generation-deterministic",
    // A page's key is opaque and an Idempotency-Key holds for one body: a schema can say neither, so made-up ones are
    // refused though they look right.
    "--exclude-checks",
    "positive_data_acceptance",
    "--no-color",
  ];
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    // A dumb terminal: no progress bars among the findings.
    const child = spawn("schemathesis", args, { env: { ...process.env, TERM: "dumb", CI: "true" } });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
  expect(code, output).toBe(0);
});
