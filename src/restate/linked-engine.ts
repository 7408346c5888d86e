import { serde, type Serde } from '@restatedev/restate-sdk';
import type { MakeCall, ToolCallOutcome } from '../actors/tool-call.js';
import type { Failure } from '../core/classify.js';
import type { Bundle } from '../runtime/bundle.js';
import type { Call } from '../runtime/call.js';
import type { Engine } from '../runtime/engine.js';
import type { Host } from '../runtime/host.js';
import type { Replica } from '../runtime/replica.js';
import type { Journal } from './journal.js';
import { LinkedAdmission } from './linked-admission.js';
import type { LinkedBudget } from './linked-budget.js';
import type { LinkedProviders } from './linked-providers.js';
import { RemoteReplica } from './remote-replica.js';
import { cooldownOf } from './shared-provider.js';
import { applyStep, makeStep, type StartNested, type StepRecord } from './step.js';
import { checkVersion } from './version.js';
import type { Telling } from './wire.js';

/** Carries a run's calls out as steps of a journal, and asks virtual objects what processes share. */
export class LinkedEngine implements Engine {
  readonly admission: LinkedAdmission;
  /** Budgets of the runs of this invocation that replicates share. */
  readonly budgets = new Set<LinkedBudget>();
  /** Bytes of the calls that have landed. */
  private kept = 0;

  constructor(
    private readonly host: Host,
    private readonly journal: Journal,
    private readonly links: LinkedProviders,
    private readonly startNested: StartNested,
  ) {
    this.admission = new LinkedAdmission(host, journal, links);
  }

  perform(call: Call, make: MakeCall): Promise<ToolCallOutcome> {
    const { context } = this.journal;
    const { attemptCompletedSignal } = context.request();
    const { tool, options } = call;
    const kept = context.run<StepRecord>(
      `${tool.name} ${options.attempt}${options.isHedge ? ' (hedge)' : ''}`,
      () => makeStep(call, make, attemptCompletedSignal, this.startNested, this.kept),
      { serde: serde.json as Serde<StepRecord> },
    );
    return new Promise((resolve) => {
      this.journal.expect(kept, (record, failure) => {
        this.kept += record?.bytes ?? 0;
        // Left behind: what it answers now is nobody's.
        if (call.isSettled) return;
        if (record) {
          checkVersion(record.version);
          this.journal.noteTime(record.at);
          resolve(applyStep(call, record));
        } else {
          resolve({ kind: 'threw', error: failure, usage: { usage: undefined, ignored: [] } });
        }
      });
    });
  }

  consult(call: Call, failure: Failure | undefined, goOn: () => void): void {
    const { permit, provider } = call.grant;
    const { slow } = provider.breaker.config;
    const isSlow = slow !== undefined && this.host.now() - call.startedAt >= slow.ms;
    const link = this.links.link(provider.key);
    if (!permit && failure) link.coolDown(cooldownOf(failure, this.host.now()));
    // A good answer of a breaker that is closed can wait to be told; what opens or closes one cannot.
    const isWaitedFor =
      failure !== undefined || ((permit?.kind === 'probe' || isSlow) && !call.x.checksAnswers);
    const taken = permit && link.whenTaken(permit);
    if (taken) return void taken.then(goOn);
    if (!permit || call.aborted || !isWaitedFor) return goOn();
    const error = failure && new Error(failure.message);
    link.consult(permit, failure, error, isSlow).then(
      (consulted) => {
        link.consulted = consulted;
        goOn();
        link.consulted = undefined;
      },
      (problem) => call.x.crashed(problem),
    );
  }

  outside<T>(work: PromiseLike<T>): Promise<T> {
    return this.journal.outside(work);
  }

  replica(bundle: Bundle, index: number, seed: number): Replica {
    const link = this.links.link(bundle.candidate.provider);
    return new RemoteReplica(this.host, this.journal, link, bundle, index, seed);
  }

  heard(telling: Telling): void {
    if (telling.kind === 'slot') this.admission.slotGranted(telling.ticket, telling.answer);
    if (telling.kind === 'freed') for (const budget of this.budgets) budget.freed();
  }
}
