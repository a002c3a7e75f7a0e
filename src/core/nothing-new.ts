import { GatewayError } from './errors.ts';
import type { TurnRequest } from './request.ts';

/**
 * For codecs whose conversation ends with the model's own words. A client that brings such words wants them continued. Of
 * one that brings nothing after the last answer, that answer would be continued, which newer models refuse.
 * @throws GatewayError 400, param `input`.
 */
export function refuseNothingNew({ input }: TurnRequest): void {
  const bringsWords = input.some(
    (item) => item.type === 'item_reference' || (item.type === 'message' && item.role === 'assistant'),
  );
  if (bringsWords) return;
  const message = 'There is nothing new to answer: the input says nothing after the last answer.';
  throw new GatewayError('invalid_value', message, { param: 'input' });
}
