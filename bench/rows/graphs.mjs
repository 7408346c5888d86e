// LangGraph.js: a graph of one node, and a fan-out of k with a reducer.
import { Annotation, END, Send, START, StateGraph } from '@langchain/langgraph';

export function oneNode(call) {
  const State = Annotation.Root({ answer: Annotation() });
  const graph = new StateGraph(State)
    .addNode('call', async () => ({ answer: await call() }))
    .addEdge(START, 'call')
    .addEdge('call', END)
    .compile();
  return async () => (await graph.invoke({})).answer;
}

export function fanOut(k, call) {
  const State = Annotation.Root({
    answers: Annotation({ reducer: (all, more) => [...all, ...more], default: () => [] }),
  });
  const graph = new StateGraph(State)
    .addNode('replicate', async ({ index }) => ({ answers: [await call(index)] }))
    .addConditionalEdges(START, () =>
      Array.from({ length: k }, (_, index) => new Send('replicate', { index })),
    )
    .addEdge('replicate', END)
    .compile();
  return async () => (await graph.invoke({})).answers;
}
