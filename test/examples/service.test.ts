import { beforeAll, describe, expect, it } from 'vitest';
import { linkTroupe } from '../../bench/service/world.mjs';
import { defineTool, ReliableOrchestrator, Troupe } from 'troupe';

type App = { request(path: string, init?: RequestInit): Promise<Response> };
type MakeApp = (troupe: Troupe, pool: { query(): Promise<unknown> }, settings: object) => App;

let makeApp: MakeApp;
let readSettings: (env: Record<string, string>) => Record<string, unknown>;
beforeAll(async () => {
  linkTroupe();
  const folder = '../../examples/service/src';
  ({ makeApp } = (await import(`${folder}/app.js`)) as { makeApp: MakeApp });
  ({ readSettings } = (await import(`${folder}/settings.js`)) as { readSettings: typeof readSettings });
});

const env = { DATABASE_URL: 'postgres://localhost', API_KEYS: 'ann:a,bob:b' };

function setUp(query = async () => ({})) {
  const down = defineTool({
    name: 'down',
    provider: 'model',
    execute: () => {
      throw Object.assign(new Error('down'), { status: 503 });
    },
  });
  const hello = defineTool({ name: 'hello', execute: () => 'hello' });
  const troupe = new Troupe({
    tools: [down, hello],
    pools: { model: { size: 3 } },
    reliability: { maxRetries: 0, breaker: { failures: 1 } },
  });
  return { troupe, app: makeApp(troupe, { query }, readSettings(env)) };
}

// The whole of it, with a real database, kills and outages: bench/service/outage.mjs, a step of `npm run check`.
describe('the example service', () => {
  it('tells of open breakers, and is ready all the same', async () => {
    const { troupe, app } = setUp();
    const ready = async () => {
      const response = await app.request('/readyz');
      return [response.status, await response.json()] as const;
    };
    expect(await ready()).toEqual([
      200,
      { status: 'ready', database: true, closing: false, breakers: {}, pools: {} },
    ]);
    await new ReliableOrchestrator({ troupe }).run({ toolName: 'down', request: {} });
    expect(await ready()).toMatchObject([
      200,
      {
        status: 'degraded',
        breakers: { model: { state: 'open', openUntil: expect.any(Number) as number } },
        pools: { model: { size: 3, active: 0, waiting: 0 } },
      },
    ]);
    expect((await app.request('/healthz')).status).toBe(200);
  });

  it('is not ready without its database, nor when it is closing', async () => {
    const broken = setUp(() => Promise.reject(new Error('gone')));
    expect((await broken.app.request('/readyz')).status).toBe(503);
    const { troupe, app } = setUp();
    await troupe.close();
    const response = await app.request('/readyz');
    expect([response.status, ((await response.json()) as { closing: boolean }).closing]).toEqual([503, true]);
  });

  it('knows its callers by their keys', async () => {
    const { app } = setUp();
    const run = (authorization: string) =>
      app.request('/v1/runs', {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', prefer: 'wait=5' },
        body: '{"toolName":"hello","request":{}}',
      });
    expect((await run('Bearer a')).status).toBe(200);
    for (const wrong of ['Bearer c', 'Bearer ', 'a', '']) expect((await run(wrong)).status).toBe(401);
  });

  it('says what is wrong with its environment', () => {
    expect(() => readSettings({})).toThrow(/DATABASE_URL: .+\n {2}API_KEYS: /);
    expect(() => readSettings({ ...env, API_KEYS: 'secret' })).toThrow('ann:secret1');
    expect(() => readSettings({ ...env, PORT: 'http' })).toThrow('PORT');
    expect(readSettings(env)).toMatchObject({ PORT: 8080, HOST: '127.0.0.1' });
  });
});
