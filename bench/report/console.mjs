import { microseconds, ratioText } from './format.mjs';

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
