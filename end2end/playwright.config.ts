// Browser tests in Chromium, against the real binaries of $CARGO_TARGET_DIR/debug.
import { defineConfig } from "@playwright/test";
import { execFileSync } from "node:child_process";

// As scripts/chromium.sh finds it; the API tests need none.
const KNOWN = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"];
const search = `${KNOWN.map((name) => `command -v ${name}`).join(" || ")} || true`;
const chromium = process.env.CHROMIUM ?? execFileSync("sh", ["-c", search]).toString().trim();

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  // Each worker has a server, a sandbox and a browser of its own, which mostly wait: two cores carry four.
  workers: Number(process.env.WORKERS ?? 4),
  fullyParallel: false,
  // A test that passes only at the second try is a test that failed.
  retries: 0,
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"], ["html", { open: "never", outputFolder: "playwright-report" }]],
  use: {
    viewport: { width: 1440, height: 900 },
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    launchOptions: {
      executablePath: chromium,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    { name: "js", testIgnore: /(api|bench)\.spec/ },
    // U2: whatever is tagged @plain is done again without any script.
    { name: "plain", testIgnore: /(api|bench)\.spec/, grep: /@plain/, use: { javaScriptEnabled: false } },
    // No browser: schemathesis, from the Python environment of the checks.
    { name: "api", testMatch: /api\.spec/ },
    // `make bench`.
    { name: "bench", testMatch: /bench\.spec/ },
  ],
});
