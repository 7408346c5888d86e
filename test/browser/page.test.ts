/// <reference lib="dom" />
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
// The built door, with the page it serves.
import { startViewer, type Viewer } from 'troupe/inspect';
import { App } from './apps.js';
import { hasChromium, launch } from './chromium.js';

let browser: Browser;
let page: Page;
let viewer: Viewer;
let apps: App[] = [];
let problems: string[] = [];

beforeAll(async () => {
  if (hasChromium) browser = await launch();
});
afterAll(() => browser?.close());

async function open(url: string): Promise<Page> {
  const opened = await browser.newPage({ viewport: { width: 1400, height: 950 } });
  opened.setDefaultTimeout(8000);
  opened.on('pageerror', (error) => problems.push(String(error)));
  opened.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  // Nothing may come from elsewhere.
  opened.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:|data:)/.test(request.url())) problems.push(`asked for ${request.url()}`);
  });
  await opened.goto(url);
  return opened;
}

function app(script: string): App {
  const started = new App(script, viewer.url);
  apps.push(started);
  return started;
}

const runs = (text?: string) => page.locator('.runs .row', text === undefined ? {} : { hasText: text });
const lit = () =>
  page
    .locator('.drawing .state.lit:not(.outer)')
    .evaluateAll((all) =>
      all.map((each) => (each as unknown as { dataset: { state: string } }).dataset.state),
    );
const waitForLit = (state: string) => page.waitForSelector(`.drawing .state.lit[data-state="${state}"]`);

/** A provider that fails as long as it is told to, and a breaker that opens at the second failure. */
const BREAKER_APP = `
let isDown = true;
const tool = defineTool({ name: 'ask', provider: 'openai', execute: () => (isDown ? fail(503) : 'well') });
const troupe = new Troupe({ tools: [tool], reliability: { maxRetries: 0, breaker: { failures: 2, openMs: 300, halfOpen: { probes: 2, successes: 2 } } } });
const orchestrator = new ReliableOrchestrator({ troupe });
for (let line = await next(); line !== 'end'; line = await next()) {
  if (line === 'up') isDown = false;
  else await orchestrator.run({ toolName: 'ask', request: { line } });
}
await troupe.close();
process.exit();
`;

