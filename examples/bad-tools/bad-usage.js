// Fault: the usage it reports is no number.
import { defineTool, toolResult } from 'troupe';

export default defineTool({
  name: 'bad_usage',
  estimate: () => ({ tokens: 100 }),
  execute: (_request, { pricePerToken }) =>
    toolResult({ content: 'done', usage: { totalTokens: -1, costUsd: 50 * pricePerToken } }),
});
