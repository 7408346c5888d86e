import { microseconds, milliseconds, ratioText } from './format.mjs';

const row = (cells) => `| ${cells.join(' | ')} |`;

function table(head, rows) {
  const rule = head.map((_, index) => (index === 0 ? '---' : '--:'));
  return [head, rule, ...rows].map(row).join('\n');
}

export function benchPage({ machine, isQuick, groups, targets }, charts) {
  const { date, commit, cpu, cores, memoryGb, node, v8, versions } = machine;
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured ${date} at ${commit}${isQuick ? ' (quick)' : ''}: ${cpu}, ${cores} cores (shared), ${memoryGb} GB, Node ${node} (V8 ${v8}). ${peers.join(', ')}.`,
    '### Targets',
    table(
      ['What', 'At most', 'Measured', ''],
      targets.map(({ what, atMost, ratio, isMet }) => [
        what,
        ratioText(atMost),
        ratioText(ratio),
        isMet ? 'met' : `missed by ${ratioText(ratio / atMost)}×`,
      ]),
    ),
    ...groups.flatMap(({ title, unit, base, rows, hooked }) => {
      const chart = charts.find((each) => each.title === title);
      return [
        `### ${title}`,
        ...(chart ? [`![${title}: a bar for each, in microseconds](${chart.file})`] : []),
        rowsTable(unit, base, rows),
        ...(hooked
          ? [
              'Beside peers that switch on async hooks, which make every promise of a process slower:',
              rowsTable(unit, base, hooked),
            ]
          : []),
      ];
    }),
  ].join('\n\n');
}

export function scalePage({ machine, isQuick, rows }) {
  return [
    `Measured ${machine.date} at ${machine.commit}${isQuick ? ' (quick)' : ''}, on the same machine.`,
    table(
      ['What', 'Measured', 'Target', ''],
      rows.map(({ what, value, target = '', isMet }) => [
        what,
        value,
        target,
        isMet === undefined ? '' : isMet ? 'met' : 'missed',
      ]),
    ),
  ].join('\n\n');
}

export function restatePage({ machine, isQuick, inFlight, rows, ratios }) {
  const { date, commit, cpu, cores, memoryGb, node, versions } = machine;
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured ${date} at ${commit}${isQuick ? ' (quick)' : ''}: ${cpu}, ${cores} cores (shared), ${memoryGb} GB, Node ${node}, ${peers.join(', ')}; server, one instance and the callers on this machine.`,
    table(
      [
        '',
        'median ms',
        'p90 ms',
        `a second, ${inFlight} in flight`,
        'processor ms each: server',
        'instance',
        'caller',
      ],
      rows.map(({ name, p50, p90, perSecond, serverMs, instanceMs, callerMs }) => [
        name,
        milliseconds(p50),
        milliseconds(p90),
        Math.round(perSecond),
        milliseconds(serverMs),
        milliseconds(instanceMs),
        milliseconds(callerMs),
      ]),
    ),
    table(
      ['Beside each other', 'time, one by one', `a second, ${inFlight} in flight`],
      ratios.map(({ name, other, time, perSecond }) => [
        `${name} to ${other}`,
        `${ratioText(time)}×`,
        `${ratioText(perSecond)}×`,
      ]),
    ),
  ].join('\n\n');
}

function rowsTable(unit, base, rows) {
  return table(
    ['', `µs a ${unit}`, 'middle half', `to ${base}`, 'What it does, and does not'],
    rows.map(({ name, us, ratio, does }) => [
      name,
      microseconds(us.median),
      `${microseconds(us.low)}–${microseconds(us.high)}`,
      ratioText(ratio),
      does,
    ]),
  );
}
