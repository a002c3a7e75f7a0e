import { GatewayError } from './errors.ts';
import { namesShared } from './upstream-objects.ts';

/** @throws GatewayError (400) for what is neither an address nor an image of a kind that models read. */
export function checkImageUrl(url: string, param: string): void {
  if (!/^data:image\/(png|jpeg|gif|webp);base64,/i.test(url)) checkWebUrl(url, param);
}

/**
 * What an upstream fetches itself is public. Google's own addresses of files are none: they are objects in the account of
 * whoever's key comes with them.
 * @throws GatewayError (400)
 */
export function checkWebUrl(url: string, param: string): URL {
  const parsed = /^https?:\/\//i.test(url) ? URL.parse(url) : null;
  if (parsed === null) throw invalidUrl(param);
  const { hostname } = parsed;
  if (/(?:^|\.)googleapis\.com\.?$/.test(hostname) && hostname !== 'storage.googleapis.com') throw namesShared(param);
  return parsed;
}

function invalidUrl(param: string): GatewayError {
  const message = `Invalid '${param}'. Expected a valid URL, but got a value with an invalid format.`;
  return new GatewayError('invalid_value', message, { param });
}
