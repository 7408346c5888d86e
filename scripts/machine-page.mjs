// The page of docs/machines on one chart.
import { chartDocument } from 'troupe/inspect';

/** What starts each timer, and how long it runs. */
const TIMERS = {
  'timer.wait':
    'until `wakeAt`: the lease of another process, a cooldown, or the time an open breaker stays open',
  'timer.backoff':
    '`initialDelayMs` times `multiplier` for each failure before, with jitter, at most `maxDelayMs`; at least what Retry-After asks',
  'timer.attempt': '`attemptTimeoutMs` from the start of the call; none without it',
  'timer.hedge': '`hedgeAfterMs` from the start of the call; none without it',
  'timer.overrun': '`abortGraceMs` (1000 ms) from the abort',
  'timer.grace': '`abortGraceMs` (1000 ms) from the limit or the cancellation',
  'timer.replicate': '`replicateTimeoutMs`, or `perReplicateBudget.ms`, from its turn; none without them',
  'deadline.passed': '`timeoutMs` from the start of the run; none without it',
  'open.elapsed':
    '`breaker.openMs` (60 s) from its opening; where that is a function, by how often it has opened in a row; at least what Retry-After asks',
  'halfOpen.elapsed': '`breaker.halfOpen.deadlineMs` (5 minutes) from the first probe',
};

/** The page of a chart. */
export async function page(machine) {
  const nodes = statesOf(machine.root);
  const { events } = machine;
  for (const event of events) {
    if (/^timer\.|elapsed$/.test(event) && !TIMERS[event])
      throw new Error(`No word on the delay of ${event}.`);
  }
  const delays = Object.keys(TIMERS).filter((event) => events.includes(event));
  return [
    `# The \`${machine.id}\` chart`,
    '',
    '<!-- Generated from the chart by scripts/machine-pages.mjs. Do not edit. -->',
    '',
    machine.root.description ?? '',
    '',
    `![The chart: states as boxes, transitions as arrows](drawings/${machine.id}.svg)`,
    '',
    '| state | what it is for | tags | goes on with |',
    '| --- | --- | --- | --- |',
    ...nodes.map(
      (node) =>
        `| \`${node.path.join('.')}\` | ${node.description ?? ''} | ${node.tags.join(', ')} | ${[...new Set(eventsOf(node))].join(', ')} |`,
    ),
    '',
    ...(delays.length === 0
      ? []
      : [
          '## Delays',
          '',
          '| event | comes after |',
          '| --- | --- |',
          ...delays.map((event) => `| \`${event}\` | ${TIMERS[event]} |`),
          '',
        ]),
    '## As a Mermaid diagram',
    '',
    '```mermaid',
    (await chartDocument(machine, 'mermaid')).trim(),
    '```',
    '',
    `\`npx troupe machines ${machine.id} --format json\` gives it to Stately Studio, \`--format svg\` the drawing.`,
    '',
  ].join('\n');
}

export function statesOf(node) {
  return Object.values(node.states).flatMap((state) => [state, ...statesOf(state)]);
}

export function transitionsOf(node) {
  return [...node.transitions.values()].flat().concat(node.always ?? []);
}

function eventsOf(node) {
  return transitionsOf(node).map(({ eventType }) => (eventType === '' ? '_at once_' : `\`${eventType}\``));
}
