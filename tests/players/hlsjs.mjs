// hls.js in Debian's Chromium, without a window: every variant to its end, a change of variant
// at every segment, and seeks. What is watched while it plays is in page/watch.js.
import { existsSync } from "node:fs";

import { places } from "./playlists.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

export async function hlsJs({ stream, server, rate, irregular }) {
  if (!existsSync(CHROMIUM)) {
    return { played: "nothing", complaints: [`no ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`] };
  }
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  const complaints = [];
  try {
    const watch = async (name, wishes) => {
      const found = await inNewPage(browser, server, { rate, irregular, ...wishes });
      complaints.push(...found.map((words) => `${name}: ${words}`));
    };
    for (const variant of stream.variants.keys()) {
      await watch(`variant ${variant}`, { url: server.stream(variant) });
    }
    if (stream.variants.length > 1) {
      await watch("changing variants", { url: server.stream(), changing: true });
    }
    const to = places(stream.duration);
    if (to.length > 0) await watch("seeking", { url: server.stream(0), places: to });
  } finally {
    await browser.close();
  }
  const changing = stream.variants.length > 1 ? ", again changing at every segment" : "";
  return {
    played: `${stream.variants.length} x ${stream.duration.toFixed(2)} s${changing}, ${places(stream.duration).length} seeks`,
    complaints,
  };
}

async function inNewPage(browser, server, wishes) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`the page failed: ${error.message}`));
  page.on("console", (message) => {
    if (["warning", "error"].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on("crash", () => complaints.push("the page crashed"));
  await page.goto(server.page);
  await page.waitForFunction(() => window.watch !== undefined);
  complaints.push(...(await page.evaluate((wishes) => window.watch(wishes), wishes)));
  await page.close();
  return complaints;
}
