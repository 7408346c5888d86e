import type { ActorView, RunView, Segment } from '../model/views.js';
import { dollars, duration } from './format.js';

interface TimelineProps {
  readonly run: RunView;
  readonly now: number;
  readonly onSelect: (actor: ActorView) => void;
}

/** Actors drawn; the others are summed up. */
const MOST_ROWS = 250;

/** What each actor of a run did when: calls, waits, and the rest. */
export function Timeline({ run, now, onSelect }: TimelineProps) {
  const end = run.endedAt ?? now;
  const span = Math.max(1, end - run.startedAt);
  const actors = run.actors.filter(({ role }) => role !== 'budget');
  const percent = (ms: number) => `${Math.max(0, Math.min(100, (ms / span) * 100))}%`;
  return (
    <section class="timeline" aria-label="Timeline">
      <p class="legend">
        <span class="segment calling" /> calls <span class="segment waiting" /> waits{' '}
        <span class="segment other" /> the rest{' '}
        <small>
          {duration(span)} in all, {dollars(run.costUsd)}
        </small>
      </p>
      <ol>
        {actors.slice(0, MOST_ROWS).map((actor) => {
          const cost = run.votes.replicates.get(actor.name.replace('replicate ', ''))?.costUsd;
          return (
            <li key={actor.key}>
              <button type="button" class="link" onClick={() => onSelect(actor)}>
                {actor.name}
              </button>
              <span class="track">
                {actor.segments.map((segment, index) => (
                  <span
                    key={index}
                    class={`segment ${segment.kind}`}
                    style={{
                      left: percent(segment.from - run.startedAt),
                      width: percent((segment.to ?? Math.min(end, actor.endedAt ?? end)) - segment.from),
                    }}
                    title={titleOf(segment, end)}
                  />
                ))}
              </span>
              <small>{cost === undefined ? '' : dollars(cost)}</small>
            </li>
          );
        })}
      </ol>
      {actors.length > MOST_ROWS && <p class="empty">and {actors.length - MOST_ROWS} more</p>}
      <h3>Calls</h3>
      <ol class="attempts">
        {run.attempts.map((attempt) => (
          <li key={attempt.key}>
            <span class={`state ${attempt.state}`}>{attempt.state}</span> {attempt.text}
          </li>
        ))}
      </ol>
    </section>
  );
}

function titleOf({ state, from, to }: Segment, end: number): string {
  return `${state}: ${duration((to ?? end) - from)}`;
}
