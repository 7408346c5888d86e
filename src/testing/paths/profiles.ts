import type {
  AnyMachineSnapshot,
  AnyStateMachine,
  EventFromLogic,
  EventObject,
  InputFrom,
  SnapshotFrom,
} from 'xstate';
import { InvalidOptionsError } from '../../core/errors.js';
import {
  breakerMachine,
  budgetMachine,
  bundleMachine,
  replicateMachine,
  runMachine,
} from '../../machines/index.js';
import { breakerProfile } from './breaker-profile.js';
import { budgetProfile } from './budget-profile.js';
import { bundleProfile } from './bundle-profile.js';
import { foreignProfile } from './foreign-profile.js';
import type { Profile, ToldStep } from './profile.js';
import { replicateProfile } from './replicate-profile.js';
import { runProfile } from './run-profile.js';

export interface ProfileOptions<Machine extends AnyStateMachine = AnyStateMachine> {
  /** What the chart is started with. Default, for Troupe's own: several inputs that together reach everything. */
  input?: InputFrom<Machine>;
  /**
   * What may happen in a state, payloads included. Default: for Troupe's own charts, what their surroundings can do;
   * for others, an event without payload of every type the state knows, and for a child that is one of Troupe's
   * charts, each way in which it can end.
   */
  events?: (snapshot: SnapshotFrom<Machine>) => readonly EventFromLogic<Machine>[];
  /** What tells two snapshots apart, as JSON; it must be bounded. Default: value and context, or what the rules need. */
  key?: (snapshot: SnapshotFrom<Machine>) => unknown;
  /** A step in a few words; undefined: it goes without saying. */
  tell?: (step: ToldStep) => string | undefined;
}

const OURS: readonly (readonly [AnyStateMachine, Profile])[] = [
  [runMachine, runProfile],
  [breakerMachine, breakerProfile],
  [budgetMachine, budgetProfile],
  [bundleMachine, bundleProfile],
  [replicateMachine, replicateProfile],
];

/** What is known of a chart; what the caller knows better goes first. */
export function profileOf(chart: AnyStateMachine, options: ProfileOptions<any>): Profile {
  checkChart(chart);
  const { input, events, key, tell } = options;
  // Provided implementations make another machine of the same configuration.
  const own = OURS.find(([machine]) => machine.config === chart.config)?.[1];
  const known =
    own ??
    foreignProfile(
      chart,
      OURS.map(([machine]) => machine),
    );
  return {
    ...known,
    ...(input === undefined ? {} : { beginnings: { given: { input: input as unknown } } }),
    ...(events ? { events: events as (snapshot: AnyMachineSnapshot) => readonly EventObject[] } : {}),
    ...(key ? { key: key as Profile['key'] } : {}),
    ...(tell ? { tell: (step: ToldStep) => tell(step) ?? known.tell(step) } : {}),
  };
}

export function checkChart(chart: unknown): void {
  const { root, config, transition } = (chart ?? {}) as Partial<AnyStateMachine>;
  if (root !== undefined && config !== undefined && typeof transition === 'function') return;
  throw new InvalidOptionsError(
    `failurePaths() and coverage() take an XState machine, such as \`runMachine\` of troupe/machines, got ${typeof chart}.`,
  );
}
