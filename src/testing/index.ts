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
export {
  BreakerOracle,
  type BreakerOracleAnswer,
  type BreakerOracleOptions,
  type BreakerOracleOutcome,
  type BreakerOraclePermit,
} from './oracles/breaker.js';
export {
  AttemptOracle,
  type AttemptOracleCall,
  type AttemptOracleEnd,
  type AttemptOracleFailure,
  type AttemptOracleOptions,
  type AttemptOracleTool,
} from './oracles/attempt.js';
export {
  BudgetOracle,
  type BudgetOracleAmount,
  type BudgetOracleEnd,
  type BudgetOracleRequest,
  type BudgetOracleRun,
} from './oracles/budget.js';
export {
  IdempotencyOracle,
  type IdempotencyOracleCaller,
  type IdempotencyOracleEnd,
  type IdempotencyOracleExecution,
  type IdempotencyOracleOptions,
} from './oracles/idempotency.js';
export {
  BundleOracle,
  type BundleOracleEnd,
  type BundleOracleOptions,
  type BundleOracleReplicate,
} from './oracles/bundle.js';

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

export { listChecks, verifyTool, type VerifyOptions } from './verify/verify-tool.js';
export { reportOf, type VerifyReport } from './verify/report.js';
export type { Finding, Verdict } from './verify/finding.js';
export { pickTool } from './verify/pick-tool.js';
export { ModelServer, type ModelServerOptions } from './verify/model-server/server.js';
export { redirectHttp, settingsFor } from './verify/model-server/redirect.js';

export {
  simulate,
  type SimulateOptions,
  type SimulationFailure,
  type SimulationReport,
} from './simulate/simulate.js';
export type { FaultRates } from './simulate/faults.js';
export { RULES as simulationRules, type RuleName as SimulationRule } from './simulate/rules.js';
