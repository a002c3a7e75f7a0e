export type Environment = Readonly<Record<string, string | undefined>>;

export interface Interpolation {
  text: string;
  /** Names of variables that are not set and have no default. */
  missing: string[];
  /** A `${` that begins no reference. */
  malformed: boolean;
}

const references = /\$\$\{|\$\{(?:([A-Za-z_]\w*)(?::-([^}]*))?\})?/g;

/** Replaces `${NAME}` and `${NAME:-default}` (used when NAME is unset or empty). `$${` is a literal `${`. */
export function interpolate(text: string, env: Environment): Interpolation {
  const missing: string[] = [];
  let malformed = false;
  const replaced = text.replace(references, (match: string, name: string | undefined, fallback: string | undefined) => {
    if (match === '$${') return '${';
    if (name === undefined) {
      malformed = true;
      return match;
    }
    const value = env[name];
    if (fallback !== undefined && (value === undefined || value === '')) return fallback;
    if (value === undefined) missing.push(name);
    return value ?? '';
  });
  return { text: replaced, missing, malformed };
}
