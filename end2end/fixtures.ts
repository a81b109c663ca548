// What every browser test starts from: a stage of its worker's own, and a page that may not complain.

import { AxeBuilder } from "@axe-core/playwright";
import { type Locator, type Page, test as base, expect } from "@playwright/test";
import { join } from "node:path";
import { type Options, Stage } from "./stage.ts";

const WIDTHS = [360, 768, 1440];
const SCHEMES = ["light", "dark"] as const;

interface TestFixtures {
  /** Console messages that this test means to cause. */
  noise: RegExp;
}

interface WorkerFixtures {
  /** `test.use({ staging: { speed: 60 } })` in a file gives its tests a stage of their own. */
  staging: Options;
  stage: Stage;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  staging: [{ speed: 100 }, { scope: "worker", option: true }],
  stage: [
    async ({ staging }, use) => {
      const stage = await Stage.open(staging);
      await use(stage);
      await stage.close();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  baseURL: async ({ stage }, use) => use(stage.url),
  // Nothing.
  noise: [/(?!)/, { option: true }],
  // An error in the console, a policy violation among them, is a failure like any other.
  page: async ({ page, noise, stage }, use, info) => {
    const complaints: string[] = [];
    const heard = (text: string) => {
      if (!noise.test(text)) complaints.push(text);
    };
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") heard(message.text());
    });
    page.on("pageerror", (error) => heard(String(error)));
    await use(page);
    if (info.status !== info.expectedStatus) await info.attach("server log", { body: await stage.log() });
    expect(complaints, "the console is quiet").toEqual([]);
  },
});

export { expect };

/**
 * Signs in as one of the sandbox's people and opens a page. The first time on a stage it is done as a person does it;
 * later the same session is taken up again, for the portal lets nobody sign in ten times a minute.
 */
export async function signIn(page: Page, stage: Stage, login: string, to = "/"): Promise<void> {
  const session = stage.sessions.get(login);
  if (session) {
    await page.context().addCookies(session);
    await page.goto(to);
    return;
  }
  await page.goto(`/auth/sign-in?return_to=${encodeURIComponent(to)}`);
  await page.locator(`button[name="user"][value="${login}"]`).click();
  await page.waitForURL(stage.url + to);
  stage.sessions.set(login, await page.context().cookies(stage.url));
}

/** Whether this test is run without any script (U2). */
export const isPlain = () => test.info().project.use.javaScriptEnabled === false;

/** Waits until a page shows something: it follows by itself, or, without scripts, is loaded again as a person would. */
export async function becomes(page: Page, shown: Locator, patience = 45_000): Promise<void> {
  if (!isPlain()) {
    await expect(shown).toBeVisible({ timeout: patience });
    return;
  }
  await expect(async () => {
    await page.reload();
    await expect(shown).toBeVisible({ timeout: 250 });
  }).toPass({ timeout: patience, intervals: [500] });
}

/** The state in the heading of a deployment's page. */
export const badge = (page: Page, words: string) => page.locator("h1 .badge", { hasText: new RegExp(`^\\s*${words}\\s*$`) });

/** Opens one of the forms that ask for a reason, gives it, and sends it. */
export async function giveReason(page: Page, opens: string, reason: string, does: string): Promise<void> {
  await page.locator("summary", { hasText: opens }).click();
  const form = page.locator("details[open] form");
  await form.getByRole("textbox").fill(reason);
  await form.getByRole("button", { name: does }).click();
}

/** Nothing is wider than the screen: a page scrolls down, never sideways (U6). */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const wide = await page.evaluate(() => ({
    page: document.documentElement.scrollWidth,
    screen: window.innerWidth,
    which: [...document.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
      .map((one) => `${one.localName}.${one.getAttribute("class")}`),
  }));
  expect(wide.page, `at ${wide.screen} px: ${wide.which.join(" ")}`).toBeLessThanOrEqual(wide.screen);
}

/** Axe finds nothing wrong with the page, in light and in dark (U6). */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help} — ${nodes.map(({ target }) => target).join(" · ")}`);
    expect(found, `axe in ${colorScheme}`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: null });
}

/** Pictures of the whole page in three widths and both themes, in end2end/screenshots-out, to be looked at. */
export async function screenshots(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      await expectNoSidewaysScroll(page);
      const path = join(import.meta.dirname, "screenshots-out", `${name}-${width}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true, animations: "disabled" });
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  if (before) await page.setViewportSize(before);
}
