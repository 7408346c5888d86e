// Fault: its version is another one each time, so no answer is ever found again.
import { Tool } from 'troupe';

let asked = 0;

export default class NewVersion extends Tool {
  name = 'new_version';
  get version() {
    return `1.0.${++asked}`;
  }
  execute({ query = '' }) {
    return { answer: query };
  }
}
