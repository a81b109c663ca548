// A page that follows by itself takes nothing from the person in front of it.
import type { Page } from "@playwright/test";
import { badge, becomes, expect, giveReason, signIn, test } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

const live = async (page: Page) => expect(page.locator("#live")).toHaveText("Live");

/** Something changes elsewhere, and the page has taken notice. */
async function changeElsewhere(page: Page, stage: Stage, service = "orchestrator"): Promise<void> {
  const exchanged = page.evaluate(
    () => new Promise((resolve) => document.addEventListener("tidegate:exchanged", resolve, { once: true })),
  );
  const release = await stage.release(service);
  await stage.request(release, "production");
  await exchanged;
}

test("a choice that was made stays made", async ({ page, stage }) => {
  const release = await stage.release("rag");
  await signIn(page, stage, "dara-acme", "/services/rag");
  await live(page);
  const row = page.locator(".release-row", { hasText: release.tag });
  await row.locator("summary", { hasText: "Deploy…" }).click();
  const to = row.getByLabel("To");
  await expect(to).toHaveValue("staging");
  await to.selectOption("production");
  await row.getByLabel("Why (optional)").fill("The fair begins at nine");
  await changeElsewhere(page, stage);
  await expect(to).toHaveValue("production");
  await expect(row.getByLabel("Why (optional)")).toHaveValue("The fair begins at nine");

  await page.goto("/history");
  await live(page);
  await page.getByLabel("State").selectOption("failed");
  await changeElsewhere(page, stage);
  await expect(page.getByLabel("State")).toHaveValue("failed");
});

test("the row that has the focus keeps it when others come", async ({ page, stage }) => {
  await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", "/history");
  await live(page);
  await page.keyboard.press("j");
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("href"));
  const before = await focused();
  expect(before).toMatch(/^\/deployments\//);
  await changeElsewhere(page, stage);
  await expect(page.locator("tr[data-item]").first().locator("[data-open]")).not.toHaveAttribute("href", before!);
  expect(await focused()).toBe(before);
});

test("what asks for attention is still all that is shown after a change", async ({ page, stage }) => {
  await stage.waiting("rag");
  await signIn(page, stage, "ben-acme", "/?show=attention");
  await live(page);
  const shown = () => page.locator("tr[data-name]:visible").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-name")));
  expect(await shown()).toContain("rag");
  expect(await shown()).not.toContain("intent-classifier");
  await changeElsewhere(page, stage, "guardrails");
  expect(await shown()).toContain("guardrails");
  expect(await shown()).not.toContain("intent-classifier");
  await page.getByRole("searchbox", { name: "Filter services" }).fill("r");
  expect(await shown()).not.toContain("intent-classifier");
  // Both choices are in the address of the other.
  await expect(page.getByRole("link", { name: "All" })).toHaveAttribute("href", "/?q=r");
});

test("a change before the scripts came is not missed", async ({ page, stage }) => {
  const { deployment, release } = await stage.waiting("rag");
  let letGo = () => {};
  const held = new Promise<void>((resolve) => (letGo = resolve));
  await page.route("**/*.wasm", async (route) => {
    await held;
    await route.continue();
  });
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await expect(badge(page, "Needs approval")).toBeVisible();
  await stage.api("POST", `/releases/${release.id}/gates`, release.token, { gates: [{ gate: "lint", verdict: "fail" }] });
  await stage.until(release, deployment.id, ["requested"]);
  letGo();
  await expect(page.locator(".blockers")).toContainText("lint");
});

test("u07 text that was refused comes back and stays through a change", async ({ page, stage }) => {
  const { deployment, release } = await stage.waiting("rag");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await page.locator("summary", { hasText: "Cancel…" }).click();
  const reason = page.getByLabel("Why is it cancelled?");
  // The browser's own limit is lifted, as by another client.
  const long = "too much ".repeat(400).trim();
  await reason.evaluate((field) => field.removeAttribute("maxlength"));
  await reason.fill(long);
  await page.getByRole("button", { name: "Cancel the deployment" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "Not cancelled." })).toBeVisible();
  await expect(reason).toHaveValue(long);
  await live(page);
  await stage.api("POST", `/releases/${release.id}/gates`, release.token, { gates: [{ gate: "build", verdict: "fail" }] });
  await expect(page.locator(".blockers")).toContainText("build");
  await expect(reason).toHaveValue(long);
});

