// Gates of time and shape: a freeze holds a release up until someone lets it through, and a broken glass is answered for.
import { badge, becomes, expect, expectAccessible, expectNoSidewaysScroll, giveReason, isPlain, screenshots, signIn, test } from "../fixtures.ts";

// A stage of its own: its configuration is changed.
test.use({ staging: { speed: 120 } });

const FREEZE = `
[freezes.launch]
time_zone = "Europe/Vienna"
from = "2020-01-01 00:00"
until = "2099-12-31 23:59"
services = ["rag"]
environments = ["production"]
`;

test("a freeze holds an approved release up, and an override lets it through @plain", async ({ page, stage }) => {
  test.setTimeout(180_000);
  await stage.configure((text) => text + FREEZE);
  const { deployment } = await stage.waiting("rag");
  const here = `/deployments/${deployment.id}`;
  await signIn(page, stage, "ben-acme", here);
  const next = page.getByRole("region", { name: "What happens next" });
  await expect(next).toContainText("frozen until Thu 31 Dec 2099, 23:59 Europe/Vienna (launch freeze)");
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, badge(page, "Queued"));
  await expect(next).toContainText("Approved. Frozen until Thu 31 Dec 2099");
  await expect(next).toContainText("its time to start does not run meanwhile");
  const freezes = page.getByRole("list", { name: "Freezes" });
  await expect(freezes).toContainText("You cannot override it: to override a freeze you need the role admin");
  if (!isPlain()) {
    await expectAccessible(page);
    await screenshots(page, "gates-frozen");
  }
  await page.goto("/services/rag");
  await expect(page.getByRole("region", { name: "production" })).toContainText("until Thu 31 Dec 2099");

  // Signing in would end the other's session.
  await page.goto("about:blank");
  await page.context().clearCookies();
  await signIn(page, stage, "ada-acme", here);
  await giveReason(page, "Override…", "Customers cannot pay", "Let it through this freeze");
  await expect(page.locator(".flash")).toContainText("Freeze overridden.");
  await becomes(page, badge(page, "Succeeded"));
  await expect(page.locator(".history-of")).toContainText("overrode the freeze launch");
  await expect(page.locator(".history-of")).toContainText("Customers cannot pay");
  await stage.configure((text) => text.replace(FREEZE, ""));
});

test("the glass is broken in an incident, and someone else reviews it @plain", async ({ page, stage }) => {
  test.setTimeout(180_000);
  const { deployment, release } = await stage.waiting("orchestrator");
  const here = `/deployments/${deployment.id}`;
  await signIn(page, stage, "dara-acme", here);
  await page.locator("summary", { hasText: "Break the glass…" }).click();
  const form = page.locator("details#break-glass form");
  await form.getByLabel("What happened?").fill("Nobody can log in");
  await form.getByLabel("Link to the incident").fill("https://incidents.example/7");
  await form.getByRole("button", { name: "Break the glass" }).click();
  // What was typed is kept when something is missing.
  await expect(page.getByRole("alert")).toContainText("one check at least");
  await expect(form.getByLabel("What happened?")).toHaveValue("Nobody can log in");
  if (!isPlain()) await screenshots(page, "gates-breaking");
  await form.getByLabel("the approvals").check();
  await form.getByRole("button", { name: "Break the glass" }).click();
  await expect(page.locator(".flash")).toContainText("Glass broken.");
  await becomes(page, badge(page, "Succeeded"));
  await expect(page.getByRole("region", { name: "Break-glass" })).toContainText("the approvals stood in the way");
  await expect(page.getByRole("region", { name: "Who decides" })).toContainText("broke the glass");
  if (!isPlain()) {
    await expectAccessible(page);
    await screenshots(page, "gates-broken");
  }
  await page.goto("/break-glass");
  await expect(page.locator(".register-row", { hasText: release.tag })).toContainText("nobody reviews what they opened themselves");

  await page.goto("about:blank");
  await page.context().clearCookies();
  await signIn(page, stage, "ben-acme", "/inbox");
  await page.getByRole("region", { name: /Break-glass to review/ }).getByRole("link", { name: "Review" }).click();
  const row = page.locator(".register-row", { hasText: release.tag });
  await row.locator("summary", { hasText: "Review…" }).click();
  if (!isPlain()) {
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
    await screenshots(page, "gates-register");
  }
  await row.getByLabel("not justified").check();
  await row.getByRole("textbox").fill("Ben was awake and could have approved");
  await row.getByRole("button", { name: "Record the review" }).click();
  await expect(page.locator(".flash")).toContainText("Reviewed.");
  await expect(row).toContainText("Ben was awake and could have approved");
  await expect(row).toContainText("not justified");
});
