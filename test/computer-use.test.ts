/** The computer over Anthropic's models: its tool and beta, actions and screenshots both ways, and nobody else's. */
import { describe, expect, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import { createSdkCheck } from './support/sdk-schema.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const check = createSdkCheck();
const preview = { type: 'computer_use_preview', display_width: 1024, display_height: 768, environment: 'linux' };
const screenshot = { type: 'computer_screenshot', image_url: 'data:image/png;base64,iVBORw0KGgo=' };

function use(input: object, id = 'toolu_1'): void {
  rig.messages.answer = () => ({
    blocks: [{ type: 'tool_use', id, name: 'computer', input }],
    stopReason: 'tool_use',
  });
}

test.each([
  ['claude', 'computer_20250124', 'computer-use-2025-01-24'],
  ['sonnet', 'computer_20250124', 'computer-use-2025-01-24'],
])('%s is offered %s', async (model, type, beta) => {
  const answer = await rig.client.create({ model, input: 'Look.', tools: [preview] });
  expect(answer.status, answer.text).toBe(200);
  const [sent] = rig.messages.requests;
  expect(sent?.body.tools).toEqual([{ type, name: 'computer', display_width_px: 1024, display_height_px: 768 }]);
  expect(sent?.headers['anthropic-beta']).toBe(beta);
  expect(answer.body.tools).toEqual([preview]);
});

test('a computer of an unknown size, and one over another vendor, are refused by name', async () => {
  const ask = async (model: string, tool: object) => {
    const { status, body } = await rig.client.create({ model, input: 'Look.', tools: [tool] });
    return [status, body.error.param, body.error.message];
  };
  const size = "With this model a computer's 'display_width' and 'display_height' must be given, in pixels.";
  expect(await ask('claude', { type: 'computer' })).toEqual([400, 'tools[0].display_width', size]);
  const unhosted = "Hosted tool 'computer_use_preview' is not supported with this model.";
  expect(await ask('qwen', preview)).toEqual([400, 'tools[0].type', unhosted]);
  expect([...rig.messages.requests, ...rig.chat.requests]).toEqual([]);
});

/** What a model of Anthropic's does, and how the Responses API says it. */
const actions: [input: object, said: object[]][] = [
  [{ action: 'screenshot' }, [{ type: 'screenshot' }]],
  [{ action: 'left_click', coordinate: [3, 4] }, [{ type: 'click', button: 'left', x: 3, y: 4 }]],
  [
    { action: 'right_click', coordinate: [3, 4], text: 'ctrl+shift' },
    [{ type: 'click', button: 'right', x: 3, y: 4, keys: ['CTRL', 'SHIFT'] }],
  ],
  [{ action: 'middle_click', coordinate: [3, 4] }, [{ type: 'click', button: 'wheel', x: 3, y: 4 }]],
  [{ action: 'double_click', coordinate: [3, 4] }, [{ type: 'double_click', keys: null, x: 3, y: 4 }]],
  [
    { action: 'triple_click', coordinate: [3, 4] },
    [
      { type: 'double_click', keys: null, x: 3, y: 4 },
      { type: 'click', button: 'left', x: 3, y: 4 },
    ],
  ],
  [{ action: 'mouse_move', coordinate: [3, 4] }, [{ type: 'move', x: 3, y: 4 }]],
  [
    { action: 'left_click_drag', start_coordinate: [1, 2], coordinate: [3, 4] },
    [
      {
        type: 'drag',
        path: [
          { x: 1, y: 2 },
          { x: 3, y: 4 },
        ],
      },
    ],
  ],
  [
    { action: 'scroll', coordinate: [3, 4], scroll_direction: 'up', scroll_amount: 2 },
    [{ type: 'scroll', scroll_x: 0, scroll_y: -200, x: 3, y: 4 }],
  ],
  [{ action: 'key', text: 'ctrl+Page_Down' }, [{ type: 'keypress', keys: ['CTRL', 'PAGEDOWN'] }]],
  [
    { action: 'key', text: 'ctrl+a Delete' },
    [
      { type: 'keypress', keys: ['CTRL', 'a'] },
      { type: 'keypress', keys: ['DELETE'] },
    ],
  ],
  [{ action: 'key', text: 'ctrl++' }, [{ type: 'keypress', keys: ['CTRL', '+'] }]],
  [{ action: 'type', text: 'né' }, [{ type: 'type', text: 'né' }]],
  [{ action: 'wait', duration: 2 }, [{ type: 'wait' }]],
];

describe.each([false, true])('stream: %s', (stream) => {
  test.each(actions)('%j is told as %j, and goes back as it was', async (input, said) => {
    use(input);
    const body = { model: 'claude', stream, tools: [preview] };
    const answer = await rig.client.create({ ...body, input: 'Look.' });
    expect(answer.status, answer.text).toBe(200);
    if (stream) expectStream(answer.events);
    for (const { data } of answer.events) expect(check('ResponseStreamEvent', data), JSON.stringify(data)).toEqual([]);
    expect(check('Response', answer.body), answer.text).toEqual([]);
    const [call] = answer.body.output;
    expect(call).toEqual({
      id: expect.stringMatching(/^cu_/),
      type: 'computer_call',
      status: 'completed',
      call_id: 'toolu_1',
      pending_safety_checks: [],
      ...(said.length === 1 ? { action: said[0] } : {}),
      actions: said,
    });
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'Done.' }] });
    const output = { type: 'computer_call_output', call_id: 'toolu_1', output: screenshot };
    const next = await rig.client.create({ ...body, input: [output], previous_response_id: answer.body.id });
    expect(next.status, next.text).toBe(200);
    const [, assistant, user] = rig.messages.requests.at(-1)?.body.messages ?? [];
    expect(assistant.content).toEqual([{ type: 'tool_use', id: 'toolu_1', name: 'computer', input }]);
    expect(user.content[0]).toMatchObject({
      type: 'tool_result',
      tool_use_id: 'toolu_1',
      content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } }],
    });
  });
});

