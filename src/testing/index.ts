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
export {
  simulate,
  type SimulateOptions,
  type SimulationFailure,
  type SimulationReport,
} from './simulate/simulate.js';
export type { FaultRates } from './simulate/faults.js';
export { RULES as simulationRules, type RuleName as SimulationRule } from './simulate/rules.js';
export { storeContract, type MakeStore } from './store-contract.js';
