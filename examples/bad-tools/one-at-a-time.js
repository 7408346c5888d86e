// Fault: it fails when it is called while it works.
import { setTimeout as sleep } from 'node:timers/promises';
import { Tool } from 'troupe';

export default class OneAtATime extends Tool {
  name = 'one_at_a_time';
  #isBusy = false;

  async execute({ query = '' }, _options, { signal }) {
    if (this.#isBusy) throw new Error('I am busy.');
    this.#isBusy = true;
    try {
      await sleep(10, undefined, { signal });
      return { answer: query };
    } finally {
      this.#isBusy = false;
    }
  }
}
