import type { JsonObject } from '../../core/json.js';
import type { ProviderStatus } from '../../runtime/watch.js';
import type { Model } from '../model/model.js';
import { stateText } from '../model/states.js';
import type { ActorView } from '../model/views.js';
import { dollars, duration } from './format.js';
import { meaningOf } from './words.js';

interface SharedProps {
  readonly model: Model;
  readonly now: number;
  readonly selected: string | undefined;
  readonly onSelect: (actor: ActorView) => void;
}

/** What runs share: the breaker and the pool of each provider, and budgets. */
export function Shared({ model, now, selected, onSelect }: SharedProps) {
  const actors = [...model.actors.values()].filter(({ run }) => run === undefined);
  // Of one that was made anew, the last.
  const breakers = lastOf(actors.filter(({ role }) => role === 'breaker'));
  const budgets = actors.filter(({ role }) => role === 'budget');
  const statuses = new Map(
    [...model.apps.values()].flatMap(({ app, providers }) =>
      [...providers.values()].flat().map((status) => [`${app}/${status.provider}`, status] as const),
    ),
  );
  return (
    <section class="shared" aria-label="Breakers, pools and budgets">
      <h2>Breakers, pools, budgets</h2>
      {breakers.length + budgets.length === 0 && <p class="empty">None was used yet.</p>}
      <ul>
        {breakers.map((actor) => (
          <li key={actor.key}>
            <Breaker
              actor={actor}
              status={statuses.get(`${actor.app}/${providerOf(actor)}`)}
              now={now}
              isSelected={actor.key === selected}
              onSelect={onSelect}
            />
          </li>
        ))}
        {budgets.map((actor) => (
          <li key={actor.key}>
            <button
              type="button"
              class="item"
              aria-pressed={actor.key === selected}
              onClick={() => onSelect(actor)}
            >
              <strong>{actor.name}</strong> <Spent context={actor.context} />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function providerOf({ name }: ActorView): string {
  return name.replace(/^breaker /, '');
}

function lastOf(actors: readonly ActorView[]): ActorView[] {
  return [...new Map(actors.map((actor) => [`${actor.app}/${actor.id}`, actor])).values()];
}

interface BreakerProps {
  readonly actor: ActorView;
  readonly status: ProviderStatus | undefined;
  readonly now: number;
  readonly isSelected: boolean;
  readonly onSelect: (actor: ActorView) => void;
}

function Breaker({ actor, status, now, isSelected, onSelect }: BreakerProps) {
  const state = stateText(actor.value);
  const { openUntil } = actor.context;
  const left = state === 'open' && typeof openUntil === 'number' ? openUntil - now : 0;
  return (
    <button
      type="button"
      class="item"
      aria-pressed={isSelected}
      title={meaningOf('breaker', state, '')}
      onClick={() => onSelect(actor)}
    >
      <span class={`state breaker-${state}`}>{state}</span> <strong>{providerOf(actor)}</strong>
      <small class="figures">{figuresOf(status, left, now).join(' · ')}</small>
    </button>
  );
}

function figuresOf(status: ProviderStatus | undefined, openForMs: number, now: number): string[] {
  const figures = openForMs > 0 ? [`tries again in ${duration(openForMs)}`] : [];
  if (!status) return figures;
  const { window, pool, retryTokens, cooldownUntil } = status;
  figures.push(`${window.failures} of ${window.calls} failed`);
  if (pool)
    figures.push(`pool ${pool.active}/${pool.size}${pool.waiting > 0 ? `, ${pool.waiting} wait` : ''}`);
  if (retryTokens !== null) figures.push(`retry budget ${retryTokens.toFixed(1)}`);
  if (cooldownUntil > now) figures.push(`cooling down ${duration(cooldownUntil - now)}`);
  return figures;
}

/** How much of a budget's limits is spent, and held by calls in flight. */
export function Spent({ context }: { readonly context: JsonObject }) {
  const limits = (context.limits ?? {}) as Record<string, number>;
  const spent = (context.spent ?? {}) as Record<string, number>;
  const reserved = (context.reserved ?? {}) as Record<string, number>;
  return (
    <>
      {Object.entries(limits).map(([resource, limit]) => {
        const show = (amount: number) =>
          resource === 'costUsd' ? dollars(amount) : amount.toLocaleString('en');
        const used = spent[resource] ?? 0;
        const held = reserved[resource] ?? 0;
        return (
          <small key={resource} class="figures">
            <meter
              min={0}
              max={limit}
              value={used + held}
              high={limit * 0.8}
              aria-label={`${resource} used`}
            />{' '}
            {show(used)}
            {held > 0 && ` + ${show(held)} held`} of {show(limit)} {resource === 'tokens' ? 'tokens' : ''}
          </small>
        );
      })}
    </>
  );
}
