import type { Deployment } from './provider.ts';

/** What deployments were found to lack, by address and model. */
export interface Remembered {
  has(deployment: Deployment): boolean;
  /** False: it was there already. */
  add(deployment: Deployment): boolean;
}

const most = 1000;

/** A client may choose a model's name, so that there is a limit to them. */
export function createRemembered(): Remembered {
  const names = new Set<string>();
  const nameOf = ({ baseUrl, model }: Deployment) => `${baseUrl} ${model}`;
  return {
    has: (deployment) => names.has(nameOf(deployment)),
    add(deployment) {
      if (names.has(nameOf(deployment))) return false;
      if (names.size === most) names.clear();
      names.add(nameOf(deployment));
      return true;
    },
  };
}
