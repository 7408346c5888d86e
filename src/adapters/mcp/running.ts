import type { Run } from '../../index.js';

/** The runs of a server that are under way. */
export class Running {
  private readonly runs = new Set<Run>();
  private isStopped = false;

  /** A run that comes after the end is cancelled at once. @returns what to call when it has settled. */
  add(run: Run): () => void {
    this.runs.add(run);
    if (this.isStopped) run.cancel(new Error('The MCP server was closed.'));
    return () => this.runs.delete(run);
  }

  /** Cancels them, now and from now on, and waits until they have settled. */
  async stop(): Promise<void> {
    this.isStopped = true;
    for (const run of this.runs) run.cancel(new Error('The MCP server was closed.'));
    await this.settled();
  }

  async settled(): Promise<void> {
    await Promise.all([...this.runs].map((run) => run.output.catch(() => {})));
  }
}
