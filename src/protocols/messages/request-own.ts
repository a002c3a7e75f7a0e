import { isJsonObject } from '../../core/json-object.ts';
import type { CalledTool, ToolOffer } from '../../core/offer-tools.ts';
import type { TurnRequest } from '../../core/request.ts';
import type { Segment } from './place-breakpoints.ts';

export type Field = [name: string, json: string | number | undefined];

/** What of a request a client of this protocol has said in its own words, and what an upstream of it is told in the same. */
export interface OwnRequest {
  /** Undefined: it is the thread's, which the request does not say again. */
  system: Segment[] | undefined;
  tools:
    | {
        /** Definitions. */
        tools: string[];
        toolChoice: string | undefined;
        /** The model must call: `any` or `tool`. */
        forced: boolean;
        offer: ToolOffer;
      }
    | undefined;
  settings: Field[];
}

/** What has a place of its own in the body. */
const placed: ReadonlySet<string> = new Set(['system', 'tools', 'tool_choice']);

/** Undefined: the client speaks another protocol. */
export function ownRequest({ protocol, wire, inheritsSettings = false }: TurnRequest): OwnRequest | undefined {
  if (protocol !== 'messages' || wire === undefined) return undefined;
  const settings = Object.entries(wire)
    .filter(([name]) => !placed.has(name))
    .map(([name, value]): Field => [name, JSON.stringify(value)]);
  if (inheritsSettings) return { system: undefined, tools: undefined, settings };
  const { system, tools, tool_choice: choice } = wire;
  const definitions: unknown[] = Array.isArray(tools) ? tools : [];
  const names = definitions.flatMap((tool) =>
    isJsonObject(tool) && isCustom(tool['type']) ? [String(tool['name'])] : [],
  );
  return {
    system: systemOf(system),
    settings,
    tools: {
      tools: definitions.map((tool) => JSON.stringify(tool)),
      toolChoice: isJsonObject(choice) ? JSON.stringify(choice) : undefined,
      forced: isJsonObject(choice) && (choice['type'] === 'any' || choice['type'] === 'tool'),
      offer: {
        offers: [],
        all: [],
        choice: 'auto',
        called: new Map(names.map((name): [string, CalledTool] => [name, { kind: 'function', name }])),
        nameOfNative: (type) => type,
        nameOfCall: (name) => name,
      },
    },
  };
}

const isCustom = (type: unknown): boolean => type === undefined || type === null || type === 'custom';

function systemOf(system: unknown): Segment[] {
  if (typeof system === 'string')
    return system === '' ? [] : [{ json: JSON.stringify({ type: 'text', text: system }) }];
  return Array.isArray(system) ? system.map((block) => ({ json: JSON.stringify(block) })) : [];
}
