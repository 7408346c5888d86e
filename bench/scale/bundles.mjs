import { BundleTool, ReliableOrchestrator, Troupe } from '../troupe.mjs';
import { measureRows } from '../measure/rounds.mjs';
import { longestStall } from '../measure/stalls.mjs';
import { until } from '../measure/until.mjs';
import { logSlope } from '../measure/statistics.mjs';
import { answerReplicate } from '../rows/answers.mjs';

class Answers extends BundleTool {
  name = 'answers';
  constructor(give) {
    super();
    this.give = give;
  }
  replicate(_request, { index }, context) {
    return this.give(index, context);
  }
}

const text64k = (index) => `${index} `.padEnd(64 * 1024, 'lorem ipsum dolor sit amet ');
const forEver = (_index, { signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

function start(give, k, maxParallel = 10) {
  return new ReliableOrchestrator({ troupe: new Troupe() }).start({
    tool: new Answers(give),
    request: {},
    toolOptions: { k, maxParallel, stopping: 'fixed' },
    options: { maxParallel },
  });
}

const SIZES = [10, 30, 100, 300, 1000, 3000, 10_000];

export async function bundleCosts(isQuick) {
  const tool = new Answers(answerReplicate);
  const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
  const rows = SIZES.map((k) => ({
    units: k,
    run: async () => {
      const toolOptions = { k, stopping: 'fixed' };
      const { content } = await orchestrator.run({ tool, request: {}, toolOptions });
      if (content.evidenceBundle.meta.valid !== k) throw new Error('A replicate did not answer.');
    },
  }));
  const costs = (await measureRows(rows, { isQuick })).map(({ units, us }) => [units, us.median]);
  const at = (k) => costs.find(([size]) => size === k)[1];
  const ratio = at(10_000) / at(100);
  return [
    {
      what: `A replicate, by k (${SIZES.join(', ')})`,
      value: `${costs.map(([, us]) => Math.round(us)).join(', ')} µs`,
    },
    {
      what: 'Log-log slope of a bundle’s cost over k',
      value: logSlope(costs.map(([k, us]) => [k, k * us])).toFixed(2),
    },
    {
      what: 'A replicate of 10,000 to one of 100',
      value: ratio.toFixed(2),
      target: 'at most 1.3',
      isMet: ratio <= 1.3,
    },
  ];
}

const STALLS = [
  { name: '10,000 replicates, small answers', k: 10_000, give: answerReplicate },
  { name: '10,000 replicates at once', k: 10_000, maxParallel: 10_000, give: answerReplicate },
  { name: '1,000 replicates of 64 KiB, 8 different', k: 1000, give: (index) => text64k(index % 8) },
  { name: '1,000 replicates of 64 KiB, all different', k: 1000, give: text64k },
  { name: '10,000 replicates of 64 KiB, all different', k: 10_000, give: text64k, isLong: true },
];

export async function bundleStalls(isQuick) {
  const rows = [];
  for (const { name, k, give, maxParallel, isLong } of STALLS) {
    if (isLong && isQuick) continue;
    globalThis.gc();
    const { ms } = await longestStall(() => start(give, k, maxParallel).output);
    rows.push(stall(name, ms));
  }
  rows.push(stall('10,000 replicates in flight, cancelled', await cancelled()));
  return rows;
}

async function cancelled() {
  let begun = 0;
  const run = start((index, context) => (begun++, forEver(index, context)), 10_000, 10_000);
  await until(() => begun === 10_000);
  globalThis.gc();
  const { ms } = await longestStall(() => {
    run.cancel();
    return run.output.catch(() => {});
  });
  return ms;
}

function stall(name, ms) {
  return {
    what: `Longest stall: ${name}`,
    value: `${Math.round(ms)} ms`,
    target: 'at most 50 ms',
    isMet: ms <= 50,
  };
}
