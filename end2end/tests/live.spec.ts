// What scripts add: pages that follow, and lose nothing while they do (U3, U5, U7).
import { badge, expect, expectAccessible, screenshots, signIn, test } from "../fixtures.ts";

test("u03 a change is seen within a second, and what was being typed stays, with the focus in it", async ({ page, stage }) => {
  const { deployment, release } = await stage.waiting("guardrails", { author: "cleo-acme" });
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await expect(page.locator("#live")).toHaveText("Live");
  await page.keyboard.press("x");
  const reason = page.getByLabel("Why is it rejected?");
  await expect(reason).toBeFocused();
  await reason.pressSequentially("I wonder whether");
  await page.evaluate(() => (window as any).sameDocument = true);

  await stage.api("POST", `/releases/${release.id}/gates`, release.token, {
    gates: [{ gate: "build", verdict: "fail", detail: "the signature does not match" }],
  });
  // From the moment that the server shows it.
  await stage.until(release, deployment.id, ["requested"]);
  await expect(page.locator(".blockers")).toContainText("the signature does not match", { timeout: 1_000 });
  await expect(badge(page, "Requested")).toBeVisible();
  await expect(reason).toHaveValue("I wonder whether");
  await expect(reason).toBeFocused();
  expect(await page.evaluate(() => (window as any).sameDocument)).toBe(true);
});

