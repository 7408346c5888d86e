const NUMBERS = ['', '', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];

/**
 * Tells what happened step by step in one line, and how it ended. What happens several times in a row is counted: a
 * part may say how, as in `a 503|# 503s`.
 */
export function storyOf(told: readonly (string | undefined)[], end: string): string {
  const parts: { text: string; count: number }[] = [];
  for (const text of told.flatMap((each) => each?.split(', ') ?? [])) {
    const last = parts.at(-1);
    if (last?.text === text) last.count += 1;
    else parts.push({ text, count: 1 });
  }
  const line = parts.map(({ text, count }) => counted(text, count)).join(', ');
  return line === '' ? end : `${line}: ${end}`;
}

function counted(text: string, count: number): string {
  const [one, many = `${one} (# times)`] = text.split('|') as [string, string?];
  if (count === 1) return one;
  return many.replace('#', many.startsWith('#') ? (NUMBERS[count] ?? String(count)) : String(count));
}
