import { spawn } from 'node:child_process';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { build } from 'esbuild';
import { afterEach, describe, expect, it } from 'vitest';
import { assign, createActor, createMachine, fromPromise, fromTransition, setup } from 'xstate';
import { InvalidOptionsError } from '../../src/index.js';
import {
  statelyInspector,
  type StatelyInspector,
  type StatelyInspectorOptions,
} from '../../src/inspect/index.js';
import { createSimulation, fail, ok, scriptedBundle, scriptedTool, throws } from '../../src/testing/index.js';
import { quiet } from '../contract/bundle-fixtures.js';
import { actorNamed, actorsOf, Relay, stateOf } from './stately-relay.js';

const relays: Relay[] = [];
const inspectors: StatelyInspector[] = [];

afterEach(async () => {
  await Promise.all(inspectors.splice(0).map((each) => each.close()));
  await Promise.all(relays.splice(0).map((each) => each.kill()));
});

async function relayOn(port = 0): Promise<Relay> {
  const relay = await Relay.start(port);
  relays.push(relay);
  return relay;
}

function inspectorAt({ port }: { port: number }, options: StatelyInspectorOptions = {}): StatelyInspector {
  const inspector = statelyInspector({ url: `ws://127.0.0.1:${port}`, ...options });
  inspectors.push(inspector);
  return inspector;
}

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const counter = createMachine({
  types: {} as { context: { n: number; text: string }; events: { type: 'add'; text?: string } },
  id: 'counter',
  context: { n: 0, text: '' },
  initial: 'counting',
  states: { counting: {}, idle: {} },
  on: {
    add: {
      actions: assign({ n: ({ context }) => context.n + 1, text: ({ event }) => event.text ?? '' }),
    },
  },
});

