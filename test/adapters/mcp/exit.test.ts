import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../../..');
const child = path.join(import.meta.dirname, 'child-server.mjs');

/** Runs a script against the built package. It must end by itself: nothing of ours may hold it. */
function play(script: string): { said: string; status: number | null } {
  const code = `
    import { Orchestrator, Troupe, defineTool } from './dist/index.js';
    import { connectMcp, mcpHandler } from './dist/mcp.js';
    ${script}`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: root,
    encoding: 'utf8',
    timeout: 15_000,
  });
  return { said: stdout + stderr, status };
}

describe('a process ends by itself', () => {
  it('once its connection to a server on stdio is closed', () => {
    const { said, status } = play(`
      import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
      const connection = await connectMcp({
        name: 'child',
        transport: () => new StdioClientTransport({ command: process.execPath, args: [${JSON.stringify(child)}] }),
      });
      const [pid] = connection.tools;
      const { status } = await new Orchestrator(new Troupe()).run({ tool: pid, request: {} });
      console.log(status);
      await connection.close();`);
    expect({ said, status }).toEqual({ said: 'completed\n', status: 0 });
  });

  it('once its connection over HTTP, and the server, are closed, with a call in flight', () => {
    const { said, status } = play(`
      import { createAdaptorServer } from '@hono/node-server';
      import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
      const stuck = defineTool({
        name: 'stuck',
        execute: (_request, _options, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      });
      const handler = await mcpHandler(new Troupe(), { tools: [stuck], authorize: () => true });
      const server = createAdaptorServer({ fetch: handler.fetch });
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = new URL('http://127.0.0.1:' + server.address().port + '/mcp');
      const connection = await connectMcp({ name: 'web', transport: () => new StreamableHTTPClientTransport(url) });
      const run = new Orchestrator(new Troupe()).start({ tool: connection.tools[0], request: {} });
      for await (const event of run.events) if (event.type === 'tool_event') break;
      await connection.close();
      console.log((await run.output).error.code);
      await handler.close();
      server.close();`);
    expect({ said, status }).toEqual({ said: 'local\n', status: 0 });
  });
});
