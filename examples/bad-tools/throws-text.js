// Fault: it throws a text, which tells nobody whether to try again.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'throws_text',
  execute({ key }) {
    if (key === undefined) throw 'no key';
    return 'done';
  },
});
