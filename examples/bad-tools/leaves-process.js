// Fault: the program it starts is not ended when the call is aborted.
import { spawn } from 'node:child_process';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'leaves_process',
  execute: (_request, _options, { signal }) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 400)'], { stdio: 'ignore' });
      child.on('exit', (code) => resolve({ code })).on('error', reject);
      signal.addEventListener('abort', () => reject(signal.reason));
    }),
});
