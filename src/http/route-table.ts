import type { Route } from './route.ts';

export interface RouteMatch {
  route: Route;
  params: Record<string, string>;
}

export interface RouteTable {
  /** Every route that is served, aliases included. */
  readonly routes: readonly Route[];
  /** `allow`: the path is known, with these methods. Undefined: it is not. */
  match(method: string, path: string): RouteMatch | { allow: string[] } | undefined;
  /** The error shape of what is asked for under this path, whether a route answers it or not. Undefined: the app's own. */
  encodeErrorOf(path: string): Route['encodeError'];
}

interface Entry {
  segments: string[];
  byMethod: Map<string, Route>;
}

const parameter = /^\{(\w+)\}$/;

const segmentsOf = (path: string): string[] => path.slice(1).split('/');

/** Two paths that no request can tell apart have one shape. */
const shapeOf = (path: string): string =>
  segmentsOf(path)
    .map((segment) => (parameter.test(segment) ? '{}' : segment))
    .join('/');

/** Slashes at the end and slashes in a row mean nothing: clients join base URLs carelessly. Nothing else is forgiven. */
function normalise(path: string): string {
  if (!path.includes('//') && !path.endsWith('/')) return path;
  const single = path.replace(/\/{2,}/g, '/');
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single;
}

function decode(segment: string): string | undefined {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function paramsOf(pattern: string[], segments: string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [i, expected] of pattern.entries()) {
    const segment = segments[i] ?? '';
    const name = parameter.exec(expected)?.[1];
    if (name === undefined && segment !== expected) return undefined;
    if (name === undefined) continue;
    const value = decode(segment);
    if (value === undefined || value === '') return undefined;
    params[name] = value;
  }
  return params;
}

function choose(
  { byMethod }: Entry,
  method: string,
  params: Record<string, string>,
): RouteMatch | { allow: string[] } | undefined {
  const route = byMethod.get(method) ?? (method === 'HEAD' ? byMethod.get('GET') : undefined);
  if (route !== undefined) return { route, params };
  // What is only asked whether it is there is nothing else.
  const allow = Array.from(byMethod.keys()).filter((each) => each !== 'HEAD');
  return allow.length === 0 ? undefined : { allow };
}

/**
 * A path is compared byte for byte, case included, after runs of slashes became one and a slash at the end was dropped.
 * Percent-encoding counts in parameters only. A path without parameters wins over one with them; HEAD is served as GET.
 * @throws Error for two routes with one method and shape.
 */
export function createRouteTable(declared: readonly Route[]): RouteTable {
  const routes = declared.flatMap((route): Route[] =>
    route.path.startsWith('/v1/') ? [route, { ...route, path: route.path.slice('/v1'.length) }] : [route],
  );
  const entries = new Map<string, Entry>();
  for (const route of routes) {
    const shape = shapeOf(route.path);
    const entry = entries.get(shape) ?? { segments: segmentsOf(route.path), byMethod: new Map<string, Route>() };
    if (entry.byMethod.has(route.method)) throw new Error(`two routes answer ${route.method} ${route.path}`);
    entry.byMethod.set(route.method, route);
    entries.set(shape, entry);
  }
  const fixed = new Map<string, Entry>();
  const open: Entry[] = [];
  for (const entry of entries.values()) {
    if (entry.segments.some((segment) => parameter.test(segment))) open.push(entry);
    else fixed.set(`/${entry.segments.join('/')}`, entry);
  }

  const shaped = routes.filter(({ encodeError }) => encodeError !== undefined);

  return {
    routes,
    encodeErrorOf(path) {
      const normal = normalise(path);
      return shaped.find((route) => normal === route.path || normal.startsWith(`${route.path}/`))?.encodeError;
    },
    match(method, path) {
      const normal = normalise(path);
      const exact = fixed.get(normal);
      if (exact !== undefined) return choose(exact, method, {});
      const segments = segmentsOf(normal);
      for (const entry of open) {
        if (entry.segments.length !== segments.length) continue;
        const params = paramsOf(entry.segments, segments);
        if (params !== undefined) return choose(entry, method, params);
      }
      return undefined;
    },
  };
}
