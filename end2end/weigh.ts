// Loads a page with an empty cache and says what came over the wire.

import { type Browser, expect } from "@playwright/test";
import { signIn } from "./fixtures.ts";
import type { Stage } from "./stage.ts";

export interface Weight {
  /** Bytes on the wire, heads included, by kind. */
  bytes: Record<string, number>;
  total: number;
  /** Largest contentful paint in milliseconds; NaN without scripts. */
  lcp: number;
}

export async function weigh(browser: Browser, stage: Stage, login: string, path: string, javaScriptEnabled: boolean): Promise<Weight> {
  const context = await browser.newContext({ baseURL: stage.url, javaScriptEnabled });
  const page = await context.newPage();
  await signIn(page, stage, login);
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
  await page.goto(path, { waitUntil: "load" });
  // The islands load when the browser is idle; the stream of events never ends, so the network is not waited for.
  if (javaScriptEnabled) await expect(page.locator("#live")).toHaveText("Live");
  const lcp = javaScriptEnabled ? await page.evaluate(largestPaint) : NaN;
  await context.close();
  return { bytes, total: Object.values(bytes).reduce((sum, size) => sum + size, 0), lcp };
}

function largestPaint(): Promise<number> {
  return new Promise((resolve) =>
    new PerformanceObserver((list) => resolve(list.getEntries().at(-1)!.startTime)).observe({
      type: "largest-contentful-paint",
      buffered: true,
    }),
  );
}
