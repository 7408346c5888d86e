/** Three figures are more than a noisy machine can tell. */
export function microseconds(us) {
  return us >= 100 ? Math.round(us).toLocaleString('en') : us.toPrecision(us >= 10 ? 3 : 2);
}

export function ratioText(ratio) {
  return ratio >= 100
    ? Math.round(ratio).toLocaleString('en')
    : ratio.toFixed(ratio >= 10 ? 1 : ratio >= 0.1 ? 2 : 3);
}

export function milliseconds(ms) {
  return ms.toPrecision(ms >= 100 ? 3 : 2);
}
