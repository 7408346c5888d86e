/** What the tools of the benchmarks do: answer at once, from an async function, with a small object. */
export const answer = async () => ({ ok: true, text: 'fine' });

export const answerReplicate = async (index) => ({
  label: index % 3 === 0 ? 'other' : 'same',
  score: 1,
  ok: true,
});

/** Fails twice, then answers. */
export function flaky() {
  let failures = 2;
  return async () => {
    if (failures > 0) {
      failures -= 1;
      throw Object.assign(new Error('HTTP 503'), { status: 503 });
    }
    failures = 2;
    return answer();
  };
}
