import { InMemoryTransport, Server } from '@modelcontextprotocol/server';
import { afterEach, describe, expect, it } from 'vitest';
import { Orchestrator, Troupe } from '../../../src/index.js';
import { connectMcp, type ConnectMcpOptions, type McpConnection } from '../../../src/adapters/mcp/index.js';
import { inMemory, recordingLogger, text, tool, type OfficialOptions } from './peers.js';

const open: McpConnection[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});

async function connect(server: OfficialOptions, options: Partial<ConnectMcpOptions> = {}) {
  const logger = recordingLogger();
  const { transport } = inMemory(server);
  const connection = await connectMcp({ name: 'docs', transport, logger, ...options });
  open.push(connection);
  return { connection, logger };
}

describe('the tools of a server', () => {
  it('are those of all its pages, registered with a prefix, under one provider', async () => {
    const { connection } = await connect({
      pages: [[tool('a', { description: 'First' })], [tool('b')], [tool('c'), tool('d')]],
    });
    const troupe = new Troupe();
    for (const each of connection.tools) troupe.registerTool(each);
    const listed = troupe.listTools();
    expect(Object.keys(listed)).toEqual(['docs_a', 'docs_b', 'docs_c', 'docs_d']);
    expect(listed.docs_a).toEqual({
      version: '7.1.0',
      description: 'First',
      capabilities: [],
      provider: 'docs',
      idempotent: false,
      hasInput: true,
      hasOutput: false,
    });
    const output = await new Orchestrator(troupe).run({ toolName: 'docs_d', request: { n: 1 } });
    expect(output.content).toBe('{"name":"d","n":1}');
    await troupe.close();
  });

  it('get legal names; a long one is cut and stays unique', async () => {
    const long = 'x'.repeat(200);
    const { connection } = await connect({
      pages: [[tool('a b!'), tool(`${long}1`), tool(`${long}2`), tool('ü/x:y.z-1')]],
    });
    const names = connection.tools.map(({ name }) => name);
    expect(names[0]).toBe('docs_a_b_');
    expect(names[3]).toBe('docs__/x:y.z-1');
    expect(names[1]).toHaveLength(128);
    expect(names[1]).not.toBe(names[2]);
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_./:-]{1,128}$/);
  });

  it('that would share a name are reported, both of them, and nothing is left open', async () => {
    const { servers, transport } = inMemory({ pages: [[tool('a b'), tool('a?b')]] });
    const connecting = connectMcp({ name: 'docs', transport, logger: recordingLogger() });
    await expect(connecting).rejects.toMatchObject({
      name: 'ToolRegistrationError',
      message: expect.stringMatching(/"a b" and "a\?b".*"docs_a_b".*overrides.*include/s),
    });
    expect(servers).toHaveLength(1);
    expect(servers[0]!.transport).toBeUndefined();
  });

  it('that would share a name can be given others', async () => {
    const { connection } = await connect(
      { pages: [[tool('a b'), tool('a?b')]] },
      { overrides: { 'a?b': { name: 'other' } } },
    );
    expect(connection.tools.map(({ name }) => name)).toEqual(['docs_a_b', 'other']);
  });

  it('listed twice under one name are taken once, with a warning', async () => {
    const pages = [[tool('same', { description: 'one' }), tool('same', { description: 'two' })]];
    const { connection, logger } = await connect({ pages });
    expect(connection.tools.map(({ description }) => description)).toEqual(['one']);
    expect(logger.warnings).toEqual([expect.stringContaining('lists the tool "same" twice')]);
  });

  it('are none of a server without any', async () => {
    const transport = async () => {
      const [ours, theirs] = InMemoryTransport.createLinkedPair();
      await new Server({ name: 'bare', version: '1' }, { capabilities: {} }).connect(theirs);
      return ours;
    };
    const { connection } = await connect({}, { transport });
    expect(connection.tools).toEqual([]);
  });

  it('can be chosen, by names or a function, and renamed', async () => {
    const pages = [[tool('a'), tool('b'), tool('c')]];
    const byName = await connect({ pages }, { include: ['c', 'a'], prefix: '' });
    expect(byName.connection.tools.map(({ name }) => name)).toEqual(['a', 'c']);
    const byFunction = await connect({ pages }, { include: (name) => name > 'a', prefix: 'p/' });
    expect(byFunction.connection.tools.map(({ name }) => name)).toEqual(['p/b', 'p/c']);
  });

  it.each([
    [{ include: ['a', 'typo'] }, 'include'],
    [{ overrides: { typo: { idempotent: true } } }, 'overrides'],
  ])('that an option names and the server has not are reported: %o', async (options, option) => {
    const { transport } = inMemory({ pages: [[tool('a')]] });
    await expect(
      connectMcp({ name: 'docs', transport, logger: recordingLogger(), ...options }),
    ).rejects.toMatchObject({
      name: 'InvalidOptionsError',
      message: expect.stringMatching(new RegExp(`connectMcp.${option}\`.*"typo".*It has: a`, 's')),
    });
  });
});

describe('hints', () => {
  const idempotent = async (annotations: unknown, override?: boolean) => {
    const { connection } = await connect(
      { pages: [[tool('t', annotations === undefined ? {} : { annotations })]] },
      override === undefined ? {} : { overrides: { t: { idempotent: override } } },
    );
    return connection.tools[0]!.idempotent;
  };

  it.each([
    [undefined, false],
    [{}, false],
    [{ readOnlyHint: true }, true],
    [{ readOnlyHint: false }, false],
    [{ idempotentHint: true }, true],
    [{ idempotentHint: true, destructiveHint: true }, false],
    [{ idempotentHint: true, destructiveHint: false }, true],
    [{ destructiveHint: false }, false],
    [{ readOnlyHint: true, destructiveHint: true }, true],
  ])('%o: idempotent is %s', async (annotations, expected) => {
    expect(await idempotent(annotations)).toBe(expected);
  });

  it('are beaten by an override, both ways', async () => {
    expect(await idempotent({ readOnlyHint: true }, false)).toBe(false);
    expect(await idempotent(undefined, true)).toBe(true);
  });
});