test.each([{ action: 'cursor_position' }, { action: 'left_click' }, { action: 'hold_key', text: 'a', duration: 1 }])(
  '%j, which the API has no word for, is a function call to be answered, and none to be run',
  async (input) => {
    use(input);
    const answer = await rig.client.create({ model: 'claude', input: 'Look.', tools: [preview] });
    expect(answer.body.output).toMatchObject([
      { type: 'function_call', name: 'computer', arguments: JSON.stringify(input) },
    ]);
    expect(answer.headers.get('x-turnpike-warnings') ?? '').toContain('computer');
  },
);

test.each<[said: object, input: object]>([
  [
    { action: { type: 'click', button: 'left', x: 1, y: 2, keys: ['CTRL'] } },
    { action: 'left_click', coordinate: [1, 2], text: 'ctrl' },
  ],
  [{ action: { type: 'click', button: 'back', x: 1, y: 2 } }, { action: 'key', text: 'alt+Left' }],
  [
    { action: { type: 'scroll', x: 1, y: 2, scroll_x: 0, scroll_y: 340 } },
    { action: 'scroll', coordinate: [1, 2], scroll_direction: 'down', scroll_amount: 3 },
  ],
  [{ actions: [{ type: 'keypress', keys: ['CTRL', 'ENTER'] }] }, { action: 'key', text: 'ctrl+Return' }],
  [
    { actions: [{ type: 'move', x: 1, y: 2 }, { type: 'screenshot' }] },
    { actions: [{ action: 'mouse_move', coordinate: [1, 2] }, { action: 'screenshot' }] },
  ],
])('%j of another model reads as %j', async (said, input) => {
  const call = {
    type: 'computer_call',
    id: 'cu_1',
    call_id: 'call_1',
    pending_safety_checks: [],
    status: 'completed',
    ...said,
  };
  const output = { type: 'computer_call_output', call_id: 'call_1', output: screenshot };
  const answer = await rig.client.create({
    model: 'claude',
    tools: [preview],
    input: [{ role: 'user', content: 'Look.' }, call, output],
  });
  expect(answer.status, answer.text).toBe(200);
  expect(rig.messages.requests[0]?.body.messages[1].content).toEqual([
    { type: 'tool_use', id: 'call_1', name: 'computer', input },
  ]);
});

test('a computer that must be used', async () => {
  const body = { model: 'claude', input: 'Look.', tools: [preview], tool_choice: { type: 'computer_use_preview' } };
  const answer = await rig.client.create(body);
  expect(answer.status, answer.text).toBe(200);
  expect(rig.messages.requests[0]?.body.tool_choice).toEqual({ type: 'tool', name: 'computer' });
});
