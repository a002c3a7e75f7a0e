/** Numbers in [0, 1), as Math.random gives them. */
export type Random = () => number;

/**
 * A random order in which each next one is drawn with the probability of its weight among those left. Weight 0 comes
 * last, in the order given. Pure but for `random`, which is asked once for each of several.
 * @see https://doi.org/10.1016/j.ipl.2005.11.003 (Efraimidis and Spirakis: the draw as a sort)
 */
export function orderByWeight<T extends { weight: number }>(deployments: readonly T[], random: Random): T[] {
  if (deployments.length < 2) return [...deployments];
  const drawn = deployments.map((deployment) => ({
    deployment,
    wait: deployment.weight > 0 ? -Math.log(1 - random()) / deployment.weight : Number.POSITIVE_INFINITY,
  }));
  drawn.sort((a, b) => (a.wait === b.wait ? 0 : a.wait - b.wait));
  return drawn.map(({ deployment }) => deployment);
}