describe('what arrives', () => {
  it('is every actor of a run, by its name, with its chart and its last state', async () => {
    const relay = await relayOn();
    const receiver = await relay.receiver();
    const inspector = inspectorAt(relay);
    const sim = createSimulation({
      logger: quiet,
      inspect: inspector,
      reliability: { jitter: 'none', maxRetries: 1, breaker: { failures: 2 } },
    });
    // Two calls in a row fail, which opens the breaker, so the next tool answers; its second replicate takes two calls.
    sim.troupe.registerTool(scriptedTool('first', [fail(503)], { provider: 'alpha' }));
    sim.troupe.registerTool(
      scriptedBundle('panel', [ok('A'), [fail(503), ok('B')], ok('A')], { provider: 'beta' }),
    );
    const run = sim.reliable.start({
      toolName: 'first',
      request: {},
      toolOptions: { k: 3 },
      options: { fallback: ['panel'] },
    });
    await sim.runToIdle();
    expect(await run.output).toMatchObject({
      status: 'completed',
      metadata: { attempts: 6, path: ['first', 'panel'] },
    });
    await sim.troupe.close();
    await inspector.close();
    await receiver.until(() => receiver.messages.length === relay.texts.length);

    const { messages } = receiver;
    const actors = actorsOf(messages);
    const state = (name: string) => [stateOf(messages, name)?.status, stateOf(messages, name)?.value];
    expect(Object.fromEntries(actors.map(({ name }) => [name, state(name)]))).toEqual({
      run: ['done', 'completed'],
      bundle: ['done', 'completed'],
      'replicate r1': ['done', 'valid'],
      'replicate r2': ['done', 'valid'],
      'replicate r3': ['done', 'valid'],
      'breaker alpha': ['stopped', 'open'],
      'breaker beta': ['stopped', 'closed'],
    });
    expect(actors).toHaveLength(7);
    const charts = actors.map(({ definition }) => JSON.parse(definition!) as { id: string; states: object });
    expect(charts.map(({ id }) => id).sort()).toEqual(
      ['breaker', 'breaker', 'bundle', 'replicate', 'replicate', 'replicate', 'run'].sort(),
    );
    expect(Object.keys(charts[0]!.states)).not.toEqual([]);

    const [top, bundle] = [actorNamed(messages, 'run')!, actorNamed(messages, 'bundle')!];
    expect(top.parentId).toBeUndefined();
    expect(bundle.parentId).toBe(top.sessionId);
    expect(actorNamed(messages, 'replicate r2')).toMatchObject({
      parentId: bundle.sessionId,
      rootId: top.sessionId,
      _version: '0.7.2',
    });
    const retried = messages.filter(
      ({ type, sessionId }) =>
        type === '@xstate.event' && sessionId === actorNamed(messages, 'replicate r2')!.sessionId,
    );
    expect(JSON.stringify(retried)).toContain('HTTP 503');
  });

  it('is every actor of an XState system, also without a Troupe', async () => {
    const relay = await relayOn();
    const receiver = await relay.receiver();
    const inspector = inspectorAt(relay);
    const machine = setup({ actors: { work: fromPromise(async () => 'done') } }).createMachine({
      id: 'parent',
      initial: 'working',
      states: { working: { invoke: { id: 'job', src: 'work', onDone: 'idle' } }, idle: {} },
    });
    const actor = createActor(machine, { id: 'top', inspect: inspector }).start();
    await receiver.until(() => stateOf(receiver.messages, 'top')?.value === 'idle');
    const { messages } = receiver;
    expect(actorsOf(messages)[0]).toMatchObject({
      name: 'top',
      sessionId: actor.sessionId,
      rootId: actor.sessionId,
      snapshot: { status: 'active', value: 'working' },
    });
    expect(actorNamed(messages, 'job')).toMatchObject({
      parentId: actor.sessionId,
      rootId: actor.sessionId,
      definition: '{"id":"job"}',
    });
    expect(stateOf(messages, 'job')).toMatchObject({ status: 'done', output: 'done' });
    const done = messages.find(
      (each) => each.type === '@xstate.event' && each.event.type === 'xstate.done.actor.job',
    );
    expect(done).toMatchObject({ sessionId: actor.sessionId, event: { output: 'done' } });
    expect((done as { sourceId?: string }).sourceId).toBe(actorNamed(messages, 'job')!.sessionId);
  });

  it('says that an actor has ended, also where XState does not', async () => {
    const relay = await relayOn();
    const receiver = await relay.receiver();
    const inspector = inspectorAt(relay);
    const throwing = fromTransition(() => {
      throw new Error('broken');
    }, {});
    const failing = createActor(throwing, { id: 'failing', inspect: inspector });
    failing.subscribe({ error: () => {} });
    failing.start().send({ type: 'go' });
    const stopped = createActor(
      fromTransition((state) => state, {}),
      { id: 'stopped', inspect: inspector },
    );
    stopped.start().stop();
    await receiver.until(() => stateOf(receiver.messages, 'failing')?.status === 'error');
    expect(stateOf(receiver.messages, 'failing')).toMatchObject({ error: { message: 'broken' } });
    expect(stateOf(receiver.messages, 'stopped')?.status).toBe('stopped');
  });

  it('has a chart also where one names an actor, or holds what has no JSON', async () => {
    const relay = await relayOn();
    const inspector = inspectorAt(relay);
    const nesting = createMachine({ id: 'nesting', invoke: { id: 'nested', src: counter } });
    const loop: { self?: unknown } = {};
    loop.self = loop;
    createActor(nesting, { id: 'a', inspect: inspector }).start();
    createActor(createMachine({ id: 'looping', context: loop }), { id: 'b', inspect: inspector }).start();
    await inspector.close();
    const chartOf = (name: string) => JSON.parse(actorNamed(relay.messages, name)!.definition!) as unknown;
    expect(chartOf('a')).toEqual({ id: 'nesting', invoke: { id: 'nested', src: 'counter' } });
    expect(chartOf('b')).toEqual({ id: 'b' });
    expect(stateOf(relay.messages, 'b')?.context).toEqual({ self: '[circular]' });
  });

  it('is only what the filter lets through; it may look at all of a message', async () => {
    const relay = await relayOn();
    const inspector = inspectorAt(relay, {
      filter: (message) =>
        message.type === '@xstate.actor' &&
        message.name === 'shown' &&
        (JSON.parse(message.definition!) as { id: string }).id === 'counter',
    });
    createActor(counter, { id: 'hidden', inspect: inspector }).start().send({ type: 'add' });
    createActor(counter, { id: 'shown', inspect: inspector }).start().send({ type: 'add' });
    await inspector.close();
    expect(relay.messages).toMatchObject([{ type: '@xstate.actor', name: 'shown' }]);
  });
});

