// Fault: when it is aborted it rejects, as it should, but its timer goes on asking in the background.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'polls_on',
  execute: (_request, _options, { signal }) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      signal.addEventListener('abort', () => reject(signal.reason));
      let polls = 0;
      const timer = setInterval(() => {
        polls += 1;
        if (signal.aborted || polls < 8) return;
        clearInterval(timer);
        resolve('done');
      }, 20);
    }),
});
