// The first thing a person does.
import { expect, expectAccessible, screenshots, signIn, test } from "../fixtures.ts";

test("a person signs in with GitHub and sees the services @plain", async ({ page, stage }) => {
  await signIn(page, stage, "ben-acme");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(page.getByRole("main")).toContainText("orchestrator");
});

test("the first page can be used by everyone", async ({ page, stage }) => {
  await signIn(page, stage, "ben-acme");
  await expectAccessible(page);
  await screenshots(page, "home");
});
