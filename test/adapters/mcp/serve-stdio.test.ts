import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { gate, hasEnded } from './peers.js';

const child = path.join(import.meta.dirname, 'serve-child.mjs');
const open: Client[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()));
});

async function connect(mode: 'legacy' | 'auto') {
  const transport = new StdioClientTransport({ command: process.execPath, args: [child], stderr: 'pipe' });
  let said = '';
  const ended = new Promise<string>((resolve) => {
    transport.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()));
    transport.stderr!.on('end', () => resolve(said));
  });
  const client = new Client({ name: 'client', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(transport);
  open.push(client);
  return { client, ended, pid: transport.pid! };
}

describe.each(['legacy', 'auto'] as const)(
  'a server of ours on stdio, of a client that speaks %s',
  (mode) => {
    it('lists, answers, shows progress, hears of cancelled calls, and ends with its client', async () => {
      const { client, ended, pid } = await connect(mode);
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['pid', 'slow']);
      expect(client.getServerVersion()).toMatchObject({ name: 'child' });
      expect(await client.callTool({ name: 'pid', arguments: {} })).toMatchObject({
        content: [{ type: 'text', text: String(pid) }],
      });

      const inside = gate();
      const cancel = new AbortController();
      const calling = client.callTool(
        { name: 'slow', arguments: {} },
        {
          signal: cancel.signal,
          onprogress: ({ message }) => {
            if (message === `in ${pid}`) inside.open();
          },
        },
      );
      await inside.opened;
      cancel.abort();
      await expect(calling).rejects.toThrow();
      await client.close();
      expect(await ended).toBe('aborted\nended\n');
      await hasEnded(pid);
    });

    it('cancels what its client leaves behind', async () => {
      const { client, ended } = await connect(mode);
      const inside = gate();
      const calling = client.callTool(
        { name: 'slow', arguments: {} },
        { onprogress: ({ message }) => message?.startsWith('in ') && inside.open() },
      );
      await inside.opened;
      await client.close();
      await expect(calling).rejects.toThrow();
      expect(await ended).toBe('aborted\nended\n');
    });
  },
);
