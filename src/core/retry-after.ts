const maxSeconds = 3600;

/** The one date format that RFC 9110 lets senders write; Date.parse alone takes `-1` for a year. */
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

const parseHttpDate = (value: string | undefined) =>
  value !== undefined && httpDate.test(value) ? Date.parse(value) : Number.NaN;

/**
 * Seconds that an upstream asks to be left alone for, at most an hour. A date counts from the reply's own `date` header,
 * so that no clock but the upstream's is asked. Undefined: not said, or not said so that it makes sense.
 * @param headers with lower-case names.
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
 */
export function retryAfterSeconds(headers: Record<string, string | undefined>): number | undefined {
  const value = headers['retry-after']?.trim();
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value)
    ? Number(value)
    : (parseHttpDate(value) - parseHttpDate(headers['date']?.trim())) / 1000;
  return seconds >= 0 ? Math.min(seconds, maxSeconds) : undefined;
}
