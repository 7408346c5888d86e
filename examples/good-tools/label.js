// A bundle tool: Troupe asks it several times, each time with a seed of its own, and counts the votes.
import { setTimeout as sleep } from 'node:timers/promises';
import { BundleTool, toolResult } from 'troupe';

export class Label extends BundleTool {
  name = 'label';
  estimate = () => ({ tokens: 80, costUsd: 0.001 });

  async replicate({ text = '' }, { seed }, { signal }) {
    // Stands for a call to a model at a temperature above 0.
    await sleep(20, undefined, { signal });
    const label = text.includes('win') && seed > 0 ? 'spam' : 'ham';
    return toolResult({ content: label, usage: { totalTokens: 40, costUsd: 0.0005 } });
  }
}
