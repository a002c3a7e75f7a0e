import { GatewayError } from '../../core/errors.ts';
import { type ContextItem, isNative, type Item, type NativeItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { CallShape } from '../../core/native-calls.ts';
import type { HostedOffer } from '../../core/offer-tools.ts';
import type { NativeTool } from '../../core/request.ts';

/** The name that Anthropic's models know it by. */
export const computerName = 'computer';

export function isComputer({ type }: NativeTool): boolean {
  return type === 'computer' || type === 'computer_use' || type === 'computer_use_preview';
}

/**
 * @param version of the tool, which the model was taught.
 * @throws GatewayError 400 where the size of the screen is not said: the model's coordinates are of that size.
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/computer-use-tool
 */
export function computerDefinition({ tool, path }: HostedOffer, version: string | undefined): string {
  const size = (side: 'width' | 'height'): number => {
    const value = tool[`display_${side}`];
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
    const param = path === 'tools' ? path : `${path}.display_${side}`;
    const message = `With this model a computer's 'display_width' and 'display_height' must be given, in pixels.`;
    throw new GatewayError('missing_required_parameter', message, { param });
  };
  return JSON.stringify({
    type: version,
    name: computerName,
    display_width_px: size('width'),
    display_height_px: size('height'),
  });
}

/** How far one notch of the wheel scrolls, in pixels: what browsers and the drivers of either vendor take it to be. */
const notch = 100;

/** Keys as X11 names them, and as OpenAI's models do. */
const keys: readonly (readonly [string, string])[] = [
  ['Return', 'ENTER'],
  ['Escape', 'ESC'],
  ['BackSpace', 'BACKSPACE'],
  ['Tab', 'TAB'],
  ['space', 'SPACE'],
  ['Delete', 'DELETE'],
  ['Insert', 'INSERT'],
  ['Home', 'HOME'],
  ['End', 'END'],
  ['Page_Up', 'PAGEUP'],
  ['Page_Down', 'PAGEDOWN'],
  ['Up', 'ARROWUP'],
  ['Down', 'ARROWDOWN'],
  ['Left', 'ARROWLEFT'],
  ['Right', 'ARROWRIGHT'],
  ['Caps_Lock', 'CAPSLOCK'],
  ['ctrl', 'CTRL'],
  ['alt', 'ALT'],
  ['shift', 'SHIFT'],
  ['super', 'SUPER'],
];
const toOpenAi = new Map(keys.map(([x11, openAi]) => [x11.toLowerCase(), openAi]));
const toX11 = new Map(keys.map(([x11, openAi]) => [openAi, x11]));

/** `ctrl+shift+t`; the plus key may come last. */
const keysOf = (text: string): string[] => text.split(/\+(?=.)/).map((key) => toOpenAi.get(key.toLowerCase()) ?? key);
const comboOf = (names: unknown): string =>
  textsOf(names)
    .map((key) => toX11.get(key.toUpperCase()) ?? key)
    .join('+');

/** A call of the computer, as the Responses API shows it. */
export const computerCall = {
  type: 'computer_call',
  name: computerName,
  read(input: JsonObject) {
    const actions = actionsOf(input);
    if (actions === undefined) return undefined;
    // Clients of the preview read the one, newer ones the other.
    const [action, ...more] = actions;
    return { pending_safety_checks: [], ...(action !== undefined && more.length === 0 ? { action } : {}), actions };
  },
  zero: { pending_safety_checks: [] },
  events: () => [],
} as const satisfies CallShape;

interface Point {
  x: number;
  y: number;
}

interface Held {
  keys?: string[];
}

type Action =
  | { type: 'screenshot' | 'wait' }
  | (Point & Held & { type: 'click'; button: 'left' | 'right' | 'wheel' })
  | (Point & { type: 'double_click'; keys: string[] | null })
  | (Point & { type: 'move' })
  | (Held & { type: 'drag'; path: Point[] })
  | (Point & Held & { type: 'scroll'; scroll_x: number; scroll_y: number })
  | { type: 'keypress'; keys: string[] }
  | { type: 'type'; text: string };

/** Undefined: the API has no word for it, and the client is told of the call as it is. */
function actionsOf(input: JsonObject): Action[] | undefined {
  const { action, text } = input;
  const at = pointOf(input['coordinate']);
  const held = typeof text === 'string' && text !== '' ? { keys: keysOf(text) } : {};
  switch (action) {
    case 'screenshot':
    case 'wait':
      return [{ type: action }];
    case 'left_click':
    case 'right_click':
    case 'middle_click':
      return at && [{ type: 'click', button: buttonOf[action], ...at, ...held }];
    case 'double_click':
      return at && [{ type: 'double_click', keys: null, ...at, ...held }];
    case 'triple_click':
      return (
        at && [
          { type: 'double_click', keys: null, ...at, ...held },
          { type: 'click', button: 'left', ...at, ...held },
        ]
      );
    case 'mouse_move':
      return at && [{ type: 'move', ...at }];
    case 'left_click_drag': {
      const from = pointOf(input['start_coordinate']);
      return at && from && [{ type: 'drag', path: [from, at], ...held }];
    }
    case 'scroll': {
      const amount = input['scroll_amount'];
      const way = wayOf[String(input['scroll_direction'])];
      if (at === undefined || way === undefined || typeof amount !== 'number') return undefined;
      return [{ type: 'scroll', scroll_x: way[0] * amount * notch, scroll_y: way[1] * amount * notch, ...at, ...held }];
    }
    case 'key':
      if (typeof text !== 'string' || text.trim() === '') return undefined;
      return text
        .trim()
        .split(/\s+/)
        .map((combo) => ({ type: 'keypress', keys: keysOf(combo) }));
    case 'type':
      return typeof text === 'string' ? [{ type: 'type', text }] : undefined;
    default:
      return undefined;
  }
}

const buttonOf = { left_click: 'left', right_click: 'right', middle_click: 'wheel' } as const;
const clickOf: Record<string, string | undefined> = { left: 'left_click', right: 'right_click', wheel: 'middle_click' };
const wayOf: Record<string, readonly [number, number] | undefined> = {
  up: [0, -1],
  down: [0, 1],
  left: [-1, 0],
  right: [1, 0],
};

function pointOf(value: unknown): Point | undefined {
  if (!Array.isArray(value)) return undefined;
  const [x, y] = value as unknown[];
  return typeof x === 'number' && typeof y === 'number' ? { x, y } : undefined;
}

/** What a model of Anthropic's would have said to have it done. */
function inputOf(action: JsonObject): JsonObject {
  const { type, x, y } = action;
  const coordinate = [x, y];
  const combo = comboOf(action['keys']);
  const held = combo === '' ? {} : { text: combo };
  switch (type) {
    case 'click': {
      const click = clickOf[String(action['button'])];
      if (click !== undefined) return { action: click, coordinate, ...held };
      return { action: 'key', text: action['button'] === 'back' ? 'alt+Left' : 'alt+Right' };
    }
    case 'double_click':
      return { action: type, coordinate, ...held };
    case 'move':
      return { action: 'mouse_move', coordinate };
    case 'drag': {
      const path: unknown[] = Array.isArray(action['path']) ? action['path'] : [];
      const place = (point: unknown) => (isJsonObject(point) ? [point['x'], point['y']] : [0, 0]);
      const [start_coordinate, end] = [place(path[0]), place(path.at(-1))];
      return { action: 'left_click_drag', start_coordinate, coordinate: end, ...held };
    }
    case 'scroll': {
      const [dx, dy] = [Number(action['scroll_x'] ?? 0), Number(action['scroll_y'] ?? 0)];
      const isSideways = Math.abs(dx) > Math.abs(dy);
      const far = isSideways ? dx : dy;
      const scroll_direction = isSideways ? (far < 0 ? 'left' : 'right') : far < 0 ? 'up' : 'down';
      const scroll_amount = Math.max(1, Math.round(Math.abs(far) / notch));
      return { action: type, coordinate, scroll_direction, scroll_amount, ...held };
    }
    case 'keypress':
      return { action: 'key', text: combo };
    case 'wait':
      return { action: type, duration: 1 };
    default:
      return { action: type, ...(typeof action['text'] === 'string' ? { text: action['text'] } : {}) };
  }
}

/** The context with calls of the computer as tool uses, and what was seen then as their results. */
export function withComputerCalls(context: ContextItem[]): ContextItem[] {
  if (!context.some(({ item }) => isNative(item))) return context;
  return context.map((entry) => {
    const item = isNative(entry.item) ? toolItem(entry.item) : undefined;
    return item === undefined ? entry : { ...entry, item };
  });
}

function toolItem({ id, type, call_id, status, ...item }: NativeItem): Item | undefined {
  if (typeof call_id !== 'string') return undefined;
  if (type === 'computer_call') {
    const said: unknown[] = Array.isArray(item['actions']) ? item['actions'] : [item['action']];
    const inputs = said.filter(isJsonObject).map(inputOf);
    return {
      type: 'function_call',
      id,
      call_id,
      name: computerName,
      // A model of Anthropic's does one thing at a time; what another did at once reads so.
      arguments: JSON.stringify(inputs.length === 1 ? inputs[0] : { actions: inputs }),
      status: status === 'incomplete' ? status : 'completed',
    };
  }
  if (type !== 'computer_call_output') return undefined;
  const { image_url, file_id } = isJsonObject(item['output']) ? item['output'] : {};
  const image = { type: 'input_image' as const, image_url: textOrNull(image_url), file_id: textOrNull(file_id) };
  return { type: 'function_call_output', id, call_id, output: [image] };
}

const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
