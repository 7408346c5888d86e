import { spawn, spawnSync } from 'node:child_process';
import { request } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
// As it is installed: it serves the page that was built with it.
import { startViewer, viewerInspector, type Viewer, type ViewerOptions } from 'troupe/inspect';
import { defineTool, ReliableOrchestrator, Troupe } from 'troupe';

const root = path.join(import.meta.dirname, '../..');
let viewers: Viewer[] = [];
afterEach(async () => {
  await Promise.all(viewers.map((viewer) => viewer.close()));
  viewers = [];
});

async function start(options: ViewerOptions = {}): Promise<Viewer> {
  const viewer = await startViewer(options);
  viewers.push(viewer);
  return viewer;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

function ask(
  url: string | URL,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode!, text, headers: response.headers }));
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** What a page is told, until something is among it. */
function seen(viewer: Viewer, wanted: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: string[] = [];
    let tail = '';
    const call = request(viewer.url.replace('/?', '/stream?'), { agent: false }, (response) => {
      response.setEncoding('utf8').on('data', (part: string) => {
        parts.push(part);
        tail = tail.slice(-20_000) + part;
        if (!wanted.test(tail)) return;
        call.destroy();
        resolve(parts.join(''));
      });
    });
    call.on('error', (error) => (wanted.test(tail) ? undefined : reject(error)));
    call.end();
  });
}

