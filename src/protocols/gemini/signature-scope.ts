const version = /-(?:latest|exp|preview|\d{3}|\d{2}-\d{2}|\d{2}-\d{4})$/;

/** The model without what is around its name, and without the version: `gemini-2.5-flash-preview-09-2025` is `gemini-2.5-flash`. */
export function signatureScope(upstreamModel: string): string {
  let scope = upstreamModel.slice(upstreamModel.lastIndexOf('/') + 1).replace(/@.*$/, '');
  for (;;) {
    const shorter = scope.replace(version, '');
    if (shorter === scope || shorter === '') return scope;
    scope = shorter;
  }
}

/**
 * Whether signatures of the one model are sent to the other. Google's moving names (`gemini-flash-latest`) stand for a model
 * that the reply names: what came of them goes back to them, as it does for whoever sends a conversation back as it came.
 */
export function takesBack(originScope: string, model: string): boolean {
  const scope = signatureScope(model);
  if (originScope === scope) return true;
  const family = /^gemini-(pro|flash|flash-lite)$/.exec(scope)?.[1];
  return family !== undefined && new RegExp(String.raw`^gemini-[\d.]+-${family}$`).test(originScope);
}
