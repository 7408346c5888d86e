// Fault: its loop never ends.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'blocks_for_ever',
  execute({ step = 0 }) {
    let position = 0;
    while (position < 10) position += step;
    return { position };
  },
});
