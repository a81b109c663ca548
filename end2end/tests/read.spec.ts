// Finding things: home, history, audit, and the pages for when there is nothing or something is wrong.
import { expect, expectAccessible, isPlain, screenshots, signIn, test } from "../fixtures.ts";

test("u02 every filter of the history is in its address, and narrows @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const { release } = await stage.waiting("rag", { author: "cleo-acme" });
  const { release: other } = await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", "/history");
  const rows = page.locator("tr[data-item]");
  const form = page.getByRole("form", { name: "Filters" });
  await form.getByLabel("Service").selectOption("rag");
  await form.getByLabel("State").selectOption("awaiting_approval");
  await form.getByLabel("Text").fill(release.tag);
  await form.getByRole("button", { name: "Filter" }).click();
  await expect(page).toHaveURL(new RegExp(`service=rag.*state=awaiting_approval`));
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText(release.tag);
  await expect(form.getByLabel("Service")).toHaveValue("rag");
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(page).toHaveURL(`${stage.url}/history`);
  await expect(rows.filter({ hasText: other.tag })).toHaveCount(2);

  await page.goto("/history?person=nobody");
  await expect(page.getByRole("main")).toContainText("No deployment matches");
  await page.goto("/history?from=2000-01-01&to=2000-01-02");
  await expect(page.getByRole("main")).toContainText("No deployment matches");

  // From anywhere, the search in the header.
  await page.goto("/inbox");
  await page.getByRole("searchbox", { name: "Search deployments" }).fill(other.tag);
  await page.keyboard.press("Enter");
  await expect(rows).toHaveCount(2);
});

test("the auditor finds who did what @plain", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("rag");
  await signIn(page, stage, "gus-acme", "/audit");
  const rows = page.locator(".audit-rows tbody tr");
  await page.getByLabel("Service").selectOption("rag");
  await page.getByRole("button", { name: "Filter" }).click();
  await expect(rows.first()).toBeVisible();
  for (const about of await rows.locator(".cell-about").allTextContents()) expect(about).toContain("rag");
  await page.goto(`/audit?deployment=${deployment.id}&kind=deployment`);
  await expect(rows.filter({ hasText: "reads what would change" })).toHaveCount(1);
  if (isPlain()) return;
  await page.goto("/audit");
  await expectAccessible(page);
  await screenshots(page, "audit");
});

test("the lists can be read by everyone", async ({ page, stage }) => {
  test.setTimeout(180_000);
  await stage.waiting("guardrails", { author: "cleo-acme", title: "Refuse to give medical advice" });
  await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", "/inbox");
  await expectAccessible(page);
  await screenshots(page, "inbox");
  await page.goto("/history");
  await expectAccessible(page);
  await screenshots(page, "history");
  await page.goto("/");
  await expectAccessible(page);
  await screenshots(page, "home");
});

test.describe("an address that makes no sense", () => {
  test.use({ noise: /status of 400/ });

  test("says what is wrong with it @plain", async ({ page, stage }) => {
    await signIn(page, stage, "ben-acme");
    expect((await page.goto("/history?from=yesterday"))!.status()).toBe(400);
    await expect(page.getByRole("main")).toContainText("does not make sense");
    await expect(page.getByRole("main")).toContainText("yesterday");
  });
});

test.describe("what is not there", () => {
  test.use({ noise: /status of (404|400)/ });

  test("says so, and where to go on @plain", async ({ page, stage }) => {
    await signIn(page, stage, "ben-acme");
    for (const path of ["/nowhere", "/deployments/0", "/deployments/01890a5d-ac96-774b-bcce-b302099a8057", "/services/nothing"]) {
      const answer = await page.goto(path);
      expect(answer!.status(), path).toBe(404);
      await expect(page.getByRole("main").getByRole("link").first()).toBeVisible();
    }
    if (isPlain()) return;
    await expectAccessible(page);
    await screenshots(page, "not-found");
  });
});

test("a link leads there also for someone who signs in first @plain", async ({ page, stage }) => {
  const link = "/history?service=rag&text=a%20b%26c";
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in with GitHub" }).click();
  await page.locator('button[name="user"][value="gus-acme"]').click();
  await expect(page.getByRole("form", { name: "Filters" }).getByLabel("Text")).toHaveValue("a b&c");
  await expect(page.getByRole("form", { name: "Filters" }).getByLabel("Service")).toHaveValue("rag");
});

test("the theme is chosen for this browser and stays @plain", async ({ page, stage }) => {
  await signIn(page, stage, "ben-acme", "/history?state=failed");
  await page.locator("#account summary").click();
  await page.getByRole("button", { name: "dark" }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page).toHaveURL(/state=failed/);
  await page.goto("/history");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("r25 whoever signs out is out @plain", async ({ page, stage }) => {
  await signIn(page, stage, "fay-acme");
  const cookies = await page.context().cookies();
  await page.locator("#account summary").click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in with GitHub" })).toBeVisible();
  // The old cookie opens nothing any more.
  await page.context().addCookies(cookies);
  await page.goto("/history");
  await expect(page).toHaveURL(/\/sign-in\?return_to=%2Fhistory$/);
  stage.sessions.delete("fay-acme");
});
