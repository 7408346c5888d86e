// Fault: the mean of no numbers is NaN, which JSON cannot hold.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'returns_nan',
  execute({ numbers = [] }) {
    return { mean: numbers.reduce((sum, n) => sum + n, 0) / numbers.length };
  },
});