test("what changes under the eyes of an approver is not approved by the same click", async ({ page, stage }) => {
  const { deployment, release } = await stage.waiting("guardrails", { author: "cleo-acme" });
  await signIn(page, stage, "hana-acme", `/deployments/${deployment.id}`);
  await expect(page.locator("#live")).toHaveText("Live");
  await stage.api("POST", `/releases/${release.id}/gates`, release.token, {
    gates: [{ gate: "vulnerability-scan", verdict: "pass", detail: "2 low" }],
  });
  const alert = page.getByRole("alert").filter({ hasText: "What you were looking at has changed." });
  await expect(alert).toBeVisible();
  await expect(page.getByRole("button", { name: "Approve" })).toBeDisabled();
  await alert.getByRole("button", { name: "I have looked again" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page.locator(".place.good")).toContainText("hana-acme");
});

test("nor after the form was away for a while, and came back with another revision", async ({ page, stage }) => {
  const { deployment, release } = await stage.waiting("guardrails", { author: "cleo-acme" });
  await signIn(page, stage, "hana-acme", `/deployments/${deployment.id}`);
  await expect(page.locator("#live")).toHaveText("Live");
  const report = (verdict: string, detail: string) =>
    stage.api("POST", `/releases/${release.id}/gates`, release.token, { gates: [{ gate: "vulnerability-scan", verdict, detail }] });
  await report("fail", "1 HIGH");
  await expect(page.getByRole("button", { name: "Approve" })).toHaveCount(0);
  await report("pass", "1 HIGH, accepted");
  await expect(page.getByRole("alert").filter({ hasText: "What you were looking at has changed." })).toBeVisible({ timeout: 20_000 });
  await expect(page.getByRole("button", { name: "Approve" })).toBeDisabled();
});

test.describe("with the stream cut", () => {
  // The browser itself says that it cannot reach the server.
  test.use({ noise: /Failed to load resource|net::ERR|EventSource/i });

  test("the page says since when it is stale, and catches up by itself", async ({ page, stage }) => {
    test.setTimeout(120_000);
    const { deployment, release } = await stage.waiting("rag");
    await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
    const live = page.locator("#live");
    await expect(live).toHaveText("Live");
    await stage.stopServer();
    await expect(live).toContainText("Stale since");
    await expect(live).toHaveAttribute("data-state", "stale");
    await screenshots(page, "deployment-stale");
    await stage.startServer();
    await stage.api("POST", `/releases/${release.id}/gates`, release.token, {
      gates: [{ gate: "build", verdict: "fail", detail: "withdrawn" }],
    });
    await expect(live).toHaveText("Live", { timeout: 30_000 });
    await expect(page.locator(".blockers")).toContainText("withdrawn");
  });

  test("u07 a form that cannot be sent keeps what was typed", async ({ page, stage, context }) => {
    const { deployment } = await stage.waiting("rag");
    const here = `/deployments/${deployment.id}`;
    await signIn(page, stage, "ben-acme", here);
    await expect(page.locator("#live")).toHaveText("Live");
    await page.locator("summary", { hasText: "Reject…" }).click();
    const reason = page.getByLabel("Why is it rejected?");
    await reason.fill("Not before the fair");
    await context.setOffline(true);
    await page.getByRole("button", { name: "Reject", exact: true }).click();
    await expect(page.locator("#live")).toContainText("nothing was sent");
    await expect(reason).toHaveValue("Not before the fair");
    await context.setOffline(false);
    // Even the page itself may go: the draft comes back with it.
    await page.goto("/history");
    await page.goto(here);
    await expect(reason).toHaveValue("Not before the fair");
    await page.getByRole("button", { name: "Reject", exact: true }).click();
    await expect(badge(page, "Rejected")).toBeVisible();
  });
});

test.describe("after signing out elsewhere", () => {
  test.use({ noise: /status of 401/ });

  test("an open page says so, and a form that is sent leads back to its page", async ({ page, stage, context }) => {
    const { deployment } = await stage.waiting("orchestrator");
    const here = `/deployments/${deployment.id}`;
    // A session that no other test uses.
    await page.goto(`/auth/sign-in?return_to=${encodeURIComponent(here)}`);
    await page.locator('button[name="user"][value="hana-acme"]').click();
    await expect(page.locator("#live")).toHaveText("Live");
    await page.locator("summary", { hasText: "Cancel…" }).click();
    await page.getByLabel("Why is it cancelled?").fill("Not during the fair");
    const other = await context.newPage();
    await other.goto("/history");
    await other.locator("#account summary").click();
    await other.getByRole("button", { name: "Sign out" }).click();
    await expect(page.locator("#live")).toHaveText("Signed out: reload to sign in again");
    await expect(page.getByLabel("Why is it cancelled?")).toHaveValue("Not during the fair");

    await page.getByRole("button", { name: "Cancel the deployment" }).click();
    await expect(page.locator(".flash")).toContainText("Nothing was sent.");
    await page.getByRole("button", { name: "Sign in with GitHub" }).click();
    await page.locator('button[name="user"][value="hana-acme"]').click();
    await expect(page).toHaveURL(stage.url + here);
    await expect(badge(page, "Needs approval")).toBeVisible();
    // The draft is still here.
    await expect(page.getByLabel("Why is it cancelled?")).toHaveValue("Not during the fair");
  });
});

test("u05 everything is reached by keyboard", async ({ page, stage }) => {
  await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme");
  await expect(page.locator("#live")).toHaveText("Live");
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keys" });
  await expect(help).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(help).toBeHidden();

  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox", { name: "Filter services" })).toBeFocused();
  await page.keyboard.type("guard");
  await expect(page.locator("tr[data-item]:visible")).toHaveCount(1);
  await expect(page).toHaveURL(/\?q=guard$/);
  await page.keyboard.press("Escape");
  await page.goto("/inbox");
  await expect(page.locator("#live")).toHaveText("Live");
  await page.keyboard.press("j");
  await expect(page.locator("[data-item].here [data-open]").first()).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/deployments\//);
  await expect(page.locator("#live")).toHaveText("Live");
  await page.keyboard.press("a");
  await expect(page.getByRole("button", { name: "Approve" })).toBeFocused();

  // The first stop of the Tab key leads past the header.
  await page.goto("/history");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to content" })).toBeFocused();
});

test("u04 a moment is told from now, in the viewer's zone and in UTC", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  const requested = page.locator(".facts time").first();
  await expect(requested).toHaveAttribute("data-zone", "");
  const title = (await requested.getAttribute("title"))!;
  expect(title).toMatch(/ · \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  const utc = new Date((await requested.getAttribute("datetime"))!);
  const berlin = utc.toLocaleTimeString("en-GB", { timeZone: "Europe/Berlin", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  expect(title).toContain(berlin);
  await expect(page.locator(".facts time[data-full]")).toContainText(berlin.slice(0, 5));
});
