// Requests that nobody would send on purpose, at the handler of troupe/http: `node --expose-gc fuzz.mjs [requests] [seed]`.
// It fails at the first answer that is a fault of ours: a 500, no answer, one that is no JSON where it says so; and when
// memory has grown. Over the built package: npm run build:js
import { defineTool, memoryStore, Troupe } from 'troupe';
import { createHandler } from 'troupe/http';
import { createSimulation } from 'troupe/testing';

const [count = 200_000, seed = 1] = process.argv.slice(2).map(Number);
const { random } = createSimulation({ seed });
const pick = (list) => list[Math.floor(random() * list.length)];
const chance = (share) => random() < share;

const troupe = new Troupe({
  maxRuns: 500,
  store: memoryStore({ ttlMs: 1000 }),
  reliability: { maxRetries: 0, breaker: false },
  logger: { debug() {}, info() {}, warn() {}, error() {} },
  tools: [
    defineTool({ name: 'echo', execute: (request) => request }),
    defineTool({
      name: 'broken',
      execute() {
        throw Object.assign(new Error('down'), { status: 503 });
      },
    }),
    defineTool({
      name: 'slow',
      async execute(_request, _options, { signal, emit }) {
        emit({ type: 'delta', text: 'a' });
        await new Promise((resolve, reject) => {
          const timer = setTimeout(resolve, random() * 5);
          signal.addEventListener('abort', () => (clearTimeout(timer), reject(signal.reason)));
        });
        return 'slow';
      },
    }),
  ],
});
const faults = [];
const handler = createHandler(troupe, {
  authorize: (request) => request.headers.get('x-caller'),
  maxBodyBytes: 20_000,
  keepMs: 1000,
  maxTimeoutMs: 2000,
  toolOptions: true,
  onError: (error) => faults.push(error),
});

const WORDS = [
  '',
  'echo',
  'broken',
  'slow',
  'nobody',
  '__proto__',
  'constructor',
  'toString',
  '../x',
  '%00',
  '\u0000',
  '\ud800',
  'é',
  '😀',
  'x'.repeat(5000),
  'null',
  '0',
  '-1',
  '1e999',
  'NaN',
];
const FIELDS = [
  'toolName',
  'tool',
  'request',
  'toolOptions',
  'options',
  'cancelOnDisconnect',
  'timeoutMs',
  'budget',
  'tokens',
  'metadata',
  'streaming',
  '__proto__',
  'constructor',
  'prototype',
  'query',
  'length',
  'then',
  'toJSON',
];

function value(depth = 0) {
  const kind = Math.floor(random() * (depth > 4 ? 6 : 9));
  switch (kind) {
    case 0:
      return null;
    case 1:
      return chance(0.5);
    case 2:
      return pick([0, -1, 1.5, 1e308, -1e308, 5e-324, 2 ** 53, -0]);
    case 3:
      return pick(WORDS);
    case 4:
      return String(random());
    case 5:
      return random() * 1000;
    case 6:
      return Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: Math.floor(random() * 4) }, () => [pick(FIELDS), value(depth + 1)]),
      );
  }
}

function nested(depth) {
  return chance(0.5)
    ? '['.repeat(depth) + ']'.repeat(depth)
    : '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
}

function body() {
  const kind = random();
  if (kind < 0.35) {
    const whole = { toolName: pick(['echo', 'broken', 'slow', 'slow']), request: value() };
    if (chance(0.3)) whole.options = value();
    if (chance(0.3)) whole.options = { timeoutMs: pick([1, 5, 1000, 1e9]), streaming: chance(0.5) };
    if (chance(0.2)) whole.toolOptions = value();
    if (chance(0.2)) whole.cancelOnDisconnect = chance(0.5);
    return JSON.stringify(whole);
  }
  if (kind < 0.6) return JSON.stringify(value());
  if (kind < 0.7) return `{"toolName":"echo","request":${nested(Math.floor(random() * 3000))}}`;
  if (kind < 0.8)
    return `{"toolName":"echo","request":{"__proto__":${JSON.stringify(value())},"constructor":{"prototype":{"x":1}}}}`;
  if (kind < 0.9) {
    const text = JSON.stringify({ toolName: 'echo', request: value() });
    return text.slice(0, Math.floor(random() * text.length));
  }
  if (kind < 0.95) return Buffer.from(Array.from({ length: 30 }, () => Math.floor(random() * 256)));
  return 'x'.repeat(Math.floor(random() * 60_000));
}

const ids = [];
function address() {
  const id =
    chance(0.7) && ids.length > 0
      ? pick(ids)
      : encodeURIComponent(pick(WORDS.filter((word) => word !== '\ud800')));
  const path = pick([
    '/runs',
    '/runs',
    '/runs',
    `/runs/${id}`,
    `/runs/${id}/events`,
    `/runs/${id}/cancel`,
    '/tools',
    '/',
    `//${id}`,
    `/runs//events`,
    `/RUNS`,
    `/runs/${id}/`,
    `/${id}`,
  ]);
  return `http://fuzz${path}${query()}`;
}

