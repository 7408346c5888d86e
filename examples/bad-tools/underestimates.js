// Fault: a call uses more than its estimate said, so a budget cannot hold.
import { defineTool, toolResult } from 'troupe';

export default defineTool({
  name: 'underestimates',
  estimate: () => ({ tokens: 100, costUsd: 0.001 }),
  execute: ({ query = '' }) =>
    toolResult({
      content: { answer: query },
      usage: { inputTokens: 40, outputTokens: 400, costUsd: 0.004 },
    }),
});
