import type { Model } from '../model/model.js';
import type { RunView } from '../model/views.js';
import { clock, dollars, duration, json, stateName } from './format.js';

interface RunHeadProps {
  readonly run: RunView;
  readonly now: number;
  readonly model: Model;
  readonly onSelect: (run: RunView) => void;
}

/** What a run is, at a glance. */
export function RunHead({ run, now, model, onSelect }: RunHeadProps) {
  const { timeoutMs, budget } = run;
  const related = [
    ['part of', run.outer],
    ['shares the execution of', run.joined],
  ] as const;
  return (
    <section class="head">
      <h2>
        <span class={`state ${run.state}`}>{stateName(run.state)}</span> {run.tool ?? 'planning'}{' '}
        <small>{run.id}</small>
      </h2>
      <dl>
        <Figure name="began" value={clock(run.startedAt)} />
        <Figure
          name={run.endedAt === undefined ? 'age' : 'took'}
          value={duration((run.endedAt ?? now) - run.startedAt)}
        />
        <Figure name="cost" value={dollars(run.costUsd)} />
        <Figure name="tokens" value={run.tokens.toLocaleString('en')} />
        <Figure name="calls" value={String(run.calls)} />
        <Figure name="deadline" value={timeoutMs === null ? 'none' : duration(timeoutMs)} />
        <Figure
          name="budget"
          value={
            budget === null
              ? 'none'
              : Object.entries(budget)
                  .map(([key, limit]) =>
                    key === 'costUsd' ? dollars(Number(limit)) : `${String(limit)} ${key}`,
                  )
                  .join(', ')
          }
        />
        {run.idempotencyKey !== null && <Figure name="key" value={run.idempotencyKey} />}
      </dl>
      {related.map(([what, key]) => {
        const other = key == null ? undefined : model.runs.get(key);
        return (
          other && (
            <p key={what}>
              {what}{' '}
              <button type="button" class="link" onClick={() => onSelect(other)}>
                {other.tool ?? 'run'} {other.id.slice(0, 8)}
              </button>
            </p>
          )
        );
      })}
    </section>
  );
}

function Figure({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** What was asked, and what became of it. */
export function Result({ run }: { readonly run: RunView }) {
  const { ended } = run;
  const warnings = ended?.output?.metadata.warnings ?? [];
  return (
    <div class="result">
      <h3>Request</h3>
      <pre>{json(run.request)}</pre>
      {ended?.error && (
        <>
          <h3>Why there is no answer</h3>
          <pre class="bad">{json(ended.error)}</pre>
        </>
      )}
      {ended?.output && (
        <>
          <h3>Answer</h3>
          <pre>{json(ended.output.content)}</pre>
          <h3>Usage</h3>
          <pre>{json(ended.output.usage)}</pre>
          <h3>How it came</h3>
          <pre>{json(ended.output.metadata)}</pre>
        </>
      )}
      {warnings.length > 0 && (
        <>
          <h3>Warnings</h3>
          <ul>
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </>
      )}
      {!ended && <p class="empty">It goes on.</p>}
    </div>
  );
}
