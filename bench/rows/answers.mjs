/** What the tools of the benchmarks do: answer at once, from an async function, with a small object. */
export const answer = async () => ({ ok: true, text: 'fine' });

export const answerReplicate = async (index) => ({
  label: index % 3 === 0 ? 'other' : 'same',
  score: 1,
  ok: true,
});