function query() {
  if (chance(0.7)) return '';
  return `?${pick(['format=sse', 'format=ui-message-stream', 'format=x', 'after=1', 'after=-1', 'after=99', '%', 'a&b=&=c'])}`;
}

function headers() {
  const all = new Headers();
  const set = (name, values) => {
    try {
      all.set(name, pick(values));
    } catch {
      // No header can hold it.
    }
  };
  if (chance(0.95)) all.set('x-caller', pick(['ann', 'bob', 'é', 'x'.repeat(600), '"', '__proto__']));
  if (chance(0.97))
    set('content-type', [
      ...Array(12).fill('application/json'),
      'application/json',
      'application/json',
      'application/json; charset=utf-8',
      'application/problem+json',
      'text/plain',
      'application/jsonx',
      '',
    ]);
  if (chance(0.3)) set('idempotency-key', [...WORDS, '"a"', '"', '""', 'k1', 'k2', 'k3']);
  if (chance(0.3))
    set('prefer', [
      'wait=0',
      'wait=1',
      'wait=99999999',
      'wait=-1',
      'respond-async',
      'wait=1; x',
      WORDS.at(-1),
    ]);
  if (chance(0.3))
    set('accept', ['text/event-stream', '*/*', 'application/json', 'text/event-stream;q=0', '']);
  if (chance(0.2)) set('last-event-id', ['0', '1', '99', '-1', 'x', '1e9', '9'.repeat(40)]);
  if (chance(0.2))
    set('traceparent', [
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      '00-0-0-0',
      'x'.repeat(1000),
      'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ]);
  if (chance(0.1)) set('content-length', ['0', '5', '999999999', '-1', 'x']);
  return all;
}

function fail(request, why) {
  console.error(`seed ${seed}: ${request.method} ${request.url}: ${why}`, faults);
  process.exit(1);
}

/** Reads a stream to its end, or leaves it somewhere. */
async function read(response) {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream') || chance(0.5))
    return response.text();
  const reader = response.body.getReader();
  for (let parts = Math.floor(random() * 3); parts >= 0; parts--) await reader.read();
  await reader.cancel();
  return '';
}

const statuses = {};
async function once() {
  const toRuns = chance(0.7);
  const method =
    toRuns && chance(0.95) ? 'POST' : pick(['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD']);
  const leaves = new AbortController();
  const request = new Request(toRuns ? `http://fuzz/runs${query()}` : address(), {
    method,
    headers: headers(),
    signal: leaves.signal,
    ...(method === 'GET' || method === 'HEAD' ? {} : { body: body() }),
  });
  if (chance(0.05)) setTimeout(() => leaves.abort(), random() * 5);
  const response = await handler(request);
  statuses[response.status] = (statuses[response.status] ?? 0) + 1;
  if (
    response.status >= 500 &&
    response.status !== 502 &&
    response.status !== 503 &&
    response.status !== 504
  ) {
    fail(request, `${response.status} ${await response.text()}`);
  }
  const type = response.headers.get('content-type') ?? '';
  const text = await read(response);
  if (type.includes('json')) {
    try {
      const told = JSON.parse(text);
      if (response.status === 202) ids.push(told.id);
      if (response.status >= 400 && told.status !== response.status)
        fail(request, `a problem without its status: ${text}`);
    } catch {
      fail(request, `no JSON: ${text}`);
    }
  }
  if (ids.length > 300) ids.shift();
  if (faults.length > 0) fail(request, 'a fault of ours');
  if ({}.polluted !== undefined || {}.x !== undefined || {}.timeoutMs !== undefined)
    fail(request, 'a prototype was polluted');
}

async function requests(number) {
  let left = number;
  const work = async () => {
    while (left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: 32 }, work));
}

/** What is kept for a while is gone by then, so that what is left is what leaks. */
async function heap() {
  await new Promise((resolve) => setTimeout(resolve, 2500));
  for (const path of ['/runs', '/runs/x']) {
    const isRun = path === '/runs';
    await handler(
      new Request(`http://fuzz${path}`, {
        method: isRun ? 'POST' : 'GET',
        headers: { 'x-caller': 'ann', 'content-type': 'application/json', 'idempotency-key': 'last' },
        ...(isRun ? { body: '{"toolName":"echo","request":{}}' } : {}),
      }),
    );
  }
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

process.on('unhandledRejection', (error) => {
  console.error('An unhandled rejection:', error);
  process.exit(1);
});
const started = performance.now();
const warm = Math.floor(count / 5);
await requests(warm);
const before = await heap();
await requests(count - warm);
const grown = Math.round(((await heap()) - before) / 1024);
if (troupe.activeRuns > 0) {
  console.error(`${troupe.activeRuns} runs have not ended.`);
  process.exit(1);
}
console.log(
  `${count} requests in ${Math.round((performance.now() - started) / 1000)} s, none answered by a fault: ${JSON.stringify(statuses)}. ` +
    `Heap after ${warm} and after all: ${grown >= 0 ? '+' : ''}${grown} KiB.`,
);
if (globalThis.gc && grown > 3000) {
  console.error('Memory has grown.');
  process.exit(1);
}
await troupe.close();
