import { useState } from 'preact/hooks';
import type { Model } from '../model/model.js';
import type { RunView } from '../model/views.js';
import { dollars, duration, stateName } from './format.js';
import { Rows } from './rows.jsx';

interface RunsProps {
  readonly model: Model;
  readonly now: number;
  readonly selected: string | undefined;
  readonly onSelect: (run: RunView) => void;
}

/** The runs, the newest first. */
export function Runs({ model, now, selected, onSelect }: RunsProps) {
  const [filter, setFilter] = useState('');
  const wanted = filter.toLowerCase();
  const all = [...model.runs.values()].reverse();
  const runs = wanted === '' ? all : all.filter((run) => textOf(run).includes(wanted));
  const going = all.filter(({ endedAt }) => endedAt === undefined).length;
  return (
    <section class="runs" aria-label="Runs">
      <h2>
        Runs{' '}
        <small>
          {all.length.toLocaleString('en')}, {going} going on
        </small>
      </h2>
      <input
        type="search"
        placeholder="tool, state, id"
        aria-label="Filter runs"
        value={filter}
        onInput={({ currentTarget }) => setFilter(currentTarget.value)}
      />
      <Rows
        rows={runs}
        height={44}
        label="runs"
        keyOf={({ key }) => key}
        selected={selected}
        onSelect={onSelect}
      >
        {(run) => (
          <>
            <span class={`state ${run.state}`}>{stateName(run.state)}</span>
            <strong>{run.tool ?? 'planning'}</strong>
            {run.outer !== null && <small> inside another</small>}
            <small class="figures">
              {duration((run.endedAt ?? now) - run.startedAt)} · {dollars(run.costUsd)} · {run.calls}{' '}
              {run.calls === 1 ? 'call' : 'calls'} · {run.id.slice(0, 8)}
            </small>
          </>
        )}
      </Rows>
    </section>
  );
}

function textOf({ tool, state, id, traceId, idempotencyKey }: RunView): string {
  return [tool, stateName(state), id, traceId, idempotencyKey].join(' ').toLowerCase();
}
