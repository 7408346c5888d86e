import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Model } from '../model/model.js';
import { activePaths, stateInfo, stateText } from '../model/states.js';
import type { ActorView } from '../model/views.js';
import { token } from './connection.js';
import { json } from './format.js';
import { meaningOf } from './words.js';

interface ChartProps {
  readonly actor: ActorView;
  readonly model: Model;
}

type Drawing = { readonly svg: string } | { readonly problem: string };

/** Screen pixels for each of a drawing. */
const READABLE = 0.9;

/** Drawn once each, by app and chart. */
const drawings = new Map<string, Promise<Drawing>>();

function drawingOf(app: string, chart: string): Promise<Drawing> {
  const key = JSON.stringify([app, chart]);
  const known = drawings.get(key) ?? draw(key, app, chart);
  drawings.set(key, known);
  return known;
}

async function draw(key: string, app: string, chart: string): Promise<Drawing> {
  const query = new URLSearchParams({ token, app, chart });
  try {
    const response = await fetch(`/chart?${query}`);
    const text = await response.text();
    return response.ok ? { svg: text } : { problem: text };
  } catch {
    drawings.delete(key);
    return { problem: 'The viewer has ended, so this chart cannot be drawn.' };
  }
}

/** The chart of an actor: where it is, and how it came there. */
export function Chart({ actor, model }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const [drawing, setDrawing] = useState<Drawing>();
  const [isFitted, setIsFitted] = useState(false);
  useEffect(() => {
    let isCurrent = true;
    void drawingOf(actor.app, actor.chart).then((drawn) => isCurrent && setDrawing(drawn));
    return () => {
      isCurrent = false;
    };
  }, [actor.app, actor.chart]);
  useLayoutEffect(() => {
    if (drawing && 'svg' in drawing) box.current!.innerHTML = drawing.svg;
  }, [drawing]);
  useLayoutEffect(() => {
    const svg = box.current!.querySelector('svg');
    if (svg) svg.style.width = isFitted ? '100%' : `${svg.viewBox.baseVal.width * READABLE}px`;
  }, [drawing, isFitted]);
  useLayoutEffect(() => {
    if (box.current) light(box.current, actor);
  });

  const state = stateText(actor.value);
  useEffect(() => {
    const innermost = [...box.current!.querySelectorAll('.state.lit')].at(-1);
    innermost?.scrollIntoView({ block: 'center', inline: 'center' });
  }, [state, drawing, isFitted]);

  const chart = model.chartOf(actor);
  const paths = activePaths(actor.value);
  return (
    <section class="chart">
      <h3>
        {actor.name} <small>{actor.status === 'active' ? '' : actor.status}</small>
        <label>
          <input type="checkbox" checked={isFitted} onChange={() => setIsFitted(!isFitted)} /> the whole chart
        </label>
      </h3>
      <ul class="meanings" aria-label="Active states" aria-live="polite">
        {paths.map((path) => (
          <li key={path}>
            <code>{path}</code> {meaningOf(actor.chart, path, stateInfo(chart, path)?.description ?? '')}
          </li>
        ))}
      </ul>
      <div ref={box} class="drawing" />
      {drawing && 'problem' in drawing && <p class="empty">{drawing.problem}</p>}
      <details>
        <summary>Context: what it remembers</summary>
        <pre>{json(actor.context)}</pre>
      </details>
    </section>
  );
}

/** Marks the active states, and the transitions its last event took. */
function light(box: HTMLElement, { value, taken }: ActorView): void {
  const active = new Set(activePaths(value));
  for (const state of box.querySelectorAll<SVGElement>('[data-state]')) {
    state.classList.toggle('lit', active.has(state.dataset.state!));
  }
  for (const marked of box.querySelectorAll('.taken')) marked.classList.remove('taken');
  for (const { from, to, event, guard = '' } of taken) {
    for (const target of to) {
      const arrow = box.querySelector(`.arrow[data-from="${from}"][data-to="${target}"]`);
      arrow?.classList.add('taken');
      const lines =
        arrow?.querySelectorAll<SVGElement>('text') ??
        box.querySelectorAll<SVGElement>(`.anywhere [data-to="${target}"]`);
      for (const line of lines) {
        const { event: itsEvent, guard: itsGuard } = line.dataset;
        if (itsEvent === event && itsGuard === guard) line.classList.add('taken');
      }
    }
  }
}
