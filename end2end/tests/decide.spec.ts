// What people decide other than yes, and what nobody may decide.
import { badge, becomes, expect, expectAccessible, giveReason, screenshots, signIn, test } from "../fixtures.ts";

test("r03 an author does not approve their own release, not even past the page @plain", async ({ page, stage }) => {
  const { deployment, release } = await stage.waiting("rag", { author: "cleo-acme" });
  const here = `/deployments/${deployment.id}`;
  await signIn(page, stage, "cleo-acme", here);
  await expect(page.locator(".actions")).toContainText("You cannot approve: ");
  await expect(page.getByRole("button", { name: "Approve" })).toHaveCount(0);
  await page.goto("/inbox");
  await expect(page.getByRole("region", { name: /Waiting on you/ })).not.toContainText(release.tag);
  await expect(page.getByRole("region", { name: /Waits on others/ })).toContainText(release.tag);

  // The form as the browser would send it, had the page shown one.
  const revision = (await stage.api("GET", `/deployments/${deployment.id}`, release.token)).body.revision;
  const sent = await page.request.post(`${here}/approve`, {
    form: { revision },
    headers: { origin: stage.url, "sec-fetch-site": "same-origin" },
    maxRedirects: 0,
  });
  expect(sent.status()).toBe(303);
  await page.goto(here);
  await expect(page.getByRole("alert")).toContainText("Not approved.");
  const after = (await stage.api("GET", `/deployments/${deployment.id}`, release.token)).body;
  expect(after.state).toBe("awaiting_approval");
  expect(after.approvals).toEqual([]);
  // The attempt itself is on record.
  await page.goto(`/audit?kind=access&deployment=${deployment.id}`);
  const refused = page.locator(".audit-rows tbody tr").first();
  await expect(refused.locator(".cell-who")).toContainText("cleo-acme");
  await expect(refused.locator(".cell-what")).toContainText("was refused");
});

test("rejected with a reason, which the requester reads @plain", async ({ page, stage }) => {
  const { deployment, release } = await stage.waiting("rag");
  const reason = 'The migration is missing; see "Runbook" & ask <dara>';
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await giveReason(page, "Reject…", reason, "Reject");
  await expect(page.locator(".flash")).toContainText("Rejected.");
  await expect(badge(page, "Rejected")).toBeVisible();
  const next = page.getByRole("region", { name: "What happens next" });
  await expect(next).toContainText("Rejected by ben-acme.");
  await expect(next).toContainText(reason);
  await expect(next).toContainText("Nothing was deployed.");
  await page.goto(`/history?state=rejected&text=${release.tag}`);
  await expect(page.locator("tr[data-item]")).toContainText(reason);
  const calls: any[] = await stage.control("/aws/calls?operation=CreateDeployment");
  expect(calls.filter((call) => JSON.stringify(call).includes(`${release.service}-production`))).toEqual([]);
});

test("cancelled by who requested it @plain", async ({ page, stage }) => {
  const { release, deployment } = await stage.waiting("orchestrator");
  await signIn(page, stage, "dara-acme", `/deployments/${deployment.id}`);
  await giveReason(page, "Cancel…", "A better one is on its way", "Cancel the deployment");
  await expect(badge(page, "Cancelled")).toBeVisible();
  await expect(page.getByRole("region", { name: "What happens next" })).toContainText("A better one is on its way");
  expect((await stage.api("GET", `/deployments/${deployment.id}`, release.token)).body.state).toBe("cancelled");
});

test("u07 a form without a reason loses nothing and says what is missing @plain", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("orchestrator");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  // Blanks get past the browser's own check.
  await giveReason(page, "Reject…", "   ", "Reject");
  await expect(page.getByRole("alert")).toContainText("Not rejected.");
  await expect(page.getByRole("alert")).toContainText("Say why");
  await expect(page.locator("details#reject")).toHaveAttribute("open", "");
  await expect(badge(page, "Needs approval")).toBeVisible();
});

test("r02 when the image that runs is changed behind Tidegate's back, the approval is void and says why @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const { deployment } = await stage.waiting("guardrails", { author: "cleo-acme" });
  await signIn(page, stage, "hana-acme", `/deployments/${deployment.id}`);
  const revision = await page.locator('input[name="revision"]').inputValue();
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page.locator(".place.good")).toContainText("hana-acme");

  const digest = await deployByHand(stage, "guardrails");
  const void_ = page.getByRole("list", { name: "Void approvals" });
  await becomes(page, void_);
  await expect(void_).toContainText("hana-acme");
  await expect(void_).toContainText("rollback target changed from");
  await expect(page.locator(".place.good")).toHaveCount(0);
  await expect(badge(page, "Needs approval")).toBeVisible();
  await expect(page.getByRole("region", { name: /What changes/ }).locator(`[title="${digest}"]`).first()).toBeVisible();
  await expect(page.locator(".history-of .entry", { hasText: "voids the approval of hana-acme" })).toBeVisible();
  expect(await page.locator('input[name="revision"]').inputValue()).not.toBe(revision);

  // What was approved before is not approved now, even by the form that was on the screen.
  await page.locator('input[name="revision"]').evaluate((field: HTMLInputElement, old) => (field.value = old), revision);
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page.getByRole("alert")).toContainText("Not approved.");
  await expect(page.getByRole("alert")).toContainText("changed from");
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page.locator(".place.good")).toContainText("hana-acme");
});