describe('`redact`', () => {
  const SECRET = 'sk-12345';
  const hide: NonNullable<StatelyInspectorOptions['redact']> = (value) =>
    JSON.parse(JSON.stringify(value).replaceAll(SECRET, '***')) as unknown;

  it('keeps a secret in the payloads of a run from the wire', async () => {
    const relay = await relayOn();
    const places = new Set<string>();
    const inspector = inspectorAt(relay, {
      redact: (value, place) => (places.add(place), hide(value, place)),
    });
    const sim = createSimulation({ logger: quiet, inspect: inspector, reliability: { maxRetries: 1 } });
    const failing = scriptedTool('failing', [
      throws(new Error(`no ${SECRET}`)),
      fail(400, { message: SECRET }),
    ]);
    sim.troupe.registerTool(failing);
    sim.troupe.registerTool(scriptedBundle('panel', [throws(new Error(SECRET)), ok(SECRET)]));
    for (const toolName of ['failing', 'panel']) {
      const run = sim.reliable.start({ toolName, request: { key: SECRET } });
      await sim.runToIdle();
      await run.output.catch(() => {});
    }
    await sim.troupe.close();
    await inspector.close();
    expect(stateOf(relay.messages, 'run')?.status).toBe('done');
    expect(relay.texts.join('\n')).not.toContain(SECRET);
    expect(relay.texts.join('\n')).toContain('***');
    expect([...places]).toEqual(expect.arrayContaining(['input', 'event', 'context']));
  });

  it('keeps one in the payloads of any actor from the wire, and in its chart', async () => {
    const relay = await relayOn();
    const places = new Set<string>();
    const contexts: unknown[] = [];
    const inspector = inspectorAt(relay, {
      redact: (value, place) => {
        places.add(place);
        if (place === 'context') contexts.push(value);
        return hide(value, place);
      },
    });
    const machine = setup({
      types: {} as { context: { error?: unknown; key: string } },
      actors: {
        answers: fromPromise(async ({ input }: { input: { key: string } }) => ({ answer: input.key })),
        fails: fromPromise(async ({ input }: { input: { key: string } }) => {
          throw new Error(`${input.key} is wrong`, { cause: new Error(input.key) });
        }),
      },
    }).createMachine({
      id: 'm',
      context: { key: SECRET },
      initial: 'first',
      states: {
        first: { invoke: { id: 'answers', src: 'answers', input: { key: SECRET }, onDone: 'context' } },
        // A state may be named as a payload is.
        context: {
          invoke: {
            id: 'fails',
            src: 'fails',
            input: { key: SECRET },
            onError: { target: 'end', actions: assign({ error: ({ event }) => event.error }) },
          },
        },
        end: { type: 'final' },
      },
      output: { key: SECRET },
    });
    createActor(machine, { id: 'top', input: { key: SECRET }, inspect: inspector }).start();
    await relay.until(() => stateOf(relay.messages, 'top')?.status === 'done');
    const { messages, texts } = relay;
    expect(texts.join('\n')).not.toContain(SECRET);
    // XState forgets an input once it was used.
    expect(actorNamed(messages, 'answers')).toMatchObject({ snapshot: { input: { key: '***' } } });
    expect(stateOf(messages, 'answers')).toEqual({ status: 'done', output: { answer: '***' } });
    expect(actorNamed(messages, 'fails')).toMatchObject({ snapshot: { input: { key: '***' } } });
    expect(stateOf(messages, 'fails')).toMatchObject({
      status: 'error',
      error: { message: '*** is wrong', cause: { message: '***' } },
    });
    expect(stateOf(messages, 'top')).toMatchObject({
      context: { key: '***', error: { message: '*** is wrong' } },
      output: { key: '***' },
    });
    const chart = JSON.parse(actorNamed(messages, 'top')!.definition!) as typeof machine.config;
    expect(chart).toMatchObject({
      context: { key: '***' },
      states: { first: { invoke: { input: { key: '***' } } }, context: { invoke: { id: 'fails' } } },
    });
    for (const context of contexts) expect(context).toHaveProperty('key');
    expect([...places].sort()).toEqual(['context', 'error', 'event', 'input', 'output']);
  });

  it('that throws leaves the payload out; a filter that throws, the message', async () => {
    const relay = await relayOn();
    const inspector = inspectorAt(relay, {
      redact: (value, place) => {
        if (place === 'context') throw new Error('cannot');
        return place === 'event' ? 'gone' : value;
      },
      filter: (message) => {
        if (message.sessionId === bad.sessionId && message.type !== '@xstate.event')
          throw new Error('cannot');
        return true;
      },
    });
    const bad = createActor(counter, { id: 'bad', inspect: inspector });
    const good = createActor(counter, { id: 'good', inspect: inspector });
    for (const actor of [bad, good]) actor.start().send({ type: 'add', text: 'x' });
    await inspector.close();
    expect(actorNamed(relay.messages, 'bad')).toBeUndefined();
    expect(stateOf(relay.messages, 'good')).toMatchObject({ value: 'counting', context: '[left out]' });
    const events = relay.messages.flatMap((each) => (each.type === '@xstate.event' ? [each.event] : []));
    const told = [{ type: 'xstate.init' }, { type: 'add', payload: 'gone' }];
    expect(events).toEqual([...told, ...told]);
    expect(good.getSnapshot().context).toEqual({ n: 1, text: 'x' });
  });
});

