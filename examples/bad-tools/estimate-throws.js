// Fault: its estimate cannot cope with a request that leaves something out.
import { defineTool, toolResult } from 'troupe';

export default defineTool({
  name: 'estimate_throws',
  estimate: ({ options }) => ({ tokens: options.maxTokens }),
  execute: ({ query = '' }) =>
    toolResult({ content: { answer: query }, usage: { totalTokens: 10, costUsd: 0.0001 } }),
});
