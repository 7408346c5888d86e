// One group of rows, in a process of its own: node --expose-gc bench/group.mjs NAME [--hooking] [--quick]
// Prints JSON; bench/run.mjs starts it.
import { measureRows } from './measure/rounds.mjs';
import { groups } from './rows/groups.mjs';

const [, , name, ...flags] = process.argv;
const isQuick = flags.includes('--quick');
const { title, unit, base, rows, hooking, units = 1, isAnswer, isHeavy = false, close } = groups[name]();
const wanted = flags.includes('--hooking')
  ? [...rows.filter((row) => row.id !== undefined || row.name === base), ...(await hooking())]
  : rows;
for (const row of wanted) {
  const value = await row.run();
  if (!isAnswer(value)) throw new Error(`"${row.name}" of "${title}" gave ${JSON.stringify(value)}.`);
}
const rounds = isHeavy ? { rounds: isQuick ? 3 : 7 } : {};
const measured = await measureRows(
  wanted.map((row) => ({ units, ...row })),
  { isQuick, ...rounds },
);
close?.();
const baseUs = measured.find((row) => row.name === base).us.median;
console.log(
  JSON.stringify({
    title,
    unit,
    base,
    hasHooking: hooking !== undefined,
    rows: measured.map(({ name, id, does, us }) => ({ name, id, does, us, ratio: us.median / baseUs })),
  }),
);
process.exit(0);
