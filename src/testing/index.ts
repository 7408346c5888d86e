/** The door `troupe/testing`. */
export { createSimulation, type Simulation, type SimulationOptions } from './simulation.js';
export { VirtualClock } from './virtual-clock.js';
export { seededRandom } from './seeded-random.js';
export {
  fail,
  hang,
  ignoreAbort,
  ok,
  rateLimited,
  ScriptedTool,
  scriptedTool,
  slow,
  throws,
  type ScriptedCall,
  type ScriptedOptions,
  type ScriptStep,
} from './scripted-tool.js';
export { storeContract, type MakeStore } from './store-contract.js';

export {
  failurePaths,
  type FailurePath,
  type FailurePathOptions,
  type PathCover,
  type PathKind,
  type PathStep,
  type Trouble,
} from './paths/failure-paths.js';
export { coverage, type PathCoverage, type WalkablePath, type Walked } from './paths/coverage.js';
export type { FailureKind, KindOf } from './paths/kinds.js';
export type { ToldStep } from './paths/profile.js';
export { PathDivergence, runPath, type PathHarness, type PathRun } from './run-path/run-path.js';
export type { Backend } from './run-path/backend.js';
