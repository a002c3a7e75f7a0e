/**
 * Within what encrypted reasoning is taken back: the model without the vendor before its name and the date of its snapshot
 * behind it. `gpt-5.1-2025-11-13` is asked for as `gpt-5.1`.
 */
export function signatureScope(upstreamModel: string): string {
  return upstreamModel.slice(upstreamModel.lastIndexOf('/') + 1).replace(/-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$/, '');
}
