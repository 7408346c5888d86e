// Fault: its listener stays on the signal, and throws when that is aborted after the answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'wakes_after_abort',
  async execute(_request, _options, { signal }) {
    signal.throwIfAborted();
    let connection = { close() {} };
    signal.addEventListener('abort', () => connection.close());
    await sleep(20, undefined, { signal });
    connection = undefined;
    return 'done';
  },
});
