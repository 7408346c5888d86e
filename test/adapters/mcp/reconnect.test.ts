import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ReliableOrchestrator, Troupe, type RunEvent, type TroupeOptions } from '../../../src/index.js';
import { connectMcp, type ConnectMcpOptions, type McpConnection } from '../../../src/adapters/mcp/index.js';
import { gate, hasEnded, inMemory, recordingLogger, text, tool } from './peers.js';

const child = path.join(import.meta.dirname, 'child-server.mjs');
const open: McpConnection[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});

async function connect(options: Partial<ConnectMcpOptions>): Promise<McpConnection> {
  const connection = await connectMcp({
    name: 'child',
    logger: recordingLogger(),
    prefix: '',
    transport: () => spawnChild(),
    ...options,
  });
  open.push(connection);
  return connection;
}

function spawnChild(...args: string[]) {
  return new StdioClientTransport({ command: process.execPath, args: [child, ...args], stderr: 'ignore' });
}

function reliable(connection: McpConnection, reliability: TroupeOptions['reliability'] = {}) {
  const troupe = new Troupe({
    tools: [...connection.tools],
    logger: recordingLogger(),
    reliability: { initialDelayMs: 0, maxDelayMs: 0, maxRetries: 2, ...reliability },
  });
  return new ReliableOrchestrator({ troupe });
}

/** Waits for the child to be inside `hang`. */
function hanging(orchestrator: ReliableOrchestrator, toolName: string) {
  const inside = gate<number>();
  const events = (event: RunEvent) => {
    if (event.type !== 'tool_event') return;
    const { message } = event.data as { message: string };
    inside.open(Number(message.split(' ').at(-1)));
  };
  const output = orchestrator.run({ toolName, request: {}, events });
  return { output, pid: inside.opened };
}

describe('a server on stdio', () => {
  it('answers, with structured content', async () => {
    const connection = await connect({});
    const orchestrator = reliable(connection);
    expect(connection.tools.map(({ name }) => name)).toEqual(['pid', 'add', 'hang', 'hang_once_written']);
    const sum = await orchestrator.run({ toolName: 'add', request: { a: 2, b: 3 } });
    expect(sum.content).toEqual({ sum: 5 });
    const wrong = await orchestrator.run({ toolName: 'add', request: { a: 'two', b: 3 } });
    expect(wrong.error).toMatchObject({ code: 'validation' });
  });

  it('that is killed during calls fails them; those safe to repeat go on with a new one, only one', async () => {
    let spawned = 0;
    const connection = await connect({ transport: () => ((spawned += 1), spawnChild()) });
    const orchestrator = reliable(connection);
    const [first, ...more] = [1, 2, 3].map(() => hanging(orchestrator, 'hang'));
    const writing = orchestrator.run({ toolName: 'hang_once_written', request: {} });
    const pid = await first!.pid;
    await Promise.all(more.map((each) => each.pid));
    process.kill(pid, 'SIGKILL');

    const lost = await writing;
    expect(lost.error).toMatchObject({
      code: 'network',
      attempts: 1,
      message: expect.stringContaining('broke during the call'),
    });
    const next = await orchestrator.run({ toolName: 'pid', request: {} });
    expect(Number(next.content)).not.toBe(pid);
    expect(spawned).toBe(2);
    await connection.close();
    for (const each of [first!, ...more]) {
      expect((await each.output).error).toMatchObject({ code: 'local', attempts: 2 });
    }
    await hasEnded(Number(next.content));
  });

  it('leaves no process when the connection is closed', async () => {
    const connection = await connect({});
    const { content } = await reliable(connection).run({ toolName: 'pid', request: {} });
    await connection.close();
    await hasEnded(Number(content));
  });

  it('that is not there is reported, and leaves nothing behind', async () => {
    const transport = () => new StdioClientTransport({ command: '/no/such/program' });
    await expect(connect({ transport })).rejects.toMatchObject({
      name: 'McpError',
      code: 'mcp_not_connected',
      message: expect.stringMatching(/"child" cannot be reached.*ENOENT/),
    });
  });

  it('that says nothing is given up, and its process ended', async () => {
    let silent: StdioClientTransport | undefined;
    const transport = () =>
      (silent = new StdioClientTransport({
        command: process.execPath,
        args: ['-e', 'process.stdin.resume()'],
      }));
    const connecting = connect({ transport, connectTimeoutMs: 300 });
    await expect(connecting).rejects.toMatchObject({
      code: 'mcp_not_connected',
      message: expect.stringContaining('within 300 ms'),
    });
    expect(silent!.pid).toBeNull();
  });
});

