// Fault (a warning): who watches the answer come sees something else than who waits for it.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'other_deltas',
  execute(_request, _options, { emit }) {
    for (const text of ['5', '5 ce', '5 cents']) emit({ type: 'delta', text });
    return '5 cents';
  },
});
