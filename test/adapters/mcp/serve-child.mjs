// Troupe's tools served on stdio, by the built package, as a process of its own.
import { defineTool, Troupe } from '../../../dist/index.js';
import { serveMcpStdio } from '../../../dist/mcp.js';

const troupe = new Troupe();
const pid = defineTool({ name: 'pid', execute: () => process.pid });
const slow = defineTool({
  name: 'slow',
  execute: (_request, _options, { emit, signal }) => {
    emit({ type: 'progress', message: `in ${process.pid}` });
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        process.stderr.write('aborted\n');
        reject(signal.reason);
      });
    });
  },
});

const server = await serveMcpStdio(troupe, { tools: [pid, slow], name: 'child' });
await server.closed;
await troupe.close();
process.stderr.write('ended\n');