describe.skipIf(!hasChromium)('the page, in Chromium', () => {
  beforeEach(async () => {
    problems = [];
    viewer = await startViewer();
    page = await open(viewer.url);
  });
  afterEach(async () => {
    for (const each of apps) each.process.kill('SIGKILL');
    apps = [];
    await page.close();
    await viewer.close();
    expect(problems).toEqual([]);
  });

  it('shows a breaker go open, half-open and closed by its lit state, and says what half-open means', async () => {
    const breakers = app(BREAKER_APP);
    breakers.say('1');
    await page.locator('.shared .item', { hasText: 'openai' }).click();
    await waitForLit('closed');
    breakers.say('2');
    await waitForLit('open');
    expect(await lit()).toEqual(['open']);
    expect(await page.locator('.drawing .arrow.taken').getAttribute('data-to')).toBe('open');
    await waitForLit('half-open');
    expect(await page.locator('.meanings').textContent()).toMatch(/a few trial calls \(probes\)/);
    expect(await page.locator('.shared .item', { hasText: 'openai' }).textContent()).toContain('half-open');
    breakers.say('up');
    breakers.say('3');
    breakers.say('4');
    await waitForLit('closed');
    expect(await page.locator('.drawing text.taken').allTextContents()).toEqual([
      'probe.succeeded [isEnough]',
    ]);
    await runs().nth(3).waitFor();
    expect(await runs('failed').count()).toBe(2);
    expect(await runs('completed').count()).toBe(2);
  });

  it('shows a run that is stuck in its call, its tree and its times, then its answer', async () => {
    const stuck = app(`
      const tool = defineTool({ name: 'slow', execute: async () => ({ said: await next() }) });
      await new ReliableOrchestrator({ troupe: new Troupe() }).run({ tool, request: { q: 'who' }, options: { budget: { tokens: 50 }, timeoutMs: 60000 } });
      process.exit();
    `);
    await runs('slow').click();
    await waitForLit('attempting.calling');
    expect(await page.locator('.tree .row').allTextContents()).toEqual([
      'run attempting.calling',
      expect.stringContaining('budget'),
    ]);
    expect(await page.locator('.head').textContent()).toMatch(/deadline1 min 0 s/);
    await page.getByRole('tab', { name: 'Timeline' }).click();
    await page.locator('.track .segment.calling').first().waitFor();
    stuck.say('me');
    await page.getByRole('tab', { name: 'Request and result' }).click();
    await page.locator('.result pre', { hasText: '"said": "me"' }).waitFor();
    expect(await page.locator('.result pre').first().textContent()).toContain('"q": "who"');
  });

  it('shows a bundle’s answers beside its votes, and the chart of a replicate', async () => {
    app(`
      class Vote extends BundleTool { name = 'vote'; async replicate(request, { seed }) { return seed === 2 ? 'no' : 'yes'; } }
      await new ReliableOrchestrator({ troupe: new Troupe() }).run({ tool: new Vote(), request: {}, toolOptions: { k: 5, stopping: 'fixed', seeds: [1, 2, 3, 4, 5] } });
      process.exit();
    `);
    await runs('completed').click();
    await page.getByRole('tab', { name: 'Votes' }).click();
    expect(await page.locator('.tally li').allTextContents()).toEqual(['4 yes', '1 no']);
    await page.locator('.votes .row', { hasText: 'r2' }).click();
    expect(await page.locator('.answer pre').textContent()).toBe('no');
    expect(await page.locator('.tally li.chosen').textContent()).toBe('1 no');
    await page.getByRole('button', { name: 'its chart' }).click();
    await waitForLit('valid');
  });

  it('filters the log: words, kinds, and the run that was chosen', async () => {
    app(`
      const orchestrator = new ReliableOrchestrator({ troupe: new Troupe({ reliability: { initialDelayMs: 1 } }) });
      const flaky = defineTool({ name: 'flaky', execute: (_, __, { attempt }) => (attempt === 1 ? fail(503) : 1) });
      await orchestrator.run({ tool: flaky, request: {} });
      await orchestrator.run({ tool: defineTool({ name: 'fine', execute: () => 1 }), request: {} });
      process.exit();
    `);
    await runs('fine').waitFor();
    await runs('completed').nth(1).waitFor();
    const search = page.getByLabel('Search the log');
    const lines = () => page.locator('.log .line').allTextContents();
    await page.keyboard.press('/');
    await page.keyboard.type('call.failed mayretry');
    expect(await lines()).toEqual([]);
    await search.fill('mayretry');
    expect(await lines()).toEqual([
      expect.stringContaining('run attempting.judging → attempting.backingOff [mayRetry]'),
    ]);
    await search.fill('retry_scheduled');
    expect(await lines()).toHaveLength(1);
    await search.fill('announceRetry');
    expect(await page.locator('.log .line.action').count()).toBe(1);
    await page.locator('.log label', { hasText: 'actions' }).click();
    expect(await lines()).toEqual([]);
    await search.fill('call.');
    expect(await page.locator('.log h2').textContent()).toBe('Log 3 lines');
    await runs('fine').click();
    expect(await page.locator('.log h2').textContent()).toBe('Log 1 lines');
  });

  it('can be used by keyboard alone', async () => {
    app(`
      const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
      for (const name of ['one', 'two', 'three']) await orchestrator.run({ tool: defineTool({ name, execute: () => name }), request: {} });
      process.exit();
    `);
    await runs('completed').nth(2).waitFor();
    const focused = () =>
      page.evaluate(
        () => `${document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent}`,
      );
    for (let tabs = 0; (await focused()) !== 'runs'; tabs++) {
      expect(tabs).toBeLessThan(30);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    expect(await page.locator('.head h2').textContent()).toContain('two');
    await page.keyboard.press('End');
    expect(await page.locator('.head h2').textContent()).toContain('one');
    while ((await focused()) !== 'Chart') await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toBe('Request and result');
    expect(await page.locator('.result').textContent()).toContain('"one"'.slice(1, -1));
  });

  it('lets a wrong token see nothing', async () => {
    for (const url of [viewer.url.slice(0, -1), `${new URL(viewer.url).origin}/`]) {
      const stranger = await browser.newPage();
      const response = await stranger.goto(url);
      expect(response!.status()).toBe(403);
      expect(await stranger.textContent('body')).toMatch(/Open the address that the viewer printed/);
      await stranger.close();
    }
  });

  it('survives a viewer that is killed in the midst of a run and started again', async () => {
    const { port, searchParams } = new URL(viewer.url);
    const options = { port: Number(port), token: searchParams.get('token')! };
    const stuck = app(`
      const tool = defineTool({ name: 'slow', execute: async () => ({ said: await next() }) });
      const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
      await orchestrator.run({ tool: defineTool({ name: 'before', execute: () => 1 }), request: {} });
      await orchestrator.run({ tool, request: {} });
      await next();
      process.exit();
    `);
    await runs('slow').click();
    await waitForLit('attempting.calling');
    await viewer.close();
    await page.locator('header [role=status]', { hasText: 'the viewer has ended' }).waitFor();
    stuck.say('on');
    viewer = await startViewer(options);
    await page.locator('header [role=status]', { hasText: 'connected' }).waitFor();
    await runs('slow').filter({ hasText: 'completed' }).waitFor();
    expect(await runs().count()).toBe(2);
    await runs('slow').click();
    await waitForLit('completed');
    stuck.say('end');
    // The browser says itself that the viewer was away.
    problems = problems.filter((problem) => !/ERR_|Failed to load/.test(problem));
  });

  it('goes light and dark with its reader', async () => {
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await back();
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await back()).not.toBe(light);
  });
});

