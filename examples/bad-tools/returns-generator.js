// Fault: it gives its answer piece by piece, as a generator that nobody reads.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'returns_generator',
  async *execute() {
    yield 'Hel';
    yield 'lo';
  },
});
