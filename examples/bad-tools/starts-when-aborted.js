// Fault: called with a signal that is aborted already, it waits for an event that is long past, and works.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'starts_when_aborted',
  execute: (_request, _options, { signal }) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 120, 'done');
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    }),
});