test("u07 words for a form that is gone are still on the page", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("intent-classifier");
  await stage.control("/clock", { freeze: true });
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await live(page);
  await page.locator("summary", { hasText: "Reject…" }).click();
  await page.getByLabel("Why is it rejected?").fill("Too early, I think");
  // Someone else is faster.
  const fay = await page.context().browser()!.newContext({ baseURL: stage.url });
  const other = await fay.newPage();
  await signIn(other, stage, "fay-acme", `/deployments/${deployment.id}`);
  await other.getByRole("button", { name: "Approve" }).click();
  await fay.close();
  await becomes(page, badge(page, "Deploying"));
  await expect(page.locator(".actions")).toContainText("You had written: Too early, I think");
  await stage.control("/clock", { freeze: false });
  await becomes(page, badge(page, "Succeeded"));
});

test("of two who decide at once the second is told, with what they wrote @plain", async ({ page, stage, browser }) => {
  const { deployment } = await stage.waiting("orchestrator");
  const here = `/deployments/${deployment.id}`;
  // Without scripts the page does not follow.
  const context = await browser.newContext({ baseURL: stage.url, javaScriptEnabled: false });
  const late = await context.newPage();
  await signIn(late, stage, "fay-acme", here);
  await signIn(page, stage, "ben-acme", here);
  await giveReason(page, "Reject…", "No runbook", "Reject");
  await expect(badge(page, "Rejected")).toBeVisible();
  await giveReason(late, "Reject…", "No rollback plan either", "Reject");
  await expect(late.getByRole("alert")).toContainText("Not rejected.");
  await expect(late.locator(".actions")).toContainText("You had written: No rollback plan either");
  await expect(badge(late, "Rejected")).toBeVisible();
  await context.close();
});

test("while it goes back nothing is called decided @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const { deployment } = await stage.waiting("rag");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, badge(page, "Deploying"));
  await giveReason(page, "Roll back…", "Errors in the log", "Stop and roll back");
  await becomes(page, badge(page, "Rolling back").or(badge(page, "Rolled back")));
  await becomes(page, badge(page, "Rolled back"));
  await expect(page.locator(".actions")).toContainText("It has come to rest");
});

test("what people decided against is not counted as gone wrong @plain", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("guardrails", { author: "cleo-acme" });
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await giveReason(page, "Cancel…", "Not today", "Cancel the deployment");
  await page.goto("/");
  await expect(page.locator('tr[data-name="guardrails"] .trouble')).toHaveCount(0);
});

test.describe("the stream alone", () => {
  test.use({ noise: /Failed to load resource|net::ERR|EventSource/i });

  test("may be cut more than once, and the page says so each time", async ({ page, stage }) => {
    const { deployment } = await stage.waiting("rag");
    let cut = true;
    await page.route("**/events", (route) => (cut ? route.abort() : route.continue()));
    await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
    await expect(page.locator("#live")).toContainText("Stale since");
    cut = false;
    await expect(page.locator("#live")).toHaveText("Live", { timeout: 20_000 });
    await stage.stopServer();
    await expect(page.locator("#live")).toContainText("Stale since");
    await stage.startServer();
    await expect(page.locator("#live")).toHaveText("Live", { timeout: 20_000 });
  });
});

test("many pages may be open at once", async ({ page, stage, context }) => {
  const { deployment } = await stage.waiting("rag");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  for (let tab = 0; tab < 8; tab++) {
    const another = await context.newPage();
    await another.goto(`/deployments/${deployment.id}`);
    await expect(another.locator("#live")).toHaveText("Live");
    // The browser that runs the tests shows all of its pages at once: this one is put behind the next.
    await another.evaluate(() => {
      Object.defineProperty(document, "hidden", { get: () => true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
  }
});
