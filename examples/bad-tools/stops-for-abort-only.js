// Fault: it knows the AbortError of a cancel, but not the TimeoutError of a deadline, and goes on.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'stops_for_abort_only',
  async execute(_request, _options, { signal }) {
    for (let part = 0; part < 10; part++) {
      if (signal.reason?.name === 'AbortError') throw signal.reason;
      await sleep(20);
    }
    return 'done';
  },
});
