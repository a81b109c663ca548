// What the approval page weighs and how soon it is there (P8, P9), and what the server needs at rest (P11). `make bench`
// runs this on a release server; each figure is a median.
import { readFile } from "node:fs/promises";
import { expect, test } from "../fixtures.ts";
import { Stage } from "../stage.ts";
import { weigh } from "../weigh.ts";

const TIMES = 5;
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

test("p08_p09 the approval page", async ({ browser, stage }) => {
  test.setTimeout(180_000);
  const { deployment } = await stage.waiting("rag");
  for (const [name, scripts, limit] of [
    ["with everything", true, 170_000],
    ["without WebAssembly and scripts", false, 40_000],
  ] as const) {
    const runs = [];
    for (let run = 0; run < TIMES; run++) {
      runs.push(await weigh(browser, stage, "ben-acme", `/deployments/${deployment.id}`, scripts));
    }
    console.log(name, runs[0]!.bytes, "total", runs[0]!.total);
    if (scripts) console.log("LCP ms", Math.round(median(runs.map(({ lcp }) => lcp))));
    expect(runs[0]!.total).toBeLessThanOrEqual(limit);
  }
});

test("p11 the server at rest", async ({}) => {
  test.setTimeout(120_000);
  const starts: number[] = [];
  const sizes: number[] = [];
  for (let run = 0; run < TIMES; run++) {
    const stage = await Stage.open({ speed: 1 });
    starts.push(stage.readyAfterMs);
    const status = await readFile(`/proc/${stage.serverPid}/status`, "utf8");
    sizes.push(Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) / 1024);
    await stage.close();
  }
  console.log("ready after ms", median(starts), "· resident MiB", Math.round(median(sizes)));
  expect(median(starts)).toBeLessThanOrEqual(1000);
  expect(median(sizes)).toBeLessThanOrEqual(40);
});
