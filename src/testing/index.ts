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
export { listChecks, verifyTool, type VerifyOptions } from './verify/verify-tool.js';
export { reportOf, type VerifyReport } from './verify/report.js';
export type { Finding, Verdict } from './verify/finding.js';
export { pickTool } from './verify/pick-tool.js';
export { ModelServer, type ModelServerOptions } from './verify/model-server/server.js';
export { redirectHttp, settingsFor } from './verify/model-server/redirect.js';
