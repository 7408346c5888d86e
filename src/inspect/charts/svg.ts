import { labelOf, type ChartState } from './graph.js';
import { LINE, layoutOf, type Box, type DrawnArrow } from './layout.js';

const STYLE = `
.troupe-chart{font:12px system-ui,sans-serif;--line:#8a94a6;--text:#1d2433;--soft:#5a6475;--state:#fff;--inner:#f5f7fa;--lit:#ffd54a;--lit-text:#1d2433;--taken:#c2410c;--bad:#b3261e}
@media(prefers-color-scheme:dark){.troupe-chart{--line:#6b7689;--text:#e6eaf2;--soft:#a3adbd;--state:#20283a;--inner:#171d2b;--lit:#e0b11c;--lit-text:#10151f;--taken:#fb923c;--bad:#ff8a80}}
.troupe-chart .state rect{fill:var(--state);stroke:var(--line);stroke-width:1.2}
.troupe-chart .state.outer>rect{fill:var(--inner)}
.troupe-chart .state.final>rect{stroke-width:2.6}
.troupe-chart .state>text{fill:var(--text);font-weight:600}
.troupe-chart .state .begin{fill:var(--text)}
.troupe-chart .arrow path{fill:none;stroke:var(--line);stroke-width:1.1}
.troupe-chart .arrow .tip{fill:var(--line);stroke:none}
.troupe-chart .arrow text,.troupe-chart .anywhere text{fill:var(--soft);font-size:10px}
.troupe-chart .state.lit>rect{fill:var(--lit);stroke-width:2.4;stroke:var(--text)}
.troupe-chart .state.lit>text{fill:var(--lit-text)}
.troupe-chart .state.outer.lit>rect{fill:color-mix(in srgb,var(--lit) 22%,var(--inner))}
.troupe-chart .state.outer.lit>text{fill:var(--text)}
.troupe-chart .taken path{stroke:var(--taken);stroke-width:2.4}
.troupe-chart .taken .tip{fill:var(--taken)}
.troupe-chart .arrow text.taken,.troupe-chart .anywhere text.taken{fill:var(--taken);font-weight:700}
`;

const MARGIN = 12;

/**
 * The chart as an SVG that needs nothing else. States carry `data-state`, arrows `data-from` and `data-to`, their lines of text
 * `data-event` and `data-guard`: the classes `lit` and `taken` mark them.
 *
 * @throws {InvalidOptionsError} when elkjs is not installed.
 */
export async function svg(chart: ChartState): Promise<string> {
  const { width, height, boxes, arrows } = await layoutOf(chart);
  const anywhere = chart.transitions.flatMap((transition) => transition.to.map((to) => ({ transition, to })));
  const below = anywhere.length === 0 ? 0 : (anywhere.length + 1) * LINE + 10;
  const firsts = new Set([chart, ...boxes.map(({ state }) => state)].map(({ initial }) => initial));
  const size = `${Math.ceil(width + 2 * MARGIN)} ${Math.ceil(height + 2 * MARGIN + below)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="troupe-chart" viewBox="0 0 ${size}" role="img" aria-label="The chart ${escaped(chart.key)}">`,
    `<style>${STYLE.trim().replaceAll('\n', '')}</style>`,
    `<g transform="translate(${MARGIN} ${MARGIN})">`,
    ...boxes.map((box) => stateText(box, firsts.has(box.state.path))),
    ...arrows.map(arrowText),
    '</g>',
    ...(anywhere.length === 0
      ? []
      : [
          `<g class="anywhere" transform="translate(${MARGIN} ${Math.ceil(height + 2 * MARGIN + LINE)})"><text>from anywhere:</text>`,
          ...anywhere.map(({ transition, to }, index) => {
            const { event, guard = '' } = transition;
            const data = `data-from="" data-to="${escaped(to)}" data-event="${escaped(event)}" data-guard="${escaped(guard)}"`;
            return `<text x="10" y="${(index + 1) * LINE}" ${data}>${escaped(labelOf(transition))} → ${escaped(to)}</text>`;
          }),
          '</g>',
        ]),
    '</svg>',
  ].join('\n');
}

function stateText({ state, x, y, width, height }: Box, isFirst: boolean): string {
  const isOuter = state.states.length > 0;
  const classes = ['state', ...(isOuter ? ['outer'] : []), ...(state.kind === 'final' ? ['final'] : [])];
  const tags = state.tags.length === 0 ? '' : ` [${state.tags.join(', ')}]`;
  const middle = isOuter ? y + 20 : y + height / 2 + 4;
  return (
    `<g class="${classes.join(' ')}" data-state="${escaped(state.path)}">` +
    `<title>${escaped(`${state.path}${tags}${state.description === '' ? '' : `\n${state.description}`}`)}</title>` +
    `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="7"/>` +
    (isFirst ? `<circle class="begin" cx="${round(x + 9)}" cy="${round(middle - 4)}" r="3.2"/>` : '') +
    `<text x="${round(x + 17)}" y="${round(middle)}">${escaped(state.key)}</text></g>`
  );
}

function arrowText({ from, to, transitions, points, label }: DrawnArrow): string {
  const path = points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
  const lines = transitions.map((transition, index) => {
    const { event, guard = '' } = transition;
    const data = `data-event="${escaped(event)}" data-guard="${escaped(guard)}"`;
    return `<text x="${round(label[0])}" y="${round(label[1] + (index + 1) * LINE - 4)}" ${data}>${escaped(labelOf(transition))}</text>`;
  });
  return (
    `<g class="arrow" data-from="${escaped(from)}" data-to="${escaped(to)}">` +
    `<path d="${path}"/>${tipText(points)}${lines.join('')}</g>`
  );
}

function tipText(points: DrawnArrow['points']): string {
  const [x, y] = points.at(-1)!;
  const [px, py] = points.at(-2) ?? [x, y - 1];
  const angle = Math.round((Math.atan2(y - py, x - px) * 180) / Math.PI);
  return `<path class="tip" d="M0 0L-7 3.4L-7 -3.4Z" transform="translate(${round(x)} ${round(y)}) rotate(${angle})"/>`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
