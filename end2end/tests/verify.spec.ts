// A deployment that has to pass a smoke suite: it passes, or it goes back.
import { badge, becomes, expect, expectAccessible, isPlain, screenshots, signIn, test } from "../fixtures.ts";

test.use({ staging: { speed: 100, verified: true } });

test("what has to pass is shown before anybody approves, and how it passed after @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  stage.site!.intent = "order_return";
  const { deployment } = await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  const verification = page.getByRole("region", { name: "Verification" });
  await expect(verification).toContainText("suite reference, 2 tests");
  await expect(verification).toContainText("With all traffic on the new version, at once: against http://127.0.0.1");
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, badge(page, "Succeeded"));
  await expect(verification.locator(".place-head")).toContainText("passed");
  await expect(verification.locator(".test")).toHaveCount(2);
  await expect(page.locator(".history-of")).toContainText("sees intent_classification pass in production");
});

test("a smoke test that fails takes all traffic back, and the page says what was answered @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  stage.site!.intent = "refund";
  const { deployment } = await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, badge(page, "Rolled back"));
  const next = page.getByRole("region", { name: "What happens next" });
  await expect(next).toContainText("Rolled back: all traffic is on");
  await expect(next).toContainText("Smoke test intent_classification failed");
  const failed = page.locator(".verification .test", { hasText: "intent_classification" });
  await expect(failed).toContainText('/intent is "refund", expected "order_return"');
  await failed.locator("summary").click();
  await expect(failed.locator("pre")).toHaveText('{"intent":"refund","token":"[hidden]"}');
  await expect(page.locator(".rollout svg.traffic")).toHaveAttribute("aria-label", "0 % of traffic on the new version");
  if (!isPlain()) {
    await expectAccessible(page);
    await screenshots(page, "deployment-smoke-failed");
  }
});
