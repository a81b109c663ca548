// The way of a release: CI reports it, a second person approves it, it goes out, and everything about it can be read.
import { badge, becomes, expect, expectAccessible, isPlain, screenshots, signIn, test } from "../fixtures.ts";

test("a release goes from CI's report to all of production, and the records tell it @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const title = "Rank passages by their age";
  const { release, deployment } = await stage.waiting("rag", { author: "cleo-acme", title });
  const here = `/deployments/${deployment.id}`;

  await test.step("home says that it waits, the inbox that it waits on Ben", async () => {
    await signIn(page, stage, "ben-acme");
    const cell = page.locator('tr[data-name="rag"] td[data-environment="production"]');
    await expect(cell.locator(".waits", { hasText: release.tag })).toContainText("Needs approval");
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Inbox" }).click();
    const item = page.locator(".inbox-item", { hasText: release.tag });
    await expect(item).toContainText("needs 1 of release-approvers");
    await item.getByRole("link", { name: "Review" }).click();
    await expect(page).toHaveURL(stage.url + here);
  });

  await test.step("u01 one page says what changes, whether it is safe, who decides and what comes next", async () => {
    await expect(badge(page, "Needs approval")).toBeVisible();
    await expect(page.getByRole("region", { name: "What happens next" })).toContainText("1 of release-approvers");
    const changes = page.getByRole("region", { name: /What changes/ });
    await expect(changes).toContainText(title);
    await expect(changes).toContainText("cleo-acme");
    await expect(changes.locator(`[title="${release.digest}"]`)).toBeVisible();
    await expect(changes.getByRole("table", { name: "Task definition" })).toContainText("image");
    const safety = page.getByRole("region", { name: /Is it safe/ });
    await expect(safety).toContainText("all 6 gates passed");
    await expect(safety).toContainText("this image succeeded in staging");
    await expect(page.getByRole("region", { name: "Who decides" })).toContainText("cleo-acme cannot approve");
  });

  await test.step("approve", async () => {
    await page.getByRole("button", { name: "Approve" }).click();
    await expect(page.getByRole("status").filter({ hasText: "Approved" }).or(page.getByRole("alert").filter({ hasText: "Approved" }))).toBeVisible();
  });

  await test.step("watch it until all traffic is on it", async () => {
    const traffic = page.locator(".rollout svg.traffic");
    // Without scripts the few seconds at ten percent are easily missed between two loads.
    if (!isPlain()) {
      await expect(traffic).toHaveAttribute("aria-label", "10 % of traffic on the new version", { timeout: 45_000 });
      await expect(badge(page, "Deploying")).toBeVisible();
    }
    await becomes(page, badge(page, "Succeeded"));
    await expect(traffic).toHaveAttribute("aria-label", "100 % of traffic on the new version");
    await expect(page.getByRole("region", { name: "What happens next" })).toContainText(`All traffic is on ${release.tag}`);
    await expect(page.locator(".events li", { hasText: "AllowTraffic" }).first()).toContainText("succeeded");
    await expect(page.getByRole("button", { name: "Approve" })).toHaveCount(0);
  });

  await test.step("the history has it", async () => {
    await page.goto(`/history?service=rag&environment=production&person=ben-acme&text=${release.tag}`);
    await expect(page.locator("tr[data-item]")).toHaveCount(1);
    await expect(page.locator("tr[data-item]")).toContainText("Succeeded");
    await page.locator("tr[data-item]").getByRole("link", { name: release.tag }).click();
    await expect(page).toHaveURL(stage.url + here);
  });

  await test.step("the audit log has every step, without a gap", async () => {
    const events = page.locator(".history-of .entry");
    for (const words of ["requested", "approved", "enough people approved", "CreateDeployment took effect", "sees it succeed"]) {
      await expect(events.filter({ hasText: words }).first()).toBeAttached();
    }
    await page.goto(`/audit?deployment=${deployment.id}`);
    const kinds = (await page.locator(".audit-rows .kind").allTextContents()).reverse();
    const once = ["deployment.requested", "deployment.prepared", "approval.given", "deployment.queued", "deployment.started", "deployment.succeeded"];
    expect(kinds.filter((kind) => once.includes(kind))).toEqual(once);
    await page.goto("/audit");
    const numbers = (await page.locator(".cell-seq").allTextContents()).map(Number);
    expect(numbers.length).toBeGreaterThan(20);
    expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! - index));
  });
});

