import { microseconds } from './format.mjs';

const WIDTH = 760;
const LABEL = 300;
const BAR = 18;
const GAP = 8;

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Bars on a logarithmic scale, for peers lie three orders of magnitude apart. Readable on light and dark pages. */
export function barChart({ title, unit, rows }) {
  const top = 34;
  const height = top + rows.length * (BAR + GAP) + 8;
  const medians = rows.map(({ us }) => us.median);
  const least = Math.log(Math.min(...medians) / 2);
  const scale = (WIDTH - LABEL - 90) / (Math.log(Math.max(...medians)) - least);
  const bars = rows.map(({ name, us }, index) => {
    const y = top + index * (BAR + GAP);
    const length = Math.max(2, (Math.log(us.median) - least) * scale);
    const kind = name.startsWith('Troupe') || name.startsWith('…') ? 'ours' : 'theirs';
    return (
      `<text class="name" x="${LABEL - 8}" y="${y + 13}">${escape(name)}</text>` +
      `<rect class="${kind}" x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2"/>` +
      `<text x="${(LABEL + length + 6).toFixed(1)}" y="${y + 13}">${microseconds(us.median)}</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}">
<style>text{font:12px system-ui,sans-serif;fill:#444}.name{text-anchor:end}.title{font-weight:600}.ours{fill:#3b6fd4}.theirs{fill:#9aa4b2}@media(prefers-color-scheme:dark){text{fill:#ccc}.ours{fill:#6f9bf0}.theirs{fill:#6b7482}}</style>
<text class="title" x="0" y="16">${escape(title)}: microseconds a ${unit}, logarithmic</text>
${bars.join('\n')}
</svg>
`;
}
