import { GatewayError } from './errors.ts';

/** @throws GatewayError (400) for what is neither an address nor an image of a kind that models read. */
export function checkImageUrl(url: string, param: string): void {
  if (!/^data:image\/(png|jpeg|gif|webp);base64,/i.test(url) && !isWebUrl(url)) throw invalidUrl(param);
}

export function isWebUrl(url: string): boolean {
  return /^https?:\/\//i.test(url) && URL.canParse(url);
}

export function invalidUrl(param: string): GatewayError {
  const message = `Invalid '${param}'. Expected a valid URL, but got a value with an invalid format.`;
  return new GatewayError('invalid_value', message, { param });
}
