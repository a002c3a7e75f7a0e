import { describe, expect, test } from 'vitest';
import type { Route } from './route.ts';
import { createRouteTable } from './route-table.ts';

const route = (method: Route['method'], path: string): Route => ({
  method,
  path,
  auth: 'none',
  content: 'none',
  handle: () => Promise.resolve(),
});

const table = createRouteTable([
  route('POST', '/v1/responses'),
  route('GET', '/v1/responses/{id}'),
  route('DELETE', '/v1/responses/{id}'),
  route('POST', '/v1/responses/input_tokens'),
  route('GET', '/v1/responses/{id}/input_items'),
  route('GET', '/health/live'),
  route('GET', '/'),
]);

/** `METHOD path params` of what answers, `405 methods`, or `404`. */
function outcome(method: string, path: string): string {
  const match = table.match(method, path);
  if (match === undefined) return '404';
  if ('allow' in match) return `405 ${match.allow.join(',')}`;
  return `${match.route.method} ${match.route.path} ${JSON.stringify(match.params)}`;
}

describe('createRouteTable', () => {
  test.each([
    ['POST', '/v1/responses', 'POST /v1/responses {}'],
    ['POST', '/responses', 'POST /responses {}'],
    ['POST', '/v1/responses/', 'POST /v1/responses {}'],
    ['POST', '//v1///responses//', 'POST /v1/responses {}'],
    ['GET', '/v1/responses/resp_1', 'GET /v1/responses/{id} {"id":"resp_1"}'],
    ['DELETE', '/responses/resp_1/', 'DELETE /responses/{id} {"id":"resp_1"}'],
    ['GET', '/v1/responses/a%2Fb%20c', 'GET /v1/responses/{id} {"id":"a/b c"}'],
    ['GET', '/v1/responses/x/input_items', 'GET /v1/responses/{id}/input_items {"id":"x"}'],
    ['POST', '/v1/responses/input_tokens', 'POST /v1/responses/input_tokens {}'],
    ['GET', '/', 'GET / {}'],
    ['HEAD', '/health/live', 'GET /health/live {}'],
    ['GET', '/v1/responses', '405 POST'],
    ['PUT', '/v1/responses/resp_1', '405 GET,DELETE'],
    ['TRACE', '/health/live', '405 GET'],
    ['HEAD', '/v1/responses', '405 POST'],
    ['POST', '/V1/responses', '404'],
    ['POST', '/v1/Responses', '404'],
    ['POST', '/v1/%72esponses', '404'],
    ['POST', '/v1%2Fresponses', '404'],
    ['POST', '/v1/./responses', '404'],
    ['POST', '/v1/x/../responses', '404'],
    ['POST', '/v1/v1/responses', '404'],
    ['GET', '/v1/responses/%ff', '404'],
    ['GET', '/v1/responses/%', '404'],
    ['GET', '/v1/responses/{id}/nothing', '404'],
    ['GET', '/v1/health/live', '404'],
    ['GET', '', '404'],
  ])('%s %s is %s', (method, path, expected) => {
    expect(outcome(method, path)).toBe(expected);
  });

  test('lists every route, with the aliases that the rule makes', () => {
    expect(table.routes.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/responses',
      'POST /responses',
      'GET /v1/responses/{id}',
      'GET /responses/{id}',
      'DELETE /v1/responses/{id}',
      'DELETE /responses/{id}',
      'POST /v1/responses/input_tokens',
      'POST /responses/input_tokens',
      'GET /v1/responses/{id}/input_items',
      'GET /responses/{id}/input_items',
      'GET /health/live',
      'GET /',
    ]);
  });

  test.each([
    ['the same path', [route('GET', '/a'), route('GET', '/a')]],
    ['parameters of two names', [route('GET', '/a/{x}'), route('GET', '/a/{y}')]],
    ['an alias of another', [route('GET', '/v1/a'), route('GET', '/a')]],
  ])('two routes that no request can tell apart are refused: %s', (_name, routes) => {
    expect(() => createRouteTable(routes)).toThrow('two routes answer GET');
  });
});