describe('a receiver', () => {
  it('that comes after the first steps gets them too', async () => {
    const port = await freePort();
    const inspector = inspectorAt({ port });
    const ended = createActor(counter, { id: 'ended', inspect: inspector }).start();
    ended.send({ type: 'add' });
    ended.stop();
    const relay = await relayOn(port);
    await relay.until(() => stateOf(relay.messages, 'ended')?.status === 'stopped');
    const [introduction, ...steps] = relay.messages;
    expect(introduction).toMatchObject({ type: '@xstate.actor', snapshot: { context: { n: 0 } } });
    expect(steps.map(({ type }) => type.slice(8))).toEqual([
      'event',
      'snapshot',
      'event',
      'snapshot',
      'snapshot',
    ]);
  });

  it('that was killed and started again gets those that live, where they stand now', async () => {
    const first = await Relay.start();
    const inspector = inspectorAt(first);
    const [a, b] = ['a', 'b'].map((id) => createActor(counter, { id, inspect: inspector }).start());
    a!.send({ type: 'add' });
    b!.send({ type: 'add' });
    await first.until(() => (stateOf(first.messages, 'b')?.context as { n?: number })?.n === 1);
    await first.kill();
    b!.stop();
    a!.send({ type: 'add' });
    const quietOne = createActor(counter, { id: 'later', inspect: inspector }).start();

    const second = await relayOn(first.port);
    const receiver = await second.receiver();
    const n = (id: string) => (stateOf(second.messages, id)?.context as { n?: number })?.n;
    await second.until(() => n('a') === 2 && n('later') === 0);
    quietOne.send({ type: 'add' });
    await second.until(() => n('later') === 1);
    expect(JSON.parse(actorNamed(second.messages, 'a')!.definition!)).toMatchObject({ id: 'counter' });
    // What comes later comes as before.
    a!.send({ type: 'add' });
    await second.until(() => n('a') === 3);
    await receiver.until(() => receiver.messages.length > 0);
  });

  it('gets also those that did nothing while it was away', async () => {
    const first = await Relay.start();
    const inspector = inspectorAt(first);
    const actor = createActor(counter, { id: 'still', inspect: inspector }).start();
    actor.send({ type: 'add' });
    await first.until(() => (stateOf(first.messages, 'still')?.context as { n?: number })?.n === 1);
    await first.kill();
    const second = await relayOn(first.port);
    await second.until(() => second.texts.length > 0);
    expect(second.messages).toMatchObject([
      { type: '@xstate.actor', name: 'still', snapshot: { status: 'active', context: { n: 1 } } },
    ]);
  });

  it('that is not there costs no more than `maxHeldBytes`; the newest is held', async () => {
    const port = await freePort();
    const inspector = inspectorAt({ port }, { maxHeldBytes: 100_000 });
    const still = createActor(counter, { id: 'still', inspect: inspector }).start();
    const busy = createActor(counter, { id: 'busy', inspect: inspector }).start();
    const ended = createActor(counter, { id: 'ended', inspect: inspector }).start();
    still.send({ type: 'add', text: 'kept' });
    for (let i = 1; i <= 3000; i++) busy.send({ type: 'add', text: `${i} `.padEnd(1000, 'x') });
    ended.stop();
    const relay = await relayOn(port);
    await relay.until(() => (stateOf(relay.messages, 'busy')?.context as { n?: number })?.n === 3000);
    await relay.until(() => stateOf(relay.messages, 'ended') !== undefined);
    // Some introductions more than is held.
    expect(relay.texts.join('').length).toBeLessThan(110_000);
    expect(relay.texts.join('').length).toBeGreaterThan(80_000);
    expect(stateOf(relay.messages, 'still')).toMatchObject({ context: { n: 1, text: 'kept' } });
    // Also where its introduction had been dropped.
    expect(stateOf(relay.messages, 'ended')?.status).toBe('stopped');
    expect(still.getSnapshot().status).toBe('active');
  });

  it('that is slow is not waited for, and is up to date once it has caught up', async () => {
    const relay = await relayOn();
    const inspector = inspectorAt(relay, { maxHeldBytes: 100_000 });
    const still = createActor(counter, { id: 'still', inspect: inspector }).start();
    const busy = createActor(counter, { id: 'busy', inspect: inspector }).start();
    await relay.until(() => actorNamed(relay.messages, 'busy') !== undefined);
    relay.clients[0]!.pause();
    // More than the kernel takes.
    for (let i = 1; i <= 12_000; i++) busy.send({ type: 'add', text: `${i} `.padEnd(1000, 'x') });
    still.send({ type: 'add', text: 'kept' });
    for (let i = 1; i <= 1000; i++) busy.send({ type: 'add', text: `${i} `.padEnd(1000, 'x') });
    relay.clients[0]!.resume();
    await relay.until(() => (stateOf(relay.messages, 'busy')?.context as { n?: number })?.n === 13_000);
    await relay.until(() => (stateOf(relay.messages, 'still')?.context as { n?: number })?.n === 1);
    expect(relay.texts.length).toBeLessThan(24_000);
  });
});

