// Fault: the timer of its limit runs on when the answer has long been there.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'late_timer',
  async execute(_request, _options, { signal }) {
    const tooLate = new Promise((_, reject) => setTimeout(reject, 30_000, new Error('It took too long.')));
    tooLate.catch(() => {});
    return Promise.race([sleep(20, 'done', { signal }), tooLate]);
  },
});
