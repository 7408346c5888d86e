// A run that is retried, recorded: node examples/recording/main.js run.ndjson, then npx troupe replay run.ndjson
import { defineTool, ReliableOrchestrator, Troupe } from 'troupe';
import { recorder } from 'troupe/inspect';

const ask = defineTool({
  name: 'ask',
  execute: (/** @type {{ question: string }} */ { question }, _options, { attempt }) => {
    if (attempt < 3) throw Object.assign(new Error('Too many requests'), { status: 429 });
    return { question, answer: 'It depends.' };
  },
});

const troupe = new Troupe({
  inspect: recorder(process.argv[2] ?? 'run.ndjson'),
  reliability: { initialDelayMs: 50 },
});
const { content } = await new ReliableOrchestrator({ troupe }).run({
  tool: ask,
  request: { question: 'Is it done?' },
});
console.log(content);
await troupe.close();
