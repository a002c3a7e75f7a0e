import type { Answer, AnswerBlock, AnswerUsage } from './answer.ts';

/**
 * The message that a plain reply holds.
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function messageJson(answer: Answer): string {
  const content = answer.blocks.map(blockJson).join(',');
  return messageWith(answer, content, stopJson(answer), answer.usage.outputTokens, true);
}

/**
 * The frames of a streamed reply, framing included, in order.
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming
 */
export function streamFrames(answer: Answer): string[] {
  const frames = [
    frame('message_start', `{"type":"message_start","message":${messageWith(answer, '', openStopJson, 1, false)}}`),
  ];
  for (const [index, block] of answer.blocks.entries()) {
    frames.push(
      frame(
        'content_block_start',
        `{"type":"content_block_start","index":${index},"content_block":${emptyBlockJson(block)}}`,
      ),
    );
    if (index === 0) frames.push(frame('ping', '{"type": "ping"}'));
    for (const delta of deltasOf(block)) {
      frames.push(frame('content_block_delta', `{"type":"content_block_delta","index":${index},"delta":${delta}}`));
    }
    frames.push(frame('content_block_stop', `{"type":"content_block_stop","index":${index}}`));
  }
  if (answer.blocks.length === 0) frames.push(frame('ping', '{"type": "ping"}'));
  const usage = usageJson(answer, answer.usage.outputTokens, true, false);
  frames.push(frame('message_delta', `{"type":"message_delta","delta":{${stopJson(answer)}},"usage":${usage}}`));
  frames.push(frame('message_stop', '{"type":"message_stop"}'));
  return frames;
}

function frame(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}

function messageWith(answer: Answer, content: string, stop: string, outputTokens: number, isWhole: boolean): string {
  return (
    `{"model":${JSON.stringify(answer.model)},"id":"${answer.id}","type":"message","role":"assistant","content":[${content}],` +
    `${stop},"usage":${usageJson(answer, outputTokens, isWhole, true)}}`
  );
}

const openStopJson = '"stop_reason":null,"stop_sequence":null,"stop_details":null';

function stopJson({ stopReason, stopSequence }: Answer): string {
  const details =
    stopReason === 'refusal'
      ? '{"type":"refusal","category":null,"explanation":"This request was declined because it contains the test string for refusals."}'
      : 'null';
  return `"stop_reason":"${stopReason}","stop_sequence":${JSON.stringify(stopSequence ?? null)},"stop_details":${details}`;
}

/** @param isWhole the output is known. @param isMessage the classes that only a message's own usage has come along. */
function usageJson(answer: Answer, outputTokens: number, isWhole: boolean, isMessage: boolean): string {
  if (answer.stopReason !== 'compaction') return countsJson(answer.usage, outputTokens, isWhole, isMessage);
  // What a compaction takes is in its own entry only.
  const entry = `{"type":"compaction",${countsJson(answer.usage, outputTokens, false, true).slice(1)}`;
  const iterations = isWhole ? `,"iterations":[${entry}]` : '';
  return `${countsJson(noTokens, 0, false, isMessage).slice(0, -1)}${iterations}}`;
}

const noTokens: AnswerUsage = {
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  outputTokens: 0,
  thinkingTokens: undefined,
};

function countsJson(usage: AnswerUsage, outputTokens: number, isWhole: boolean, isMessage: boolean): string {
  const classes = isMessage
    ? `,"cache_creation":{"ephemeral_5m_input_tokens":${usage.cacheWrite5mTokens},"ephemeral_1h_input_tokens":${usage.cacheWrite1hTokens}}`
    : '';
  const details =
    isWhole && usage.thinkingTokens !== undefined
      ? `,"output_tokens_details":{"thinking_tokens":${usage.thinkingTokens}}`
      : '';
  const service = isMessage ? ',"service_tier":"standard","inference_geo":"not_available"' : '';
  return (
    `{"input_tokens":${usage.inputTokens},"cache_creation_input_tokens":${usage.cacheWrite5mTokens + usage.cacheWrite1hTokens},` +
    `"cache_read_input_tokens":${usage.cacheReadTokens}${classes},"output_tokens":${outputTokens}${details}${service}}`
  );
}

function blockJson(block: AnswerBlock): string {
  switch (block.type) {
    case 'thinking':
      return `{"type":"thinking","thinking":${JSON.stringify(block.thinking)},"signature":"${block.signature}"}`;
    case 'text':
      return block.citation === undefined
        ? `{"type":"text","text":${JSON.stringify(block.text)}}`
        : JSON.stringify({ citations: [block.citation], type: 'text', text: block.text });
    case 'server_tool_use':
      return serverToolUseJson(block, block.input);
    case 'web_search_tool_result': {
      const { type, tool_use_id, content } = block;
      return JSON.stringify({ type, tool_use_id, content });
    }
    case 'tool_use':
      return toolUseJson(block, block.complete ? block.input : '{}');
    case 'redacted_thinking':
      return `{"type":"redacted_thinking","data":"${block.data}"}`;
    case 'compaction':
      return compactionJson(block, block.content);
  }
}

function emptyBlockJson(block: AnswerBlock): string {
  switch (block.type) {
    case 'thinking':
      return '{"type":"thinking","thinking":"","signature":""}';
    case 'text':
      return block.citation === undefined ? '{"type":"text","text":""}' : '{"citations":[],"type":"text","text":""}';
    case 'server_tool_use':
      return serverToolUseJson(block, '{}');
    case 'web_search_tool_result':
      return blockJson(block);
    case 'tool_use':
      return toolUseJson(block, '{}');
    case 'redacted_thinking':
      return blockJson(block);
    case 'compaction':
      return compactionJson(block, null);
  }
}

function compactionJson({ signature }: { signature: string }, content: string | null): string {
  return JSON.stringify({ type: 'compaction', content, encrypted_content: null, signature, tool_changes: [] });
}

function serverToolUseJson({ id, name }: { id: string; name: string }, input: string): string {
  return `{"type":"server_tool_use","id":"${id}","name":${JSON.stringify(name)},"input":${input}}`;
}

function toolUseJson({ id, name }: { id: string; name: string }, input: string): string {
  return `{"type":"tool_use","id":"${id}","name":${JSON.stringify(name)},"input":${input},"caller":{"type":"direct"}}`;
}

function deltasOf(block: AnswerBlock): string[] {
  switch (block.type) {
    case 'thinking':
      return [
        ...wordsOf(block.thinking).map((word) => `{"type":"thinking_delta","thinking":${JSON.stringify(word)}}`),
        `{"type":"signature_delta","signature":"${block.signature}"}`,
      ];
    case 'text':
      return [
        ...(block.citation === undefined
          ? []
          : [`{"type":"citations_delta","citation":${JSON.stringify(block.citation)}}`]),
        ...wordsOf(block.text).map((word) => `{"type":"text_delta","text":${JSON.stringify(word)}}`),
      ];
    case 'server_tool_use':
    case 'tool_use':
      // The first delta is empty; for a call without arguments it is the only one.
      return ['', ...(block.input === '{}' ? [] : piecesOf(block.input))].map(
        (piece) => `{"type":"input_json_delta","partial_json":${JSON.stringify(piece)}}`,
      );
    case 'compaction':
      return [JSON.stringify({ type: 'compaction_delta', content: block.content, encrypted_content: null })];
    case 'redacted_thinking':
    case 'web_search_tool_result':
      return [];
  }
}

function wordsOf(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

/** A few characters each, cut between characters: keys, strings and numbers are split, code points are not. */
function piecesOf(json: string): string[] {
  return json.match(/[\s\S]{1,9}/gu) ?? [];
}
