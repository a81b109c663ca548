// What a page weighs, in every run: the budgets of the approval page (P8).
import { expect, signIn, test } from "../fixtures.ts";
import { weigh } from "../weigh.ts";

test("p08 the approval page is light, and lighter still without scripts", async ({ browser, page, stage }) => {
  const { deployment } = await stage.waiting("rag");
  const here = `/deployments/${deployment.id}`;
  await signIn(page, stage, "ben-acme", here);
  const whole = await weigh(browser, stage, "ben-acme", here, true);
  const plain = await weigh(browser, stage, "ben-acme", here, false);
  console.log("bytes with everything", whole.bytes, whole.total, "without scripts", plain.bytes, plain.total);
  expect(whole.total).toBeLessThanOrEqual(170_000);
  expect(plain.total).toBeLessThanOrEqual(40_000);
});
