// The first minutes, before anything has happened.
import { expect, expectAccessible, isPlain, screenshots, signIn, test } from "../fixtures.ts";

// An option that no other file has: a stage of its own, with an empty database.
test.use({ staging: { speed: 61 } });

test("u07 every empty page says how to begin @plain", async ({ page, stage }) => {
  await page.goto("/");
  await expect(page.getByRole("button", { name: "Sign in with GitHub" })).toBeVisible();
  if (!isPlain()) {
    await expectAccessible(page);
    await screenshots(page, "sign-in");
  }
  await signIn(page, stage, "ben-acme");
  await expect(page.getByRole("region", { name: "How to begin" })).toContainText("/api/v1/releases");
  for (const [path, words, name] of [
    ["/inbox", "Nothing waits on you", "inbox-empty"],
    ["/history", "No deployments yet", "history-empty"],
    ["/services/rag", "Nothing has been deployed yet.", "service-empty"],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole("main")).toContainText(words);
    if (!isPlain()) {
      await expectAccessible(page);
      await screenshots(page, name);
    }
  }
  await page.goto("/");
  if (!isPlain()) await screenshots(page, "home-empty");
});

test.describe("someone who is in no team", () => {
  test.use({ noise: /status of 403/ });

  test("gets no access, and is told whom to ask @plain", async ({ page }) => {
    await page.goto("/auth/sign-in");
    await page.locator('button[name="user"][value="ivo-acme"]').click();
    await expect(page.getByRole("main")).toContainText("none of your teams gives access");
    await expect(page.getByRole("main")).not.toContainText("orchestrator");
    await expect(page.getByRole("link", { name: "Sign in again" })).toBeVisible();
    if (!isPlain()) await screenshots(page, "no-access");
  });
});