describe('close()', () => {
  it('sends what is left, also before the connection stands, and nothing after', async () => {
    const relay = await relayOn();
    const inspector = inspectorAt(relay);
    const actor = createActor(counter, { id: 'a', inspect: inspector }).start();
    const closing = inspector.close();
    actor.send({ type: 'add' });
    expect(inspector.close()).toBe(closing);
    await closing;
    expect(stateOf(relay.messages, 'a')).toMatchObject({ status: 'active', context: { n: 0 } });
  });

  it('takes a second at most, and no time where nobody listens', async () => {
    const sockets: Socket[] = [];
    // Takes the connection, and never answers.
    const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const begun = performance.now();
    await inspectorAt(server.address() as AddressInfo).close();
    expect(performance.now() - begun).toBeGreaterThan(900);
    expect(performance.now() - begun).toBeLessThan(1800);
    for (const socket of sockets) socket.destroy();
    server.close();
    await inspectorAt({ port: await freePort() }).close();
    expect(performance.now() - begun).toBeLessThan(2500);
  });
});

describe('options', () => {
  it.each([
    [{ url: 'localhost:8080' }, /`options.url` is not valid: must be the address of a WebSocket/],
    [{ url: 'http://localhost:8080' }, /`options.url`/],
    [{ url: 'ws://localhost:8080/#top' }, /`options.url`/],
    [{ url: 8080 }, /`options.url`/],
    [{ filter: true }, /`options.filter` is not valid: must be a function; got true/],
    [{ redact: 'all' }, /`options.redact` is not valid: must be a function; got "all"/],
    [{ maxHeldBytes: 0 }, /`options.maxHeldBytes`/],
    [{ uri: 'ws://localhost' }, /Unknown option `options.uri`/],
    [null, /`options` is not valid/],
  ])('%j cannot be used', (options, message) => {
    const make = () => statelyInspector(options as never);
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(message);
  });
});