test("r36 a tag alone is nothing: what is deployed is the digest that was approved @plain", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const { deployment, release } = await stage.waiting("rag");
  const image = `123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag:${release.tag}`;
  const report = { service: "rag", commit: release.commit, ref: "refs/heads/main" };
  const tagged = await stage.api("POST", "/releases", release.token, { ...report, image });
  expect(tagged.status).toBe(422);
  expect(JSON.stringify(tagged.body)).toContain("has no digest");
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await page.getByRole("button", { name: "Approve" }).click();
  await becomes(page, badge(page, "Succeeded"));
  const registered = (await stage.control<any[]>("/aws/calls?operation=RegisterTaskDefinition"))
    .map((call) => JSON.stringify(call))
    .filter((call) => call.includes("acme-rag-production") && call.includes(release.digest));
  expect(registered.length).toBe(1);
  expect(registered[0]).not.toContain(`:${release.tag}`);
});

test("who only audits can read everything and decide nothing @plain", async ({ page, stage }) => {
  const { deployment } = await stage.waiting("intent-classifier");
  await signIn(page, stage, "gus-acme", `/deployments/${deployment.id}`);
  await expect(page.locator(".actions")).toContainText("You cannot approve: ");
  await expect(page.locator(".actions button")).toHaveCount(0);
  await page.goto("/services/intent-classifier");
  await expect(page.getByRole("main")).toContainText("You cannot request deployments: ");
});

test("what was decided can be read by everyone", async ({ page, stage }) => {
  test.setTimeout(120_000);
  const { deployment } = await stage.waiting("orchestrator", { title: "Answer in the customer's language" });
  await signIn(page, stage, "ben-acme", `/deployments/${deployment.id}`);
  await page.locator("summary", { hasText: "Reject…" }).click();
  await screenshots(page, "deployment-rejecting");
  await page.goto(`/deployments/${deployment.id}`);
  await giveReason(page, "Reject…", "The translation has not been reviewed yet", "Reject");
  await expect(badge(page, "Rejected")).toBeVisible();
  await expectAccessible(page);
  await screenshots(page, "deployment-rejected");
});

/** Somebody deploys another image with AWS's own means. Answers with its digest once all traffic is on it. */
async function deployByHand(stage: import("../stage.ts").Stage, service: string): Promise<string> {
  const aws = async (target: string, body: unknown) => {
    const answer = await fetch(stage.awsUrl, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": target, authorization: "AWS4-HMAC-SHA256 Credential=by-hand" },
      body: JSON.stringify(body),
    });
    const said: any = await answer.json();
    expect(answer.status, JSON.stringify(said)).toBe(200);
    return said;
  };
  const ECS = "AmazonEC2ContainerServiceV20141113";
  const CODEDEPLOY = "CodeDeploy_20141006";
  const repository = `acme/${service}`;
  const { digest } = await stage.control("/aws/images", { repository, tags: ["sha-byhand0"], content: `${service} by hand` });
  const { services } = await aws(`${ECS}.DescribeServices`, { cluster: "acme-production", services: [service] });
  const running = services[0].taskSets.find((set: any) => set.status === "PRIMARY").taskDefinition;
  const { taskDefinition: old } = await aws(`${ECS}.DescribeTaskDefinition`, { taskDefinition: running });
  const containers = old.containerDefinitions.map((one: any) =>
    one.name === "app" ? { ...one, image: `${one.image.split(/[:@]/)[0]}@${digest}` } : one,
  );
  const { taskDefinition } = await aws(`${ECS}.RegisterTaskDefinition`, {
    family: old.family,
    containerDefinitions: containers,
    cpu: old.cpu,
    memory: old.memory,
    networkMode: old.networkMode,
    requiresCompatibilities: old.requiresCompatibilities,
    executionRoleArn: old.executionRoleArn,
  });
  const appspec = {
    version: 0.0,
    Resources: [
      {
        TargetService: {
          Type: "AWS::ECS::Service",
          Properties: {
            TaskDefinition: taskDefinition.taskDefinitionArn,
            LoadBalancerInfo: { ContainerName: "app", ContainerPort: 8080 },
          },
        },
      },
    ],
  };
  const { deploymentId } = await aws(`${CODEDEPLOY}.CreateDeployment`, {
    applicationName: `acme-${service}-production`,
    deploymentGroupName: service,
    deploymentConfigName: "CodeDeployDefault.ECSAllAtOnce",
    revision: { revisionType: "AppSpecContent", appSpecContent: { content: JSON.stringify(appspec) } },
  });
  await expect
    .poll(async () => (await aws(`${CODEDEPLOY}.GetDeployment`, { deploymentId })).deploymentInfo.status, { timeout: 30_000 })
    .toBe("Succeeded");
  return digest;
}
