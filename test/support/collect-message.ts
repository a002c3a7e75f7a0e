import { parseFrames } from './read-events.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was sent
type Json = any;

export interface CollectedMessage {
  types: string[];
  /** As Anthropic's own SDK puts it together. */
  message: Json;
  /** Undefined: the stream ended well. */
  error: Json;
}

/** What a client makes of a stream, held to its grammar: one block at a time, indexes without gaps, one end. */
export function collectMessage(text: string): CollectedMessage {
  const events: Json[] = parseFrames(text).map(({ event, data }) => {
    if (event !== data.type) throw new Error(`an event called ${event} says that it is ${String(data.type)}`);
    return data;
  });
  const types = events.map(({ type }) => String(type)).filter((type) => type !== 'ping');
  let message: Json;
  let input = '';
  let isOpen = false;
  let ended = false;
  let error: Json;
  for (const event of events) {
    if (ended) throw new Error(`${event.type} after the end`);
    const block = message?.content.at(-1);
    switch (event.type) {
      case 'message_start':
        if (message !== undefined) throw new Error('two messages');
        message = structuredClone(event.message);
        break;
      case 'content_block_start':
        if (isOpen || event.index !== message.content.length) throw new Error(`block ${event.index} is out of place`);
        isOpen = true;
        input = '';
        message.content.push(structuredClone(event.content_block));
        break;
      case 'content_block_delta': {
        if (!isOpen || event.index !== message.content.length - 1) throw new Error('a delta of no open block');
        const { delta } = event;
        if (delta.type === 'text_delta') block.text += delta.text;
        else if (delta.type === 'thinking_delta') block.thinking += delta.thinking;
        else if (delta.type === 'signature_delta') block.signature += delta.signature;
        else if (delta.type === 'input_json_delta') input += delta.partial_json;
        else if (delta.type === 'citations_delta') block.citations = [...(block.citations ?? []), delta.citation];
        else throw new Error(`a delta of type ${delta.type}`);
        break;
      }
      case 'content_block_stop':
        if (!isOpen || event.index !== message.content.length - 1) throw new Error('a stop of no open block');
        if (input !== '') block.input = JSON.parse(input);
        isOpen = false;
        break;
      case 'message_delta':
        if (isOpen) throw new Error('a block was left open');
        Object.assign(message, event.delta);
        Object.assign(message.usage, event.usage);
        break;
      case 'message_stop':
        ended = true;
        break;
      case 'error':
        ended = true;
        error = event.error;
        break;
      case 'ping':
        break;
      default:
        throw new Error(`an event of type ${event.type}`);
    }
  }
  if (!ended) throw new Error('the stream has no end');
  return { types, message, error };
}
