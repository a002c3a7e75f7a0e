import type { IncomingMessage } from 'node:http';

/** Every value of a header as it was sent: Node's own `headers` keeps one of several and hides the others. */
export function headerValues(request: IncomingMessage, lowerCaseName: string): string[] {
  const values: string[] = [];
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName)
      values.push(rawHeaders[i + 1] ?? '');
  }
  return values;
}
