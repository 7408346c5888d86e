import { useEffect, useReducer, useState } from 'preact/hooks';
import type { ActorView, RunView } from '../model/views.js';
import { Chart } from './chart.jsx';
import { settings, type Store } from './connection.js';
import { Log } from './log.jsx';
import { Result, RunHead } from './run-head.jsx';
import { Runs } from './runs.jsx';
import { Shared } from './shared.jsx';
import { Slider } from './slider.jsx';
import { Tabs } from './tabs.jsx';
import { Timeline } from './timeline.jsx';
import { Tree } from './tree.jsx';
import { Votes } from './votes.jsx';

type Tab = 'chart' | 'timeline' | 'votes' | 'result';

/** The whole page: what there is on the left, what was chosen in the middle, the log below. */
export function App({ store }: { readonly store: Store }) {
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const [runKey, setRunKey] = useState<string>();
  const [actorKey, setActorKey] = useState<string>();
  const [tab, setTab] = useState<Tab>('chart');
  const { history, isConnected } = store;
  const { model } = history;
  useEffect(() => store.subscribe(() => draw(0)), [store]);
  useEffect(() => {
    // Time goes on though nothing happens.
    if (settings.mode === 'replay') return undefined;
    const timer = setInterval(() => draw(0), 1000);
    return () => clearInterval(timer);
  }, []);

  const run = runKey === undefined ? undefined : model.runs.get(runKey);
  const executed = run?.joined === undefined ? run : (model.runs.get(run.joined) ?? run);
  const actor =
    (actorKey === undefined ? undefined : model.actors.get(actorKey)) ??
    executed?.actors.find(({ role }) => role === 'run');
  const now = settings.mode === 'replay' || !history.isLive ? model.at : Math.max(model.at, Date.now());

  const chooseRun = (chosen: RunView) => {
    setRunKey(chosen.key);
    setActorKey(undefined);
  };
  const chooseActor = (chosen: ActorView) => {
    setActorKey(chosen.key);
    setTab('chart');
    if (chosen.run === undefined) setRunKey(undefined);
  };
  const hasVotes = executed !== undefined && executed.votes.replicates.size > 0;
  const tabs: { id: Tab; name: string }[] = run
    ? [
        { id: 'chart', name: 'Chart' },
        { id: 'timeline', name: 'Timeline' },
        ...(hasVotes ? [{ id: 'votes' as const, name: 'Votes' }] : []),
        { id: 'result', name: 'Request and result' },
      ]
    : [{ id: 'chart', name: 'Chart' }];
  const shown = tabs.some(({ id }) => id === tab) ? tab : 'chart';

  return (
    <>
      <header>
        <h1>Troupe</h1>
        <span class="app">
          {[...model.apps.values()].map(({ app, name, pid }) => (
            <span key={app}>
              {name} <small>pid {pid}</small>
            </span>
          ))}
          {model.apps.size === 0 && settings.mode === 'live' && <em>waiting for an app</em>}
        </span>
        <Lost apps={[...model.apps.values()]} />
        <Slider store={store} />
        {settings.mode === 'live' && (
          <span class={isConnected ? 'state good' : 'state bad'} role="status">
            {isConnected ? 'connected' : 'the viewer has ended; what was seen stays'}
          </span>
        )}
      </header>
      <aside>
        <Shared model={model} now={now} selected={actor?.key} onSelect={chooseActor} />
        <Runs model={model} now={now} selected={runKey} onSelect={chooseRun} />
      </aside>
      <main>
        {run && <RunHead run={run} now={now} model={model} onSelect={chooseRun} />}
        {!run && !actor && <Welcome />}
        {(run ?? actor) && (
          <Tabs tabs={tabs} selected={shown} onSelect={setTab}>
            {shown === 'chart' && (
              <div class="looking">
                {executed && <Tree run={executed} selected={actor?.key} onSelect={chooseActor} />}
                {actor ? (
                  <Chart actor={actor} model={model} />
                ) : (
                  <p class="empty">It has not begun: there is no actor yet.</p>
                )}
              </div>
            )}
            {shown === 'timeline' && executed && <Timeline run={executed} now={now} onSelect={chooseActor} />}
            {shown === 'votes' && executed && <Votes run={executed} onSelect={chooseActor} />}
            {shown === 'result' && run && <Result run={run} />}
          </Tabs>
        )}
      </main>
      <Log model={model} run={run} actor={run ? undefined : actor} isFollowing={history.isLive} />
    </>
  );
}

function Welcome() {
  return (
    <div class="welcome">
      <p>Choose a run or a breaker on the left.</p>
      <p>
        A run that stays away? Start the app with <code>npx troupe inspect -- node app.js</code>, or give its
        Troupe <code>inspect: viewerInspector(&#123; url &#125;)</code>.
      </p>
      <p>
        Keys: Tab goes from part to part, arrows within a list, <kbd>/</kbd> to the log’s search.
      </p>
    </div>
  );
}

function Lost({ apps }: { readonly apps: readonly { readonly lost: number }[] }) {
  const lost = apps.reduce((sum, app) => sum + app.lost, 0);
  if (lost === 0) return null;
  return (
    <span class="state warn" title="Writing them down would have taken too much of the process's time.">
      {lost.toLocaleString('en')} runs not shown
    </span>
  );
}
