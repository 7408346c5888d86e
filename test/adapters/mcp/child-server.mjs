// An MCP server of the official package on stdio, as a process of its own.
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const text = (words) => ({ content: [{ type: 'text', text: String(words) }] });

serveStdio(() => {
  const server = new McpServer({ name: 'child', version: process.argv[2] ?? '1.0.0' });
  server.registerTool(
    'pid',
    { description: 'The process', inputSchema: z.object({}), annotations: { readOnlyHint: true } },
    async () => text(process.pid),
  );
  server.registerTool(
    'add',
    { inputSchema: z.object({ a: z.number(), b: z.number() }), outputSchema: z.object({ sum: z.number() }) },
    async ({ a, b }) => ({ ...text(a + b), structuredContent: { sum: a + b } }),
  );
  server.registerTool(
    'hang',
    { inputSchema: z.object({}), annotations: { readOnlyHint: true } },
    async (_args, context) => {
      const { progressToken } = context.mcpReq._meta;
      await context.mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress: 1, message: `hanging in ${process.pid}` },
      });
      return new Promise((resolve) => {
        context.mcpReq.signal.addEventListener('abort', () => resolve(text('aborted')));
      });
    },
  );
  server.registerTool('hang_once_written', { inputSchema: z.object({}) }, async () => new Promise(() => {}));
  return server;
});
