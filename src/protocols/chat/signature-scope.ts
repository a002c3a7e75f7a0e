/** The model's name without the date of its snapshot: `gpt-4.1-nano-2025-04-14` is asked for as `gpt-4.1-nano`. */
export function signatureScope(upstreamModel: string): string {
  return upstreamModel.replace(/[-@](\d{4}-\d{2}-\d{2}|\d{8})$/, '');
}
