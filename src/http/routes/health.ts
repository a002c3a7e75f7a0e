import { GatewayError } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import type { Route } from '../route.ts';
import { sendJson } from '../send-json.ts';

const ok = JSON.stringify({ status: 'ok' });

/** Liveness never depends on the store; readiness is the store's word, and no once the gateway is stopping. */
export function healthRoutes(store: Store): Route[] {
  return [
    {
      method: 'GET',
      path: '/health/live',
      auth: 'none',
      content: 'none',
      async handle({ response }) {
        sendJson(response, ok);
      },
    },
    {
      method: 'GET',
      path: '/health/ready',
      auth: 'none',
      content: 'none',
      async handle({ response, draining }) {
        if (draining) throw new GatewayError('shutting_down', 'The gateway is shutting down.');
        await store.check();
        sendJson(response, ok);
      },
    },
  ];
}
