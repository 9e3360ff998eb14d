// The page of `viral report`, opened from disk with the network off: `node report_page.mjs PROGRAM [FOLDER FOR SCREENSHOTS]`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { HOSTILE, writeCatalogue } from "./catalogue.mjs";

const [program, screenshots] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "viral-report-"));
const [data, model, out] = ["shop", "model", "report.html"].map((name) => join(folder, name));
writeCatalogue(data);
const viral = (...words) => execFileSync(program, words, { stdio: ["ignore", "ignore", "inherit"] });
viral("train", "--data", data, "--out", model, "--model", "viral", "--epochs", "4");
viral("report", "--model", model, "--data", data, "--out", out);
const planted = join(folder, "planted.html");
viral("train", "--out", join(folder, "planted"), "--model", "viral", "--epochs", "2");
viral("report", "--model", join(folder, "planted"), "--out", planted);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

try {
  for (const file of [out, planted]) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ colorScheme, offline: true, viewport: { width: 1100, height: 900 } });
      const page = await context.newPage();
      const [errors, requests] = [[], []];
      page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("request", (request) => requests.push(request.url()));
      const address = pathToFileURL(file).href;
      await page.goto(address);

      // Hostile titles are text.
      assert.notEqual(await page.title(), "broken");
      if (file === out) assert.ok((await page.textContent("main")).includes(HOSTILE.slice(0, 80)));
      assert.equal(await page.$$eval("img", (images) => images.length), 0);
      const figures = await page.$$eval("figure", (all) => all.map((figure) => figure.querySelectorAll("svg").length * figure.querySelectorAll("tbody td").length));
      assert.ok(figures.length >= 5 && figures.every((n) => n > 0), `${figures}`);

      // A table is opened, sorted and searched by keyboard alone.
      const details = page.locator("details").first();
      await details.locator("summary").focus();
      await page.keyboard.press("Enter");
      const head = details.locator("th button").nth(1);
      await head.focus();
      const column = () => details.locator("tbody td:nth-child(2)").evaluateAll((cells) => cells.map((cell) => Number(cell.textContent)));
      await page.keyboard.press("Enter");
      const rising = await column();
      assert.deepEqual(rising, [...rising].sort((a, b) => a - b));
      await page.keyboard.press("Enter");
      assert.deepEqual(await column(), [...rising].sort((a, b) => b - a));
      const search = page.getByLabel("Filter rows: Settings");
      await search.focus();
      await page.keyboard.type("training.seed");
      const table = page.locator("table", { hasText: "training.seed" }).last();
      assert.equal(await table.locator("tbody tr:visible").count(), 1);

      // What is pointed at says what it is.
      await page.locator("svg rect.f0").first().hover();
      assert.match(await page.textContent("#tip"), /: \d/);

      assert.deepEqual(errors, []);
      assert.deepEqual(requests, [address]);
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.equal(ground, colorScheme === "light" ? "rgb(255, 255, 255)" : "rgb(24, 24, 24)");
      if (screenshots) {
        await page.screenshot({ path: join(screenshots, `${file === out ? "shop" : "planted"}-report-${colorScheme}.png`), fullPage: true });
      }
      await context.close();
    }
  }
  console.log("reports: opened from disk in both themes");
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
