// Fault (a warning): it sorts the list it was given in place.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'mutates_request',
  execute(request) {
    request.numbers ??= [3, 1, 2];
    return { sorted: request.numbers.sort() };
  },
});
