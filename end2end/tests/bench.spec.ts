// What the approval page weighs and how soon it is there (P8, P9), and what the server needs at rest (P11). `make bench`
// runs this on a release server; each figure is a median.
import { readFile } from "node:fs/promises";
import type { Browser } from "@playwright/test";
import { expect, signIn, test } from "../fixtures.ts";
import { Stage } from "../stage.ts";

const TIMES = 5;
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

function largestPaint(): Promise<number> {
  return new Promise((resolve) =>
    new PerformanceObserver((list) => resolve(list.getEntries().at(-1)!.startTime)).observe({
      type: "largest-contentful-paint",
      buffered: true,
    }),
  );
}

/** Loads a page with an empty cache: bytes on the wire by kind, and the largest contentful paint in milliseconds. */
async function load(browser: Browser, stage: Stage, url: string, javaScriptEnabled: boolean) {
  const context = await browser.newContext({ baseURL: stage.url, javaScriptEnabled });
  const page = await context.newPage();
  await signIn(page, stage, "ben-acme");
  await page.goto("about:blank");
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  await client.send("Network.clearBrowserCache");
  const kinds = new Map<string, string>();
  const bytes: Record<string, number> = {};
  client.on("Network.responseReceived", ({ requestId, type, response }) =>
    kinds.set(requestId, response.mimeType === "application/wasm" ? "Wasm" : type),
  );
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId) ?? "Other";
    bytes[kind] = (bytes[kind] ?? 0) + encodedDataLength;
  });
  await page.goto(url, { waitUntil: "load" });
  // The islands load when the browser is idle; the stream of events never ends, so the network is not waited for.
  if (javaScriptEnabled) await expect.poll(() => bytes["Wasm"] ?? 0).toBeGreaterThan(0);
  const lcp = javaScriptEnabled ? await page.evaluate(largestPaint) : NaN;
  await context.close();
  return { bytes, total: Object.values(bytes).reduce((sum, size) => sum + size, 0), lcp };
}

test("p08_p09 the approval page", async ({ browser, stage }) => {
  test.setTimeout(180_000);
  const { deployment } = await stage.waiting("rag");
  for (const [name, scripts, limit] of [
    ["with everything", true, 170_000],
    ["without WebAssembly and scripts", false, 40_000],
  ] as const) {
    const runs = [];
    for (let run = 0; run < TIMES; run++) runs.push(await load(browser, stage, `/deployments/${deployment.id}`, scripts));
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
