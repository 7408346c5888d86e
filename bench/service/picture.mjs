const WIDTH = 760;
const HEIGHT = 150;
const LEFT = 70;

/**
 * The course of a soak: memory, runs a second, overhead.
 *
 * @param {{ minute: number, memoryMiB: number, runsPerSecond: number, overheadP99Ms: number }[]} points
 */
export function soakPicture(points) {
  const rows = [
    ['memory, MiB', points.map(({ memoryMiB }) => memoryMiB)],
    ['runs a second', points.map(({ runsPerSecond }) => runsPerSecond)],
    ['overhead, p99, ms', points.map(({ overheadP99Ms }) => overheadP99Ms)],
  ];
  const minutes = points.at(-1)?.minute ?? 1;
  const parts = rows.map(([name, values], row) =>
    panel(String(name), /** @type {number[]} */ (values), row * (HEIGHT + 40)),
  );
  const height = rows.length * (HEIGHT + 40) + 20;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#444">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${parts.join('\n')}
<text x="${WIDTH - 10}" y="${height - 8}" text-anchor="end">${Math.round(minutes)} minutes</text>
</svg>
`;
}

/** @param {string} name @param {number[]} values @param {number} top */
function panel(name, values, top) {
  const most = Math.max(1, ...values.filter(Number.isFinite)) * 1.1;
  const x = (/** @type {number} */ index) =>
    LEFT + (index / Math.max(1, values.length - 1)) * (WIDTH - LEFT - 10);
  const y = (/** @type {number} */ value) => top + 30 + HEIGHT - (value / most) * HEIGHT;
  const line = values.map(
    (value, index) => `${x(index).toFixed(1)},${y(Number.isFinite(value) ? value : 0).toFixed(1)}`,
  );
  const marks = [0, most / 2, most].map(
    (value) =>
      `<line x1="${LEFT}" x2="${WIDTH - 10}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#ddd"/>` +
      `<text x="${LEFT - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${Math.round(value)}</text>`,
  );
  return `<text x="${LEFT}" y="${top + 20}" font-weight="bold">${name}</text>
${marks.join('\n')}
<polyline points="${line.join(' ')}" fill="none" stroke="#2563eb" stroke-width="1.5"/>`;
}
