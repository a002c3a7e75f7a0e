/** The server does not do what the check asks for. */
export class Failure extends Error {}

/** The check cannot tell: the server, or the model, lacks what it would be seen by. */
export class Skip extends Error {}

export function expect(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Failure(message);
}

/** @param what names the value, as a reader of the report would. */
export function equal(actual: unknown, wanted: unknown, what: string): void {
  const [is, should] = [canonical(actual), canonical(wanted)];
  if (is !== should) throw new Failure(`${what} is ${shorten(is)}, and should be ${shorten(should)}`);
}

/** JSON with the keys of objects in one order. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part: unknown) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ) ?? 'undefined'
  );
}

export function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