describe('a process', () => {
  it('ends by itself at once, where nobody listens', async () => {
    const { code, ms, stderr } = await runScript(
      `statelyInspector({ url: 'ws://127.0.0.1:${await freePort()}' });`,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(ms).toBeLessThan(1000);
  });

  it('ends by itself at once, between two attempts to connect', async () => {
    const { code, ms, stderr } = await runScript(
      `statelyInspector({ url: 'ws://127.0.0.1:${await freePort()}' });
       setTimeout(() => {}, 400);`,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(ms).toBeLessThan(1400);
  });

  it('ends by itself at once, while it is connected; what came last is sent', async () => {
    const relay = await relayOn();
    const { code, ms, stdout, stderr } = await runScript(
      `const inspect = statelyInspector({ url: '${relay.url}' });
       setTimeout(() => {
         const actor = createActor(createMachine({ id: 'm' }), { id: 'last', inspect }).start();
         actor.send({ type: 'x' });
         actor.stop();
         setImmediate(() => console.log(process.getActiveResourcesInfo().includes('Timeout')));
       }, 200);`,
    );
    expect([code, stdout, stderr]).toEqual([0, 'false\n', '']);
    expect(ms).toBeLessThan(1200);
    await relay.until(() => stateOf(relay.messages, 'last')?.status === 'stopped');
  });

  it('ends by itself, though a receiver takes nothing', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const { code, ms } = await runScript(`statelyInspector({ url: 'ws://127.0.0.1:${port}' });`);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(1000);
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('ends by itself within seconds, though a receiver stopped taking', async () => {
    const relay = await relayOn();
    void relay.until(() => relay.clients.length > 0).then(() => relay.clients[0]!.pause());
    const { code, ms } = await runScript(
      `const inspect = statelyInspector({ url: '${relay.url}' });
       const machine = createMachine({ id: 'm' });
       setTimeout(() => {
         const actor = createActor(machine, { inspect }).start();
         const text = 'x'.repeat(10_000);
         for (let i = 0; i < 5000; i++) actor.send({ type: 'x', text });
       }, 200);`,
    );
    expect(code).toBe(0);
    expect(ms).toBeLessThan(6000);
  });

  it('can wait for close()', async () => {
    const relay = await relayOn();
    const { code, stdout } = await runScript(
      `const inspect = statelyInspector({ url: '${relay.url}' });
       createActor(createMachine({ id: 'm' }), { id: 'short', inspect }).start().stop();
       await inspect.close();
       console.log('closed');`,
    );
    expect([code, stdout]).toEqual([0, 'closed\n']);
    await relay.until(() => stateOf(relay.messages, 'short')?.status === 'stopped');
  });

  it('without the two packages loads the door, and is told what is missing', async () => {
    const { code, stdout } = await runScript(
      `try { statelyInspector(); } catch (error) { console.log(error.code, error.message); }`,
      tmpdir(),
    );
    expect([code, stdout]).toEqual([
      0,
      'invalid_options statelyInspector() needs two packages more, and could not load them: npm install @statelyai/inspect ws\n',
    ]);
  });
});

/**
 * Runs a script that has XState and the door as it stands, all in one piece, so it finds the two packages only where they are
 * installed for the directory. `ms` is the time it took to end after all was loaded and the script had begun.
 */
async function runScript(script: string, cwd = process.cwd()) {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { createActor, createMachine } from 'xstate';
        import { statelyInspector } from './src/inspect/index.js';
        const begun = performance.now();
        process.on('exit', () => process.stderr.write('ms=' + (performance.now() - begun)));
        ${script}`,
      resolveDir: process.cwd(),
      loader: 'ts',
    },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  const child = spawn(process.execPath, ['--input-type=module', '-'], { cwd });
  child.stdin.end(outputFiles[0]!.text);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const killer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(killer);
  return {
    code,
    stdout,
    stderr: stderr.replace(/ms=[\d.]+$/, ''),
    ms: Number(/ms=([\d.]+)$/.exec(stderr)?.[1]),
  };
}
