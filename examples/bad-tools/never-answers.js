// Fault: it waits for an event that does not come, and for nothing else.
import { once, EventEmitter } from 'node:events';
import { defineTool } from 'troupe';

export default defineTool({
  name: 'never_answers',
  async execute() {
    const bus = new EventEmitter();
    const [answer] = await once(bus, 'answer');
    return answer;
  },
});
