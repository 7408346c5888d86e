// Fault: it waits without its signal, so a cancel does not reach it.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'ignores_signal',
  async execute({ query = '' }) {
    await sleep(150);
    return { answer: query };
  },
});
