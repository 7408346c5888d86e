// Fault: it starts something it does not await, and that is rejected after the answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

async function saveToLog() {
  await sleep(60);
  throw new Error('the log is full');
}

export default defineTool({
  name: 'crashes_later',
  execute({ query = '' }) {
    saveToLog();
    return { answer: query };
  },
});
