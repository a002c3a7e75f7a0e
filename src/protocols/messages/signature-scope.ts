/**
 * Within what a thinking block's signature is taken back: the model, without the date, the version and the cloud around
 * its name, so that one conversation may move between Anthropic, Bedrock and Vertex deployments of one model.
 */
export function signatureScope(upstreamModel: string): string {
  const name = upstreamModel.slice(upstreamModel.lastIndexOf('/') + 1).replace(/^(?:[a-z-]{2,10}\.)?anthropic\./, '');
  let scope = name;
  for (;;) {
    const shorter = scope.replace(/(?:-v\d+(?::\w+)*|@[\w.-]+|-latest|-\d{8})$/, '');
    if (shorter === scope || shorter === '') return scope;
    scope = shorter;
  }
}