describe('schemas', () => {
  const inputSchema = {
    type: 'object',
    properties: { city: { type: 'string' }, at: { $ref: '#/$defs/when' } },
    required: ['city'],
    $defs: { when: { type: 'integer' } },
  };

  it('are checked before the call, references inside them resolved', async () => {
    let calls = 0;
    const call = () => ((calls += 1), text('sunny'));
    const { connection } = await connect({ pages: [[tool('weather', { inputSchema })]], call });
    const [weather] = connection.tools;
    const orchestrator = new Orchestrator(new Troupe());
    const wrong = await orchestrator.run({ tool: weather!, request: { city: 1 } });
    expect(wrong.error).toMatchObject({ code: 'validation', message: expect.stringContaining('city') });
    const at = await orchestrator.run({ tool: weather!, request: { city: 'Bern', at: 'noon' } });
    expect(at.error).toMatchObject({ code: 'validation' });
    expect(calls).toBe(0);
    const right = await orchestrator.run({ tool: weather!, request: { city: 'Bern', at: 12 } });
    expect(right.content).toBe('sunny');
  });

  it('of the answer are checked too', async () => {
    const outputSchema = { type: 'object', properties: { t: { type: 'number' } }, required: ['t'] };
    const call = ({ t }: { t: unknown }) => ({ content: [], structuredContent: { t } });
    const { connection } = await connect({ pages: [[tool('weather', { outputSchema })]], call });
    const orchestrator = new Orchestrator(new Troupe());
    const run = (t: unknown) => orchestrator.run({ tool: connection.tools[0]!, request: { t } as never });
    expect(await run(3)).toMatchObject({ status: 'completed', content: { t: 3 } });
    expect(await run('warm')).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
  });

  it('of two tools under one `$id` stay apart', async () => {
    const of = (type: string) => ({
      $id: 'https://example.test/same.json',
      type: 'object',
      properties: { v: { type } },
      required: ['v'],
    });
    const { connection, logger } = await connect({
      pages: [[tool('n', { inputSchema: of('number') }), tool('s', { inputSchema: of('string') })]],
    });
    const orchestrator = new Orchestrator(new Troupe());
    const status = async (index: number, v: unknown) =>
      (await orchestrator.run({ tool: connection.tools[index]!, request: { v } as never })).status;
    expect(await status(0, 1)).toBe('completed');
    expect(await status(1, 'x')).toBe('completed');
    expect(await status(1, 1)).toBe('failed');
    expect(logger.warnings).toEqual([]);
  });

  it.each([
    ['a remote reference', { type: 'object', properties: { a: { $ref: 'https://example.test/s.json' } } }],
    ['a pattern that is none', { type: 'object', properties: { a: { type: 'string', pattern: '(' } } }],
    ['a type that is none', { type: 'object', properties: { a: { type: 'nonsense' } } }],
    ['another dialect', { $schema: 'http://json-schema.org/draft-03/schema#', type: 'object' }],
    ['300,000 characters', { type: 'object', description: 'x'.repeat(300_000) }],
  ])('with %s are not checked, with a warning, and fetch nothing', async (_what, bad) => {
    const { connection, logger } = await connect({
      pages: [[tool('t', { inputSchema: bad, outputSchema: bad })]],
    });
    expect(logger.warnings).toHaveLength(2);
    expect(logger.warnings[0]).toMatch(/inputSchema of the MCP tool "t" of "docs" cannot be used/);
    const output = await new Orchestrator(new Troupe()).run({
      tool: connection.tools[0]!,
      request: { a: 1 },
    });
    expect(output.status).toBe('completed');
  });

  it('that leave the arguments open still want an object', async () => {
    const bad = { type: 'object', properties: { a: { type: 'nonsense' } } };
    const { connection } = await connect({ pages: [[tool('t', { inputSchema: bad })]] });
    const output = await new Orchestrator(new Troupe()).run({ tool: connection.tools[0]!, request: [1] });
    expect(output.error).toMatchObject({ code: 'validation' });
  });
});

describe('options', () => {
  const { transport } = inMemory();
  it.each([
    [{ name: 'a b' }, /Option `connectMcp.name`.*letters.*a b/],
    [{ name: 'x', retries: 3 }, /Unknown option `connectMcp.retries`/],
    [{ name: 'x', callTimeoutMs: 0 }, /`connectMcp.callTimeoutMs`.*got 0/],
    [{ name: 'x', connectTimeoutMs: Infinity }, /`connectMcp.connectTimeoutMs`/],
    [{ name: 'x', transport: {} }, /`connectMcp.transport`.*must be a function/],
    [{ name: 'x', transport: () => ({}) }, /`connectMcp.transport` gave no transport/],
    [
      { name: 'x', overrides: { t: { idempotnt: true } } },
      /Unknown option `connectMcp.overrides.t.idempotnt`/,
    ],
    [{ name: 'x', logger: {} }, /`connectMcp.logger`.*methods/],
    [{ name: 'x', protocol: '2024' }, /`connectMcp.protocol`.*2024/],
  ])('%o is refused', async (options, message) => {
    await expect(connectMcp({ transport, ...options } as never)).rejects.toMatchObject({
      name: 'InvalidOptionsError',
      message: expect.stringMatching(message),
    });
  });

  it('are refused as a whole when they are none', async () => {
    await expect(connectMcp(undefined as never)).rejects.toMatchObject({ name: 'InvalidOptionsError' });
  });
});
