// Going back: a person stops it, AWS stops it, or it is undone afterwards.
import { badge, becomes, expect, expectAccessible, giveReason, isPlain, screenshots, signIn, test } from "../fixtures.ts";

test("the on-call stops a running deployment in two actions and a reason @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const { deployment, release } = await stage.waiting("rag");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, badge(page, "Deploying"));
  await stage.control("/clock", { freeze: true });
  await giveReason(page, "Roll back…", "p95 doubled", "Stop and roll back");
  await expect(page.locator(".flash")).toContainText("Rollback asked for.");
  await stage.control("/clock", { freeze: false });
  await becomes(page, badge(page, "Rolled back"));
  const next = page.getByRole("region", { name: "What happens next" });
  await expect(next).toContainText("Rolled back: all traffic is on");
  await expect(next).toContainText("ben-acme asked for it: “p95 doubled”");
  await expect(page.locator(".rollout svg.traffic")).toHaveAttribute("aria-label", "0 % of traffic on the new version");
  // AWS's own rollback deployment, told beside the one it undoes.
  await expect(page.locator(".lifecycle", { hasText: "Rollback" })).toContainText("succeeded");
  await expect(page.locator(".history-of .entry", { hasText: "asked to roll back" })).toContainText("p95 doubled");
  const id = await page.locator(".lifecycle .hash").first().textContent();
  const stops: any[] = await stage.control("/aws/calls?operation=StopDeployment");
  expect(stops.filter((call) => JSON.stringify(call).includes(id!.trim()))).toHaveLength(1);
  await page.goto(`/history?state=rolled_back&text=${release.tag}`);
  await expect(page.locator("tr[data-item]")).toContainText("p95 doubled");
});

test("AWS rolls a failing deployment back by itself, and the page says why @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const { deployment, release } = await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme");
  const cell = page.locator('tr[data-name="orchestrator"] td[data-environment="production"]');
  // Nothing has run there yet, or another release still does.
  const before = await cell.locator(".runs").locator("a, :scope.muted").first().textContent();
  await stage.control("/aws/groups/orchestrator/fail-next?application=acme-orchestrator-production", {
    event: "AfterAllowTraffic",
    message: "the synthetic check failed",
  });
  await page.goto(`/deployments/${deployment.id}`);
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, badge(page, "Rolled back"));
  const next = page.getByRole("region", { name: "What happens next" });
  await expect(next).toContainText("AWS did it by itself");
  await expect(page.locator(".cloud-error").first()).toContainText("the synthetic check failed");
  await expect(page.locator(".events li", { hasText: "AfterAllowTraffic" }).first()).toContainText("failed");
  await expect(page.locator(".lifecycle")).toHaveCount(2);
  if (!isPlain()) {
    await expectAccessible(page);
    await screenshots(page, "deployment-rolled-back");
  }
  await page.goto("/");
  await expect(cell.locator(".trouble")).toContainText("Rolled back");
  await expect(cell.locator(".trouble")).toContainText(release.tag);
  await expect(cell.locator(".runs").locator("a, :scope.muted").first()).toHaveText(before!);
});

test("a release that turned out bad is undone by a deployment of the one before @plain", async ({ page, stage }) => {
  test.setTimeout(180_000);
  await signIn(page, stage, "ben-acme");
  const tags: string[] = [];
  for (const title of ["Answer in short sentences", "Answer in rhymes"]) {
    const { deployment, release } = await stage.waiting("intent-classifier", { title });
    tags.push(release.tag);
    await page.goto(`/deployments/${deployment.id}`);
    await page.getByRole("button", { name: "Approve" }).click();
    await becomes(page, badge(page, "Succeeded"));
  }
  await giveReason(page, "Roll back…", "Nobody likes the rhymes", "Go back to the release before");
  await expect(page.locator("h1")).toContainText(tags[0]!);
  await expect(page.locator("h1")).toContainText("rollback");
  await becomes(page, badge(page, "Succeeded"));
  await expect(page.getByRole("region", { name: "Related deployments" })).toContainText(tags[1]!);
  await page.goto("/");
  const cell = page.locator('tr[data-name="intent-classifier"] td[data-environment="production"]');
  await expect(cell.locator(".runs")).toContainText(tags[0]!);
});
