import { isToolCall, type Item, type ItemReference } from '../../core/items.ts';
import type { TurnRequest } from '../../core/request.ts';
import type { ModelProfile } from '../codec.ts';
import { shortCallId } from './apply-quirks.ts';
import { isOwnField } from './wire.ts';

/**
 * Whether an upstream takes a client's words as they are. Where it would refuse them, or not heed them, they go through the
 * neutral model, which puts them as this vendor knows them and says what is left out.
 * @param members of the request's body, as text.
 */
export function fitsDialect(
  members: ReadonlyMap<string, string>,
  request: TurnRequest,
  profile: ModelProfile,
): boolean {
  const { quirks = {}, customTools, samplingParameters, reasoningField, jsonSchemaOutput } = profile;
  const { input, tools, textFormat, extra } = request;
  // The usage is always asked for; whoever refuses that is not asked.
  const refused = (quirks.refuses ?? []).filter((field) => field !== 'stream_options');
  const foreign = [...refused, ...Object.keys(quirks.renames ?? {})];
  if (samplingParameters === false) foreign.push('temperature', 'top_p');
  if (foreign.some((field) => (members.get(field) ?? 'null') !== 'null')) return false;

  const effort = request.reasoning?.effort ?? undefined;
  if (effort !== undefined && quirks.effortField === 'reasoning') return false;
  if (effort !== undefined && quirks.efforts?.[effort] !== undefined) return false;
  if (effort === 'none' && quirks.thinkingSwitch === true) return false;

  const calls = input.flatMap((item, index) => (isCall(item) ? [{ item, index }] : []));
  if (quirks.tools === false && (tools.length > 0 || calls.length > 0)) return false;
  if (!customTools && tools.some(({ type }) => type === 'custom')) return false;
  if (quirks.shortCallIds === true && !calls.every(({ item }) => shortCallId.test(item.call_id))) return false;

  if (textFormat.type === 'json_schema' && !jsonSchemaOutput) return false;
  if (textFormat.type === 'json_object' && quirks.jsonObjectOutput === false) return false;

  if (quirks.alternates === true) return false;
  // Newer than most servers, and known to those that know OpenAI's other novelties.
  if (!customTools && input.some((item) => item.type === 'message' && 'role' in item && item.role === 'developer')) {
    return false;
  }
  // Fields of ours, which clients send back with the message.
  if (Object.keys(extra).some((param) => isOwnField.test(param))) return false;
  const thoughtful = new Set(
    input.flatMap(({ type }, index) => (type === 'reasoning' ? [messageOf(request, index)] : [])),
  );
  if (reasoningField === 'none') return thoughtful.size === 0;
  return quirks.replays !== 'calls' || calls.every(({ index }) => thoughtful.has(messageOf(request, index)));
}

function isCall(item: Item | ItemReference): item is Extract<Item, { call_id: string; name: string }> {
  return item.type !== 'item_reference' && isToolCall(item);
}

/** `messages[3]` of what that message said. */
function messageOf({ places = {} }: TurnRequest, index: number): string | undefined {
  return /^messages\[\d+\]/.exec(places[`input[${index}]`] ?? '')?.[0];
}
