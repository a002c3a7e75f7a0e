import type { Router } from '../../routing/router.ts';
import type { Route } from '../route.ts';
import { sendJson } from '../send-json.ts';

/** @see https://platform.openai.com/docs/api-reference/models/list */
export function modelsRoutes(router: Router, startedAtMs: number): Route[] {
  const created = Math.floor(startedAtMs / 1000);
  return [
    {
      method: 'GET',
      path: '/v1/models',
      auth: 'key',
      content: 'none',
      async handle({ response }) {
        const data = router.names().map((id) => ({ id, object: 'model', created, owned_by: 'turnpike' }));
        sendJson(response, JSON.stringify({ object: 'list', data }));
      },
    },
  ];
}
