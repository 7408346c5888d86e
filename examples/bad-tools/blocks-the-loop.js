// Fault: it computes for a third of a second in one go.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'blocks_the_loop',
  execute() {
    const end = Date.now() + 350;
    let rounds = 0;
    while (Date.now() < end) rounds += 1;
    return { busy: rounds > 0 };
  },
});
