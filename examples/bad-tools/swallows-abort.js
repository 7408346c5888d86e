// Fault: it catches the abort and returns what it has, as if that were all.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'swallows_abort',
  async execute(_request, _options, { signal }) {
    const pages = [];
    try {
      for (let page = 1; page <= 4; page++) {
        await sleep(40, undefined, { signal });
        pages.push(page);
      }
    } catch {
      // Better some pages than none.
    }
    return { pages };
  },
});
