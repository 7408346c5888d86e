/** Version, trace id, parent id and flags. A later version may have more after the flags. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

export const TRACEPARENT_RULE =
  'must be a W3C traceparent as "00-<32 hex digits>-<16 hex digits>-<2 hex digits>", in lower case';

export function isTraceparent(text: string): boolean {
  const [, version, , more] = TRACEPARENT.exec(text) ?? [];
  return version !== undefined && text.length <= 512 && (version !== '00' || more === undefined);
}

export function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent?.slice(3, 35);
}
