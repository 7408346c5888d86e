/** The door `troupe/testing`. */
export { createSimulation, type PlayOptions, type Simulation, type SimulationOptions } from './simulation.js';
export { SimulationStalledError, type Pending } from './stall.js';
export { VirtualClock } from './virtual-clock.js';
export { seededRandom } from './seeded-random.js';
export type { ScriptedBundleOptions, ScriptedCall, ScriptedOptions, ScriptStep } from './scripted-call.js';
export {
  badOutput,
  charges,
  disconnects,
  emits,
  fail,
  hang,
  ignoreAbort,
  late,
  nonsense,
  ok,
  rateLimited,
  slow,
  throws,
  timesOut,
} from './script-steps.js';
export { ScriptedTool, scriptedTool } from './scripted-tool.js';
export {
  ScriptedBundle,
  scriptedBundle,
  type ReplicateCall,
  type ReplicateScript,
  type ReplicateStep,
} from './scripted-bundle.js';
export { faulty, type FaultKind, type Faulty, type FaultyOptions, type Injection } from './faulty.js';
export {
  storeCases,
  storeContract,
  type MakeStore,
  type RegisterCase,
  type StoreCase,
} from './store-contract.js';
