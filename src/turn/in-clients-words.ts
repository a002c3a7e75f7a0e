import { GatewayError } from '../core/errors.ts';
import type { TurnCall } from './turn.ts';

/** From a request's decoding on parameters are named as the client names them: decoders do so by themselves. */
export function inClientsWords<Thrown>(thrown: Thrown, { client, request }: Pick<TurnCall, 'client' | 'request'>) {
  if (!(thrown instanceof GatewayError) || thrown.param === null || client.paramName === undefined) return thrown;
  return thrown.of(client.paramName(thrown.param, request));
}
