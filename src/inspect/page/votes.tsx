import { answersOf } from '../model/votes.js';
import type { ActorView, ReplicateView, RunView } from '../model/views.js';
import { dollars, duration, json } from './format.js';
import { Rows } from './rows.jsx';
import { useState } from 'preact/hooks';

interface VotesProps {
  readonly run: RunView;
  readonly onSelect: (actor: ActorView) => void;
}

/** The answers of a bundle's replicates beside the votes they add up to. */
export function Votes({ run, onSelect }: VotesProps) {
  const [chosen, setChosen] = useState<string>();
  const { votes } = run;
  const answers = answersOf(votes);
  const total = answers.reduce((sum, { ids }) => sum + ids.length, 0);
  const replicate = chosen === undefined ? undefined : votes.replicates.get(chosen);
  const { confidence, k, issued, stopReason } = votes.summary ?? {};
  return (
    <section class="votes">
      <div>
        <h3>
          Votes{' '}
          <small>
            {total} valid of {votes.replicates.size} asked
            {k !== undefined && `, at most ${String(k)}`}
            {issued !== undefined && votes.isReady && `, ${String(issued)} issued`}
            {typeof confidence === 'number' && ` · confidence ${(confidence * 100).toFixed(1)} %`}
            {stopReason !== undefined && ` · stopped: ${String(stopReason)}`}
          </small>
        </h3>
        <ol class="tally">
          {answers.slice(0, 30).map(({ answer, ids }) => (
            <li key={answer} class={replicate && ids.includes(replicate.id) ? 'chosen' : ''}>
              <meter min={0} max={Math.max(1, total)} value={ids.length} aria-label={`votes for ${answer}`} />
              <strong>{ids.length}</strong> <code>{answer.slice(0, 200)}</code>
            </li>
          ))}
        </ol>
        {replicate && (
          <Answer
            replicate={replicate}
            actor={run.actors.find(({ name }) => name === `replicate ${replicate.id}`)}
            onSelect={onSelect}
          />
        )}
      </div>
      <Rows
        rows={[...votes.replicates.values()]}
        height={28}
        label="replicates"
        keyOf={({ id }) => id}
        selected={chosen}
        onSelect={({ id }) => setChosen(id)}
      >
        {({ id, status, answer, problem, elapsedMs, costUsd }) => (
          <>
            <span class={`state ${status}`}>{status}</span> <strong>{id}</strong>{' '}
            <code>{problem ?? (answer === undefined ? '' : json(answer).slice(0, 120))}</code>
            <small class="figures">
              {duration(elapsedMs)} · {dollars(costUsd)}
            </small>
          </>
        )}
      </Rows>
    </section>
  );
}

interface AnswerProps {
  readonly replicate: ReplicateView;
  readonly actor: ActorView | undefined;
  readonly onSelect: (actor: ActorView) => void;
}

function Answer({ replicate, actor, onSelect }: AnswerProps) {
  return (
    <div class="answer">
      <h3>
        {replicate.id}: {replicate.status}{' '}
        {actor && (
          <button type="button" class="link" onClick={() => onSelect(actor)}>
            its chart
          </button>
        )}
      </h3>
      <pre>{replicate.problem ?? json(replicate.answer ?? null)}</pre>
    </div>
  );
}
