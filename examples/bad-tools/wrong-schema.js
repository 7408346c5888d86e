// Fault: what it returns is not what its own `output` schema asks for.
import { defineTool } from 'troupe';
import * as z from 'zod';

export default defineTool({
  name: 'wrong_schema',
  output: z.object({ summary: z.string() }),
  execute: ({ text = '' }) => ({ sumary: text.slice(0, 10) }),
});
