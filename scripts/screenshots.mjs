// Pictures of the viewer for docs/inspect.md, from the demo: npm run build:js && node scripts/screenshots.mjs
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { startViewer } from 'troupe/inspect';

const root = path.join(import.meta.dirname, '..');
const folder = path.join(root, 'docs/inspect');
const recording = path.join(tmpdir(), 'demo.ndjson');
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
const size = { width: 1280, height: 860 };

async function open(url, colorScheme) {
  const page = await browser.newPage({ viewport: size, colorScheme });
  await page.goto(url);
  return page;
}

const take = (page, name) => page.screenshot({ path: path.join(folder, `${name}.png`) });

function demo(env) {
  const app = spawn(process.execPath, [path.join(root, 'examples/demo/main.js')], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  return new Promise((resolve) => app.on('exit', resolve));
}

const viewer = await startViewer();
const page = await open(viewer.url, 'light');
const ended = demo({ TROUPE_INSPECT: viewer.url });
await page.locator('.shared .item', { hasText: 'frontier-model' }).click();
await page.waitForSelector('.state.lit[data-state="open"]');
await take(page, 'breaker-open');
await page.waitForSelector('.state.lit[data-state="half-open"]');
await take(page, 'breaker-half-open');
await ended;
const vote = page.locator('.runs .row', { hasText: 'vote' });
await vote.click();
await page.waitForSelector('.drawing .state.lit');
await take(page, 'chart');
for (const tab of ['timeline', 'votes', 'result']) {
  await page.locator(`#tab-${tab}`).click();
  if (tab === 'votes') await page.locator('.votes .row').nth(2).click();
  await take(page, tab);
}
await page.locator('.runs .row').nth(3).click();
await page.locator('#tab-timeline').click();
await page.getByLabel('Search the log').fill('retry');
await page.locator('.log .row').first().click();
await take(page, 'log');
await page.close();
const dark = await open(viewer.url, 'dark');
await dark.locator('.runs .row').nth(4).click();
await dark.waitForSelector('.drawing .state.lit');
await take(dark, 'dark');
await dark.close();
await viewer.close();

rmSync(recording, { force: true });
await new Promise((resolve) =>
  spawn(process.execPath, [path.join(root, 'examples/recording/main.js'), recording], { cwd: root }).on(
    'exit',
    resolve,
  ),
);
const replayed = await startViewer({ recording });
const slider = await open(replayed.url, 'light');
await slider.locator('.runs .row').first().click();
await slider.waitForSelector('.drawing .state.lit');
const back = slider.getByLabel('One step back');
while ((await slider.locator('.state.lit[data-state="attempting.backingOff"]').count()) === 0) {
  await back.click();
  await slider.evaluate(() => new Promise(requestAnimationFrame));
}
await take(slider, 'replay');
await browser.close();
await replayed.close();