describe('a server that cannot be reached any more', () => {
  async function deadAfterStart() {
    let isDead = false;
    let attempts = 0;
    const { transport, servers } = inMemory({ pages: [[tool('t')]], call: () => text('x') });
    const connection = await connect({
      name: 'srv',
      transport: () => {
        attempts += 1;
        if (isDead) throw new Error('nobody listens');
        return transport();
      },
    });
    isDead = true;
    await servers[0]!.close();
    return { connection, attempts: () => attempts - 1, revive: () => (isDead = false), servers };
  }

  it('is tried again although the tool may not be repeated: nothing was sent', async () => {
    const { connection, attempts } = await deadAfterStart();
    const output = await reliable(connection).run({ toolName: 't', request: {} });
    expect(connection.tools[0]!.idempotent).toBe(false);
    expect(attempts()).toBe(3);
    expect(output.error).toMatchObject({
      code: 'network',
      message: expect.stringContaining('nobody listens'),
    });
  });

  it('opens its breaker, which then spares it', async () => {
    const { connection, attempts, revive, servers } = await deadAfterStart();
    const orchestrator = reliable(connection, {
      maxRetries: 0,
      breaker: { window: { kind: 'consecutive' }, failures: 3, openMs: 60_000 },
    });
    const run = () => orchestrator.run({ toolName: 't', request: {} });
    for (let n = 0; n < 3; n += 1) expect((await run()).error).toMatchObject({ code: 'network' });
    expect(orchestrator.troupe.breaker('srv').state).toBe('open');
    expect((await run()).error).toMatchObject({ code: 'breaker_open' });
    expect(attempts()).toBe(3);
    revive();
    orchestrator.troupe.breaker('srv').reset();
    expect((await run()).content).toBe('x');
    expect(servers).toHaveLength(2);
  });

  it('is connected to once, however many calls wait', async () => {
    const { connection, attempts, revive } = await deadAfterStart();
    revive();
    const orchestrator = reliable(connection);
    const outputs = await Promise.all(
      Array.from({ length: 50 }, () => orchestrator.run({ toolName: 't', request: {} })),
    );
    expect(outputs.every(({ content }) => content === 'x')).toBe(true);
    expect(attempts()).toBe(1);
  });

  it('does not hold a cancelled call, nor does that one end the connecting of others', async () => {
    const connecting = gate();
    const { transport, servers } = inMemory({ pages: [[tool('t')]], call: () => text('x') });
    const connection = await connect({
      transport: async () => {
        if (servers.length > 0) await connecting.opened;
        return transport();
      },
    });
    await servers[0]!.close();
    const orchestrator = reliable(connection);
    const leaves = orchestrator.start({ toolName: 't', request: {} });
    const stays = orchestrator.start({ toolName: 't', request: {} });
    leaves.cancel();
    await expect(leaves.output).rejects.toMatchObject({ name: 'AbortError' });
    connecting.open();
    expect((await stays.output).content).toBe('x');
    expect(servers).toHaveLength(2);
  });

  it('does not hold close() either', async () => {
    const { transport, servers } = inMemory({ pages: [[tool('t')]] });
    const never = new Promise<never>(() => {});
    const connection = await connect({ transport: () => (servers.length > 0 ? never : transport()) });
    await servers[0]!.close();
    const waiting = reliable(connection).run({ toolName: 't', request: {} });
    await Promise.resolve();
    await connection.close();
    expect((await waiting).error).toMatchObject({ code: 'local' });
  });
});

