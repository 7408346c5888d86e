import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll } from 'vitest';
import { startServer, type RestateServer } from '../../scripts/restate-server.mjs';
import {
  Orchestrator,
  ReliableOrchestrator,
  type OrchestrationOutput,
  type RunEvent,
  type Troupe,
} from '../../src/index.js';
import { restateClient, restateEndpoint, type RestateClientOptions } from '../../src/restate/index.js';

/** A Restate server for the tests of a file. */
export function aServer(): { readonly server: RestateServer } {
  const scene = {} as { server: RestateServer };
  beforeAll(async () => {
    scene.server = await startServer();
  });
  afterAll(() => scene.server?.stop());
  return scene;
}

export interface Serving extends Omit<RestateClientOptions, 'ingress'> {
  /** One request and one response at a time: whatever is waited for ends the attempt, and the next reads the journal again. */
  rereads?: boolean;
}

/** Serves a Troupe from this process while something is done with a client. */
export async function served<T>(
  server: RestateServer,
  troupe: Troupe<any>,
  work: (client: ReturnType<typeof restateClient>) => Promise<T>,
  { rereads = false, ...options }: Serving = {},
): Promise<T> {
  const endpoint = restateEndpoint(troupe);
  const plain = rereads ? await byRequests(endpoint.fetch) : undefined;
  try {
    if (plain) await server.register(`http://127.0.0.1:${plain.port}`, { use_http_11: true });
    else await server.register(`http://127.0.0.1:${await endpoint.listen()}`);
    return await work(restateClient({ ingress: server.ingress, ...options }));
  } finally {
    plain?.close();
    await endpoint.close();
    await troupe.close({ graceMs: 0 });
  }
}

/** An HTTP/1 server for something in fetch style. */
async function byRequests(fetch: (request: Request) => Promise<Response>) {
  const http = createServer(getRequestListener(fetch, { overrideGlobalObjects: false }));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const close = () => {
    http.close();
    http.closeAllConnections();
  };
  return { port: (http.address() as AddressInfo).port, close };
}

/** What a caller sees of a run. */
export interface Story {
  readonly output: Partial<OrchestrationOutput> | undefined;
  readonly error: { readonly name: string; readonly code: unknown; readonly message: string } | undefined;
  readonly events: readonly unknown[];
}

interface Runs {
  start(args: any): {
    output: Promise<OrchestrationOutput>;
    events: AsyncIterable<RunEvent>;
    cancel(reason?: unknown): void;
  };
}

/** Runs one thing and tells its story, without what differs from one run to the next: times and ids. */
export async function storyOf(
  orchestrator: Runs,
  args: object,
  during?: (run: ReturnType<Runs['start']>) => void,
): Promise<Story> {
  const run = orchestrator.start(args);
  during?.(run);
  const events: RunEvent[] = [];
  const reading = (async () => {
    for await (const event of run.events) events.push(event);
  })();
  let output: OrchestrationOutput | undefined;
  let error: any;
  try {
    output = await run.output;
  } catch (caught: any) {
    error = caught;
    output = caught.output;
  }
  await reading;
  return plain({
    output,
    error: error && { name: error.name, code: error.code, message: error.message },
    events: inOrder(events),
  }) as Story;
}

/** Replicates work side by side: what each of them tells is compared by itself, in its own order. */
function inOrder(events: readonly RunEvent[]): RunEvent[] {
  const partOf = (event: RunEvent): string => {
    const { data, replicate, step } = event as { data?: { id?: unknown }; replicate?: string; step?: number };
    const isOfReplicate = event.type === 'replicate_started' || event.type === 'replicate_done';
    return `${step ?? ''}/${replicate ?? (isOfReplicate ? String(data?.id) : '')}`;
  };
  const parts = new Map<string, RunEvent[]>();
  // In one process it is chance whether the breaker's timer or the run's sees that its time has passed.
  const told = events.filter((event) => !(event.type === 'breaker_changed' && event.reason === 'elapsed'));
  for (const event of told) parts.set(partOf(event), [...(parts.get(partOf(event)) ?? []), event]);
  return [...parts.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, own]) => own);
}

const VARIES: ReadonlySet<string> = new Set([
  'at',
  'seq',
  'elapsedMs',
  'runId',
  'traceId',
  'requestId',
  'openUntil',
]);

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'string') return withoutTimes(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, field]) => !VARIES.has(key) && field !== undefined)
      .map(([key, field]) => [key, key === 'retryAfterMs' || key === 'actual' ? typeof field : plain(field)]),
  );
}

/** How long something still takes differs by a few milliseconds. */
function withoutTimes(text: string): string {
  return text.replace(/(again in|away for) \d+ ms/gu, '$1 _ ms').replace(/[0-9a-f]{32}/gu, 'ID');
}

/** The same in this process and on Restate, each with a Troupe of its own. */
export async function bothWays<T>(
  server: RestateServer,
  make: () => Troupe<any>,
  work: (orchestrator: any, where: 'process' | 'restate') => Promise<T>,
  { reliable = true, rereads = false }: { reliable?: boolean; rereads?: boolean } = {},
): Promise<{ process: T; restate: T }> {
  const local = make();
  const orchestrator = reliable ? new ReliableOrchestrator({ troupe: local }) : new Orchestrator(local);
  const process = await work(orchestrator, 'process');
  await local.close({ graceMs: 0 });
  const restate = await served(server, make(), (client) => work(client, 'restate'), { reliable, rereads });
  return { process, restate };
}

/** Waits until something holds, and says so when it does not come. */
export async function until(
  what: () => boolean | Promise<boolean>,
  name: string,
  ms = 20_000,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`It did not come to this within ${ms} ms: ${name}.`);
    await delay(5);
  }
}
