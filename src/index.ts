/** The door `troupe`. */
export { Troupe, defaultTroupe } from './troupe.js';
export type { BreakerControl, ToolDescription } from './troupe.js';
export type { TroupeOptions } from './troupe-options.js';
export { Orchestrator, ReliableOrchestrator } from './orchestrator.js';
export type { NamedArguments, ReliableOptions, ToolArguments, UntypedArguments } from './orchestrator.js';
export type { BundleProgress, Run, RunSnapshot } from './runtime/run-handle.js';
export type {
  ActorSubject,
  InspectedTroupe,
  Inspector,
  ProviderStatus,
  TroupeInspector,
  TroupeNews,
} from './runtime/watch.js';
export type { BreakerSnapshot } from './runtime/breaker-snapshot.js';
export type { StoreErrorPolicy } from './runtime/stored.js';
export { memoryStore, type MemoryStoreOptions } from './runtime/memory-store.js';

export { defineTool, Tool, ToolResult, toolResult } from './core/tool.js';
export type {
  AnyTool,
  ContentOf,
  DefinedTool,
  Estimate,
  NestedRun,
  OptionsOf,
  RemainingBudget,
  RequestOf,
  ToolContext,
  ToolDefinition,
  ToolEmission,
} from './core/tool.js';

export { BundleTool } from './core/bundle-tool.js';
export type { AnyBundleTool, BundleContent, ReplicateDraw } from './core/bundle-tool.js';
export { checkBundleOptions } from './core/bundle-options.js';
export type { BundleOptions, ReplicateBudget } from './core/bundle-options.js';
export type { BundleMeta, BundleStatus, EvidenceBundle } from './core/evidence/bundle.js';
export type { Replicate, ReplicateStatus } from './core/evidence/replicate.js';
export type { BundleSummary, PartialSummary } from './core/evidence/summary.js';
export type { FieldSummary } from './core/evidence/fields.js';
export type { Disagreement } from './core/evidence/disagreements.js';
export type { Distribution } from './core/evidence/distributions.js';
export type { Agreement } from './core/evidence/agreement.js';
export type { BundleLimits, Cut } from './core/evidence/limits.js';
export type { Tolerance } from './core/evidence/tolerance.js';
export type { StopReason, StoppingRule } from './core/evidence/stopping.js';
export type { TallyView } from './core/evidence/custom-stopping.js';
export type { EvidenceWarning } from './core/evidence/warning.js';

export { Budget } from './core/budget.js';
export type { BudgetLimits, BudgetOptions, BudgetPeriod } from './core/budget.js';
export { checkRunOptions } from './core/config.js';
export { parseOptions } from './core/parse.js';
export type {
  OrchestrationOptions,
  OrchestrationOptions as OrchestrationConfig,
  RunBudget,
} from './core/config.js';
export type {
  BreakerOptions,
  PoolOptions,
  ProviderOptions,
  ReliabilityOptions,
  ReliabilityOptions as ReliabilityConfig,
  RetryOptions,
  SharedReliabilityOptions,
} from './core/reliability.js';
export type { BreakerWindow, FailureThreshold } from './core/breaker-window.js';
export type { Jitter } from './core/backoff.js';
export type { Verdict } from './core/classify.js';

export {
  BudgetExceeded,
  CancelledError,
  ConflictError,
  InvalidOptionsError,
  isOrchestratorError,
  OrchestratorError,
  OverloadedError,
  PlanningError,
  StoreError,
  ToolExecutionError,
  ToolNotFoundError,
  ToolRegistrationError,
  TroupeClosedError,
} from './core/errors.js';
export type {
  AttemptFailure,
  BudgetResource,
  ErrorJson,
  FailureCategory,
  OrchestratorErrorCode,
  RefusalCode,
} from './core/errors.js';

export { orThrow } from './core/output.js';
export type { OrchestrationOutput, OutputMetadata, RunStatus, StepOutcome } from './core/output.js';
export type { BreakerChange, BreakerState, RunEvent, RunEventType, TroupeEvent } from './core/events.js';
export type { JsonObject, JsonValue } from './core/json.js';
export type { Amount, ReportedUsage, Usage } from './core/usage.js';
export type { Awaitable, Claim, ClaimRequest, Clock, Logger, Random, Store } from './core/ports.js';
export type {
  CallTrace,
  RunTrace,
  TracedCall,
  TracedCallEnd,
  TracedRun,
  TracedRunEnd,
  TracedTroupe,
  TraceEvent,
  Tracing,
} from './core/tracing.js';
export type { BreakerMessage, CallMessage, RunMessage } from './runtime/diagnostics.js';
export type { StandardSchema } from './core/schema.js';

export { budgetRule, keywordRule, RuleBasedPlanner, typeRule } from './core/planning/rules.js';
export type { PlanRule } from './core/planning/rules.js';
export type { Condition } from './core/planning/conditions.js';
export type {
  ParallelPolicy,
  PlanContext,
  PlanDecision,
  PlannableTool,
  Planner,
  PlanStep,
  PlanStrategy,
  StepInput,
  StepScope,
} from './core/planning/planner.js';
