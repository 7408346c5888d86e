// Fault: it answers before it has emitted the last part.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'late_events',
  async execute(_request, _options, { emit, signal }) {
    emit({ type: 'delta', text: 'Hel' });
    await sleep(20, undefined, { signal });
    setTimeout(() => emit({ type: 'delta', text: 'lo' }), 30);
    return 'Hello';
  },
});
