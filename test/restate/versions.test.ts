import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  bundleMachine,
  breakerMachine,
  budgetMachine,
  replicateMachine,
  runMachine,
} from '../../src/machines/index.js';
import { restateClient } from '../../src/restate/index.js';
import { JOURNAL_VERSION } from '../../src/restate/wire.js';
import { Cluster } from './cluster.js';
import { aServer, until } from './scene.js';

const root = path.join(import.meta.dirname, '../..');
const scene = aServer();
let cluster: Cluster;
/** The built package of a later version: its charts count as others. */
let later: string;

beforeAll(() => {
  later = mkdtempSync(path.join(tmpdir(), 'troupe-later-'));
  cpSync(path.join(root, 'dist'), later, { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(later, 'node_modules'));
  writeFileSync(path.join(later, 'package.json'), '{"type":"module"}');
  let changed = 0;
  for (const file of readdirSync(later).filter((name) => name.endsWith('.js'))) {
    const code = readFileSync(path.join(later, file), 'utf8');
    const other = code.replace(/JOURNAL_VERSION = \d+/u, `JOURNAL_VERSION = ${JOURNAL_VERSION + 1}`);
    if (other !== code) changed += 1;
    writeFileSync(path.join(later, file), other);
  }
  expect(changed).toBe(1);
});
afterAll(() => rmSync(later, { recursive: true, force: true }));
afterEach(() => cluster.stop());

const settings = (provider: string) => ({ provider, endpoint: { maxCrashRetries: 5 } });

describe('a run whose instance comes back with other charts', () => {
  for (const reliable of [true, false]) {
    it(`ends with an account, and is not stuck (reliable: ${reliable})`, async () => {
      cluster = await Cluster.start(scene.server, 1, settings(`other ${reliable}`));
      const [instance] = cluster.instances;
      cluster.tools.answer = () => ({ body: 'x', afterMs: 60_000 });
      const client = restateClient({ ingress: scene.server.ingress, reliable });
      const run = client.start({ toolName: 'model', request: {} });
      await until(() => cluster.tools.calls.length === 1, 'its call is in flight');
      await instance!.kill();
      await instance!.start(later);
      const error: any = await run.output.catch((caught: unknown) => caught);
      expect(error).toMatchObject({ name: 'OrchestratorError', code: 'internal' });
      expect(error.message).toMatch(/lost on Restate: .*(version 1 of Troupe's charts|mismatch)/su);
      // Nothing was paid for a second time on the way.
      expect(cluster.tools.calls).toHaveLength(1);
    });
  }

  it('takes new runs at once', async () => {
    cluster = await Cluster.start(scene.server, 1, settings('new runs'));
    const [instance] = cluster.instances;
    await instance!.kill();
    await instance!.start(later);
    const client = restateClient({ ingress: scene.server.ingress });
    cluster.tools.answer = () => ({ body: 'x' });
    expect((await client.run({ toolName: 'model', request: {} })).status).toBe('completed');
    const bundle = await client.run({ toolName: 'vote', request: {}, toolOptions: { k: 3 } });
    expect(bundle.status).toBe('completed');
  });
});

describe('a run whose deployment is followed by another', () => {
  it('ends under the charts it was begun with, while the older deployment is there', async () => {
    cluster = await Cluster.start(scene.server, 1, settings('followed'));
    cluster.tools.answer = () => ({ body: 'old', afterMs: 1500 });
    const client = restateClient({ ingress: scene.server.ingress });
    const run = client.start({ toolName: 'model', request: {} });
    await until(() => cluster.tools.calls.length === 1, 'its call is in flight');
    const newer = await cluster.add('newer', later);
    await scene.server.register(newer.address);
    const next = client.run({ toolName: 'model', request: {} });
    expect((await run.output).content).toBe('old');
    expect((await next).content).toBe('old');
    expect(cluster.tools.calls.map(({ instance }) => instance)).toEqual(['i1', 'newer']);
    await newer.kill();
  });
});

/** Charts without their descriptions. */
function rules(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rules);
  if (typeof value === 'function') return 'function';
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'description');
  return Object.fromEntries(entries.map(([key, field]) => [key, rules(field)]));
}

describe('the version of journals', () => {
  it('changes with the charts: raise JOURNAL_VERSION and note the new sum here', () => {
    const charts = [runMachine, replicateMachine, bundleMachine, breakerMachine, budgetMachine];
    const sum = createHash('sha256')
      .update(JSON.stringify(charts.map(({ config }) => rules(config))))
      .digest('hex');
    expect({ version: JOURNAL_VERSION, sum: sum.slice(0, 16) }).toMatchInlineSnapshot(`
      {
        "sum": "5a5433f28fafc76f",
        "version": 1,
      }
    `);
  });
});