describe.skipIf(!hasChromium)('a recording, in Chromium', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'troupe-replay-'));
  const file = path.join(folder, 'run.ndjson');
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Runs a script that records into the file, then opens that. */
  async function openRecordingOf(script: string): Promise<void> {
    problems = [];
    const preamble = `
      import { BundleTool, ReliableOrchestrator, Troupe, defineTool } from 'troupe';
      import { recorder } from 'troupe/inspect';
      const file = ${JSON.stringify(file)};
    `;
    const made = spawnSync(process.execPath, ['--input-type=module', '-e', preamble + script], {
      cwd: path.join(import.meta.dirname, '../..'),
      encoding: 'utf8',
    });
    expect(made.stderr).toBe('');
    viewer = await startViewer({ recording: file });
    page = await open(viewer.url);
  }

  it('stays usable with 1,000 runs and a bundle of 200', async () => {
    await openRecordingOf(`
      const orchestrator = new ReliableOrchestrator({ troupe: new Troupe({ inspect: recorder(file, { complete: true }) }) });
      class Vote extends BundleTool { name = 'vote'; async replicate() { return 'yes'; } }
      const tool = defineTool({ name: 'ask', execute: async ({ i }) => { if (i % 10 === 0) throw Object.assign(new Error('no'), { status: 400 }); return i; } });
      await orchestrator.run({ tool: new Vote(), request: {}, toolOptions: { k: 200, stopping: 'fixed' } });
      for (let i = 0; i < 1000; i++) await orchestrator.run({ tool, request: { i } });
    `);
    await page.waitForFunction(
      () => document.querySelector('.runs h2')?.textContent === 'Runs 1,001, 0 going on',
    );
    expect(Number((await page.locator('.log h2').textContent())!.replace(/\D/g, ''))).toBeGreaterThan(10_000);
    // Only what is in view is drawn.
    expect(await page.locator('*').count()).toBeLessThan(600);
    await page.getByLabel('Filter runs').fill('vote');
    await runs('vote').click();
    await page.getByRole('tab', { name: 'Votes' }).click();
    expect(await page.locator('.tally').textContent()).toBe('200 yes');
    await page.getByRole('tab', { name: 'Timeline' }).click();
    expect(await page.locator('.timeline .track').count()).toBe(202);
    await page.close();
    await viewer.close();
    expect(problems).toEqual([]);
  });

  it('is stepped forwards and backwards', async () => {
    await openRecordingOf(`
      const troupe = new Troupe({ inspect: recorder(file), reliability: { maxRetries: 0, breaker: { failures: 1 } } });
      const tool = defineTool({ name: 'ask', provider: 'openai', execute: () => { throw Object.assign(new Error('down'), { status: 503 }); } });
      await new ReliableOrchestrator({ troupe }).run({ tool, request: {} });
    `);
    await page.locator('.shared .item', { hasText: 'openai' }).click();
    await waitForLit('open');
    const back = page.getByLabel('One step back');
    const slider = page.getByLabel('Time', { exact: true });
    const end = Number(await slider.getAttribute('max'));
    const shown = (position: number) =>
      page.locator('.slider output', { hasText: ` ${position} of ${end}` }).waitFor();
    await shown(end);
    for (let at = end - 1; !(await lit()).includes('closed'); at--) {
      expect(at).toBeGreaterThan(0);
      await back.click();
      await shown(at);
    }
    expect(await lit()).toEqual(['closed']);
    await page.getByLabel('One step on').click();
    await waitForLit('open');
    await slider.fill('0');
    await shown(0);
    expect(await runs().count()).toBe(0);
    await slider.fill(String(end));
    await runs('failed').waitFor();
    expect(await page.title()).toBe('run.ndjson · Troupe');
    await page.close();
    await viewer.close();
    expect(problems).toEqual([]);
  });
});
