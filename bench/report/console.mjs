import { microseconds, milliseconds, ratioText } from './format.mjs';

export function printMachine({ cpu, cores, memoryGb, node, v8, commit, versions }) {
  console.log(`${cpu}, ${cores} cores, ${memoryGb} GB · Node ${node} (V8 ${v8}) · commit ${commit}`);
  console.log(
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  );
}

export function printGroup({ title, unit, base, rows }) {
  console.log(`\n${title} (microseconds a ${unit}; median, middle half, ratio to ${base})`);
  for (const { name, us, ratio, does } of rows) {
    const spread = `${microseconds(us.low)}–${microseconds(us.high)}`;
    console.log(
      `  ${name.padEnd(50)}${microseconds(us.median).padStart(10)}  ${spread.padStart(20)}  ${ratioText(ratio).padStart(7)}  ${does}`,
    );
  }
}

export function printTargets(targets) {
  if (targets.length > 0) console.log('\nTargets (SPEC section 4)');
  for (const { what, atMost, ratio, isMet } of targets) {
    console.log(
      `  ${what.padEnd(60)} ${ratioText(ratio).padStart(7)} of at most ${ratioText(atMost)}: ${isMet ? 'met' : 'missed'}`,
    );
  }
}

export function printScale(rows) {
  for (const { what, value, target, isMet } of rows) {
    const verdict = target === undefined ? '' : `  (${target}: ${isMet ? 'met' : 'missed'})`;
    console.log(`  ${what.padEnd(62)} ${value}${verdict}`);
  }
}

export function printRestate({ inFlight, rows, ratios }) {
  console.log(
    `\n${''.padEnd(44)}  median ms   p90 ms  runs/s (${inFlight} in flight)  processor ms: server, instance, caller`,
  );
  for (const { name, p50, p90, perSecond, serverMs, instanceMs, callerMs } of rows) {
    const cells = [milliseconds(p50).padStart(11), milliseconds(p90).padStart(9)];
    const rate = Math.round(perSecond).toString().padStart(10);
    console.log(
      `${name.padEnd(44)}${cells.join('')}${rate}${' '.repeat(17)}${milliseconds(serverMs).padStart(10)}${milliseconds(instanceMs).padStart(8)}${milliseconds(callerMs).padStart(8)}`,
    );
  }
  console.log('\nRatios: of medians, of runs/s');
  for (const { name, other, time, perSecond } of ratios) {
    console.log(
      `${name.padEnd(30)} to ${other.padEnd(44)}${ratioText(time).padStart(6)}${ratioText(perSecond).padStart(8)}`,
    );
  }
}
