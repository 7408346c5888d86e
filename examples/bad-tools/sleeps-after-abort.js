// Fault: it catches the abort and takes half a minute to clean up.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'sleeps_after_abort',
  async execute(_request, _options, { signal }) {
    try {
      await sleep(100, undefined, { signal });
      return 'done';
    } catch (error) {
      await sleep(30_000);
      throw error;
    }
  },
});
