// A pure function: nothing to wait for, nothing to pay.
export default function add({ a = 0, b = 0 }) {
  return { sum: a + b };
}