describe('a list of tools that changes', () => {
  it('is taken over: the same objects for the same names, new ones told of, old ones refused', async () => {
    let pages = [[tool('kept', { description: 'old' }), tool('gone')]];
    const changed = gate<unknown>();
    const { transport, servers } = inMemory({
      pages: () => pages,
      call: ({ name }) => text(name),
      listChanged: true,
    });
    const connection = await connect({
      transport,
      onToolsChanged: ({ added, changed: others, removed }) =>
        changed.open([added, others, removed].map((list) => list.map(({ name }) => name))),
    });
    const orchestrator = reliable(connection);
    const kept = connection.tools[0]!;
    const schema = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };
    pages = [[tool('kept', { description: 'new', inputSchema: schema }), tool('fresh')]];
    await servers[0]!.sendToolListChanged();

    expect(await changed.opened).toEqual([['fresh'], ['kept'], ['gone']]);
    expect(connection.tools.map(({ name }) => name)).toEqual(['kept', 'fresh']);
    expect(connection.tools[0]).toBe(kept);
    expect(orchestrator.troupe.listTools().kept!.description).toBe('new');
    const unfit = await orchestrator.run({ toolName: 'kept', request: {} });
    expect(unfit.error).toMatchObject({ code: 'validation' });
    const gone = await orchestrator.run({ toolName: 'gone', request: {} });
    expect(gone.error).toMatchObject({ code: 'not_found', message: expect.stringContaining('no more') });
    orchestrator.troupe.registerTool(connection.tools[1]!);
    expect((await orchestrator.run({ toolName: 'fresh', request: {} })).content).toBe('fresh');
  });

  it('can be asked for', async () => {
    let pages = [[tool('a')]];
    const { transport } = inMemory({ pages: () => pages });
    const connection = await connect({ transport });
    expect(await connection.refresh()).toEqual({ added: [], changed: [], removed: [] });
    pages = [[]];
    expect((await connection.refresh()).removed.map(({ name }) => name)).toEqual(['a']);
    pages = [[tool('a'), tool('b')]];
    const { added, changed } = await connection.refresh();
    expect([added, changed].map((list) => list.map(({ name }) => name))).toEqual([['b'], ['a']]);
  });

  it('is read again after a reconnect', async () => {
    let version = '1.0.0';
    let spawned: StdioClientTransport | undefined;
    const connection = await connect({ transport: () => (spawned = spawnChild(version)) });
    expect(connection.tools[0]!.version).toBe('1.0.0');
    version = '2.0.0';
    process.kill(spawned!.pid!, 'SIGKILL');
    await reliable(connection).run({ toolName: 'pid', request: {} });
    expect(connection.tools[0]!.version).toBe('2.0.0');
  });

  it('with two of one name later is no end of the connection: a warning, and the first stays', async () => {
    let pages = [[tool('a b')]];
    const logger = recordingLogger();
    const { transport } = inMemory({ pages: () => pages });
    const connection = await connect({ transport, logger });
    pages = [[tool('a b'), tool('a?b')]];
    expect((await connection.refresh()).added).toEqual([]);
    expect(logger.warnings).toEqual([expect.stringContaining('would both be named "a_b"')]);
  });

  it('is no trouble when `onToolsChanged` throws', async () => {
    let pages = [[tool('a')]];
    const logger = recordingLogger();
    const { transport } = inMemory({ pages: () => pages });
    const connection = await connect({
      transport,
      logger,
      onToolsChanged: () => {
        throw new Error('mine');
      },
    });
    pages = [[]];
    await connection.refresh();
    expect(logger.warnings).toEqual([expect.stringContaining('mine')]);
  });
});