test("u01 from the link to a recorded approval it is one action, by keyboard alone", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  // The whole answer and the button are on a laptop's screen.
  await page.setViewportSize({ width: 1440, height: 900 });
  for (const name of ["What happens next", /What changes/, /Is it safe/, "Who decides"]) {
    await expect(page.getByRole("region", { name })).toBeInViewport();
  }
  await expect(page.getByRole("button", { name: "Approve" })).toBeInViewport({ ratio: 1 });
  await expect(page.locator("#live")).toHaveText("Live");
  await page.keyboard.press("a");
  await expect(page.getByRole("button", { name: "Approve" })).toBeFocused();
  await page.keyboard.press("Enter");
  await becomes(page, page.locator(".place.good", { hasText: "ben-acme" }));
});

test("on a phone the decision is under the thumb @plain", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("intent-classifier");
  await page.setViewportSize({ width: 360, height: 740 });
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  const approve = page.getByRole("button", { name: "Approve" });
  await expect(approve).toBeInViewport({ ratio: 1 });
  await approve.click();
  await becomes(page, page.locator(".place.good", { hasText: "ben-acme" }));
});

test("two rules are two people, and each sees what is still missing @plain", async ({ page, browser, stage, contextOptions }) => {
  test.setTimeout(120_000);
  const { deployment } = await stage.waiting("guardrails", { author: "cleo-acme" });
  const here = `/deployments/${deployment.id}`;
  await signIn(page, stage, "hana-acme", here);
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page.getByRole("region", { name: "What happens next" })).toContainText("Needs approval: 1 of release-approvers.");
  await expect(badge(page, "Needs approval")).toBeVisible();

  const other = await browser.newContext({ ...contextOptions, baseURL: stage.url, javaScriptEnabled: !isPlain() });
  const second = await other.newPage();
  await signIn(second, stage, "ben-acme", here);
  await second.getByRole("button", { name: "Approve" }).click();
  await other.close();
  await becomes(page, badge(page, "Succeeded"));
  await expect(page.locator(".place.good")).toHaveCount(2);
});

test("a person requests a release from the service's page, and CI's staging goes by itself @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const release = await stage.release("rag", { title: "Cache embeddings" });
  await signIn(page, stage, "dara-acme", "/services/rag");
  const row = page.locator(".release-row", { hasText: release.tag });
  await row.locator("summary", { hasText: "Deploy…" }).click();
  await row.getByLabel("To").selectOption("staging");
  await row.getByLabel("Why (optional)").fill("Before the demo on Friday");
  await row.getByRole("button", { name: "Request the deployment" }).click();
  await expect(page.locator(".flash")).toContainText("Deployment requested");
  await expect(page.locator("q.reason")).toHaveText("Before the demo on Friday");
  await becomes(page, badge(page, "Succeeded"));
  await expect(page.getByRole("region", { name: "Who decides" })).toContainText("The policy asked for no approval here.");
});

test("the page of a release on its way can be used by everyone", async ({ page, stage }) => {
  test.setTimeout(180_000);
  const { deployment, release } = await stage.waiting("intent-classifier", { author: "dara-acme" });
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await expectAccessible(page);
  await screenshots(page, "deployment-waiting");
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, page.locator('.rollout svg.traffic[aria-label^="10 %"]'));
  await stage.control("/clock", { freeze: true });
  await expectAccessible(page);
  await screenshots(page, "deployment-running");
  await page.goto("/");
  await screenshots(page, "home-running");
  await page.goto("/services/intent-classifier");
  await expectAccessible(page);
  await screenshots(page, "service");
  await stage.control("/clock", { freeze: false });
  await stage.until(release, deployment.id, ["succeeded"]);
});
