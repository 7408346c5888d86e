/** The door `troupe/testing`. */
export { createSimulation, type PlayOptions, type Simulation, type SimulationOptions } from './simulation.js';
export { SimulationStalledError, type Pending } from './stall.js';
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
