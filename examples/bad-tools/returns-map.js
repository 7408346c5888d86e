// Fault: it returns a Map, which JSON cannot hold.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'returns_map',
  execute: () => new Map([['answer', 42]]),
});
