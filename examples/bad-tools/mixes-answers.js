// Fault: it keeps the request of one call where the next call overwrites it.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

let current;

export default defineTool({
  name: 'mixes_answers',
  async execute(request, _options, { signal }) {
    current = request.query;
    await sleep(5, undefined, { signal });
    return { answer: `You asked: ${current}` };
  },
});
