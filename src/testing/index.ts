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
