/**
 * The address of a server as the command line was given it, without a slash at its end and without `/v1`.
 * @param name of the argument.
 * @throws Error whose message is for the user, and does not quote what may be a password.
 */
export function serverAddress(text: string, name: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error(`${name} must be an http:// or https:// URL`);
  if (url.username !== '' || url.password !== '') throw new Error(`${name} must not hold credentials; use --key`);
  if (url.search !== '' || url.hash !== '') throw new Error(`${name} must not have a query or a fragment`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '');
}