/** It takes connections, and never says anything. */
async function silentServer(): Promise<{ url: string; stop(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/?token=0123456789abcdef`,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Bytes in use, without what nobody holds any more. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

const at = (viewer: Viewer, route: string) => viewer.url.replace('/?', `${route}?`);
const add = defineTool({ name: 'add', execute: ({ a }: { a: number }) => a });
const line = (n: number, rest: object) => JSON.stringify({ n, at: 0, ...rest });
const HEAD = { kind: 'head', format: 1, app: 'x', pid: 1, node: 'v20', redacted: false };

describe('the viewer', () => {
  it('is one document, loads nothing, and forbids the browser to', async () => {
    const { status, text, headers } = await ask((await start()).url);
    expect(status).toBe(200);
    expect(text).not.toMatch(/(?:src|href)="(?!data:)/);
    expect(text).not.toContain('https://');
    const [, nonce] = /nonce-([^']+)'/.exec(String(headers['content-security-policy']))!;
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(text).toContain(`nonce="${nonce}"`);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
  });

  it('listens on 127.0.0.1, with a new token each time', async () => {
    const [a, b] = [await start(), await start()];
    expect(a.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/);
    expect(new URL(a.url).searchParams.get('token')).not.toBe(new URL(b.url).searchParams.get('token'));
  });

  it.each<[string, (url: URL) => [URL, Parameters<typeof ask>[1]]]>([
    ['without a token', (url) => [new URL('/', url), {}]],
    ['with a wrong token', (url) => [new URL(`/?token=${'x'.repeat(32)}`, url), {}]],
    ['with a longer token', (url) => [new URL(`${url.href}x`), {}]],
    ['under a name of somebody’s own', (url) => [url, { headers: { host: 'evil.example' } }]],
    ['from another page', (url) => [url, { headers: { origin: 'https://evil.example' } }]],
    ['without a token, to the stream', (url) => [new URL('/stream', url), {}]],
    ['without a token, to a chart', (url) => [new URL('/chart?app=a&chart=run', url), {}]],
    [
      'without a token, to send records',
      (url) => [new URL('/records?app=a&from=0&whole=1', url), { method: 'POST', body: line(1, HEAD) }],
    ],
  ])('lets nobody in %s', async (_, call) => {
    const { url } = await start();
    const answer = await ask(...call(new URL(url)));
    expect(answer.status).toBe(403);
    expect(answer.text).toMatch(/Open the address that the viewer printed/);
  });

  it('answers what it does not know, and what it cannot read, with an error that says so', async () => {
    const viewer = await start();
    expect((await ask(at(viewer, '/other'))).status).toBe(404);
    expect((await ask(`${at(viewer, '/chart')}&app=a&chart=run`)).status).toBe(404);
    const bad = await ask(`${at(viewer, '/records')}&app=a&from=0&whole=1`, {
      method: 'POST',
      body: 'hello',
    });
    expect([bad.status, bad.text]).toEqual([400, expect.stringContaining('JSON')]);
    const odd = await ask(`${at(viewer, '/records')}&app=a&from=0&whole=1`, {
      method: 'POST',
      body: '{"a":1}',
    });
    expect([odd.status, odd.text]).toEqual([400, expect.stringContaining('This is no record')]);
  });

  it('wants all again where lines are missing, and takes each line once', async () => {
    const viewer = await start();
    const send = (from: number, whole: boolean, ...lines: string[]) =>
      ask(`${at(viewer, '/records')}&app=a&from=${from}${whole ? '&whole=1' : ''}`, {
        method: 'POST',
        body: lines.join('\n'),
      });
    expect((await send(0, false, line(1, HEAD))).status).toBe(409);
    expect((await send(0, true, line(1, HEAD), line(2, { kind: 'closed', troupe: 1 }))).status).toBe(204);
    expect((await send(2, false, line(3, { kind: 'closed', troupe: 2 }))).status).toBe(204);
    expect((await send(2, false, line(3, { kind: 'closed', troupe: 2 }))).status).toBe(409);
    expect((await send(7, false, line(8, { kind: 'closed', troupe: 2 }))).status).toBe(409);
    const text = await seen(viewer, /"n\\":3/);
    expect(text.match(/\\"n\\":/g)).toHaveLength(3);
  });

  it.each([
    [{ port: 70_000 }, 'port'],
    [{ token: 'a b' }, 'must be 1 to 256 characters of ASCII'],
    [{ token: '' }, 'must be 1 to 256 characters of ASCII'],
    [{ tokn: 'x' }, 'tokn'],
    [{ recording: '/nowhere.ndjson' }, 'cannot be read: ENOENT'],
  ])('refuses the options %j', async (options, why) => {
    await expect(startViewer(options as ViewerOptions)).rejects.toThrow(why);
  });

  it('takes any word as its token, whatever that is in an address', async () => {
    const viewer = await start({ token: 'a&b=#/?%' });
    expect((await ask(viewer.url)).status).toBe(200);
    expect((await ask(viewer.url.replace('%25', ''))).status).toBe(403);
    const troupe = new Troupe({ inspect: viewer.inspector });
    await new ReliableOrchestrator({ troupe }).run({ tool: add, request: { a: 41 } });
    expect(await seen(viewer, /\\"kind\\":\\"ended\\"/)).toContain('41');
  });

  it('tells a page all of a recording, however large, and lets no app send to it', async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'troupe-large-')), 'large.ndjson');
    const lines = Array.from({ length: 4000 }, (_, index) =>
      line(index + 2, {
        kind: 'news',
        event: { type: 'store_failed', operation: 'claim', message: 'x'.repeat(12_000) },
      }),
    );
    writeFileSync(file, `${[line(1, HEAD), ...lines].join('\n')}\n`);
    const viewer = await start({ recording: file });
    const text = await seen(viewer, /"n\\":4001,/);
    expect(text.length).toBeGreaterThan(48e6);
    expect(text.match(/\\"n\\":\d+,/g)).toHaveLength(4001);
    const sent = await ask(`${at(viewer, '/records')}&app=a&from=0&whole=1`, {
      method: 'POST',
      body: line(1, HEAD),
    });
    expect(sent.status).toBe(404);
    rmSync(path.dirname(file), { recursive: true });
  });

  it('says so when its port is taken', async () => {
    const { url } = await start();
    await expect(startViewer({ port: Number(new URL(url).port) })).rejects.toThrow(
      'it is taken; choose another',
    );
  });

  it('draws a chart it was told of', async () => {
    const viewer = await start();
    const definition = { id: 'mine', initial: 'a', states: { a: { on: { go: 'b' } }, b: {} } };
    const body = [line(1, HEAD), line(2, { kind: 'chart', chart: 'mine', definition })].join('\n');
    await ask(`${at(viewer, '/records')}&app=a&from=0&whole=1`, { method: 'POST', body });
    const { headers, text } = await ask(`${at(viewer, '/chart')}&app=a&chart=mine`);
    expect(headers['content-type']).toMatch(/^image\/svg\+xml/);
    expect(text).toContain('data-state="b"');
  });
});

describe('viewerInspector', () => {
  it.each([
    ['nonsense', 'must be the one that it printed, got nonsense'],
    ['https://127.0.0.1:1/?token=0123456789abcdef', 'must be the one that it printed'],
    ['http://example.com/?token=0123456789abcdef', 'got http://example.com/'],
    ['http://127.0.0.1:1/', 'must be the one that it printed'],
  ])('refuses %j', (url, why) => {
    expect(() => viewerInspector({ url })).toThrow(why);
  });

  it('shows a Troupe of this process', async () => {
    const viewer = await start();
    const troupe = new Troupe({ inspect: viewer.inspector });
    await new ReliableOrchestrator({ troupe }).run({ tool: add, request: { a: 41 } });
    expect(await seen(viewer, /\\"kind\\":\\"ended\\"/)).toContain('41');
  });

  it('keeps a secret out of every byte it sends, with `redact`', async () => {
    const viewer = await start();
    const SECRET = 'sk-live-42';
    const redact = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll(SECRET, '•••')) as unknown;
    const troupe = new Troupe({ inspect: viewerInspector({ url: viewer.url, redact }) });
    const leaky = defineTool({
      name: 'leaky',
      execute: (_, __, { attempt }) => {
        if (attempt === 1) throw Object.assign(new Error(`not ${SECRET}`), { status: 503 });
        return SECRET;
      },
    });
    const orchestrator = new ReliableOrchestrator({ troupe, reliability: { initialDelayMs: 1 } });
    await orchestrator.run({
      tool: leaky,
      request: { SECRET, [SECRET]: 1 },
      options: { idempotencyKey: SECRET },
    });
    const text = await seen(viewer, /\\"kind\\":\\"ended\\"/);
    expect(text).toContain('not •••');
    expect(text).not.toContain(SECRET);
  });

  it('lets runs go on while the viewer does not answer, and holds no more than it may', async () => {
    const silent = await silentServer();
    const troupe = new Troupe({ inspect: viewerInspector({ url: silent.url }) });
    const orchestrator = new ReliableOrchestrator({ troupe });
    const request = { text: 'x'.repeat(100_000) };
    const big = defineTool({ name: 'big', execute: () => 'y'.repeat(100_000) });
    // With pauses, so that every run is written down.
    const play = async (runs: number) => {
      for (let i = 0; i < runs; i++) {
        await orchestrator.run({ tool: big, request });
        await new Promise((resolve) => setTimeout(resolve, 4));
      }
    };
    await play(200);
    const before = heap();
    await play(600);
    // Had it held all, it would be 200 MB more.
    expect(heap() - before).toBeLessThan(60e6);
    silent.stop();
  }, 30_000);

  const app = (end: string) => `
    import { ReliableOrchestrator, Troupe, defineTool } from 'troupe';
    const troupe = new Troupe();
    const tool = defineTool({ name: 'add', execute: ({ a }) => a });
    await new ReliableOrchestrator({ troupe }).run({ tool, request: { a: 41 } });
    ${end}`;
  const play = (url: string, end: string) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', app(end)], {
      cwd: root,
      env: { ...process.env, TROUPE_INSPECT: url },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise<{ code: number | null; stderr: string }>((resolve) =>
      child.on('exit', (code) => resolve({ code, stderr })),
    );
  };

  it.each([
    ['ends by itself', '', 0],
    ['calls process.exit()', 'process.exit(3);', 3],
    ['throws', 'throw new Error("boom");', 1],
  ])('shows all of an app that %s', async (_, end, code) => {
    const viewer = await start();
    const ended = await play(viewer.url, end);
    expect(ended.code).toBe(code);
    if (code !== 1) expect(ended.stderr).toBe('');
    expect(await seen(viewer, /\\"kind\\":\\"ended\\"/)).toContain('41');
  });

  it('keeps no process alive, though nobody listens', async () => {
    const begun = performance.now();
    const { code, stderr } = await play('http://127.0.0.1:9/?token=0123456789abcdef', '');
    expect([code, stderr]).toEqual([0, '']);
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('keeps no process alive, though the viewer never answers', async () => {
    const silent = await silentServer();
    const begun = performance.now();
    const { code } = await play(silent.url, '');
    expect(code).toBe(0);
    // It is given two seconds for what is left at the end.
    expect(performance.now() - begun).toBeLessThan(4500);
    silent.stop();
  });

  it('says what is wrong with TROUPE_INSPECT, and the app runs', () => {
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', app('')], {
      cwd: root,
      env: { ...process.env, TROUPE_INSPECT: 'yes' },
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(stderr).toMatch(/TROUPE_INSPECT is set, but the viewer could not be joined/);
    expect(stderr).toContain('must be the one that it printed, got yes');
  });

  it('tells a viewer that comes later what is known, and a viewer that comes back', async () => {
    const first = await start();
    const { port, searchParams } = new URL(first.url);
    const options = { port: Number(port), token: searchParams.get('token')! };
    const troupe = new Troupe({ inspect: first.inspector });
    const orchestrator = new ReliableOrchestrator({ troupe });
    await orchestrator.run({ tool: add, request: { a: 41 } });
    await seen(first, /\\"kind\\":\\"ended\\"/);
    await first.close();
    await orchestrator.run({ tool: add, request: { a: 42 } });
    const second = await start(options);
    const text = await vi.waitFor(() => seen(second, /"a\\":42/), { timeout: 8000 });
    expect(text).toContain('\\"a\\":41');
  });
});
