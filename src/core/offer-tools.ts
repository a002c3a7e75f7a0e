import { hash } from 'node:crypto';
import { GatewayError } from './errors.ts';
import { type Grammar, readGrammar } from './grammar/grammar.ts';
import type { CallFields, ContextItem } from './items.ts';
import { asFunction, type CallShape, type ClientToolType } from './native-calls.ts';
import { readTools } from './read-tool.ts';
import type { Report } from './report.ts';
import {
  isNativeTool,
  type CustomTool,
  type FunctionTool,
  type NativeTool,
  type NativeToolName,
  nativeToolTypes,
  type Tool,
  type ToolChoice,
  type ToolName,
  type TurnRequest,
} from './request.ts';

/** What a call is to the client, whatever the upstream knows the tool by. */
export type CalledTool =
  | { kind: 'function'; name: string; fields?: CallFields }
  /** `grammar`: its input is to be held to it, since the upstream does not. */
  | { kind: 'custom'; name: string; fields?: CallFields; grammar?: Grammar }
  /** One of the API's own that the client runs, and that is a function to the upstream. */
  | { kind: 'native'; name: ClientToolType }
  /** One that the upstream has a definition of its own for, and the client runs. */
  | { kind: 'shaped'; name: string; shape: CallShape; fields?: undefined };

/** A tool that the client runs, as an upstream is offered it that knows functions only. */
export interface CallableOffer {
  kind: 'callable';
  /** What the upstream knows the tool by. */
  wireName: string;
  tool: FunctionTool | CustomTool;
  called: CalledTool;
  /** Where the client declared it: `tools[2].tools[0]`; of an ancestor's tool `tools`. */
  path: string;
}

/** A tool that the upstream runs itself. */
export interface HostedOffer {
  kind: 'hosted';
  wireName: string;
  tool: NativeTool;
  path: string;
  /** Calls of it are the client's to run after all, and read so. */
  shape?: CallShape | undefined;
}

export type Offer = CallableOffer | HostedOffer;

/** What an upstream's protocol can do with tools. */
export interface ToolTarget {
  maxNameLength: number;
  /** What it takes for a tool's name. */
  names: RegExp;
  /** It holds the calls of custom tools to their grammars. */
  holdsGrammars?: boolean;
  /** The upstream's name of a tool that it runs itself; undefined: it does not. */
  hosts: (tool: NativeTool) => string | undefined;
  /** Of a tool that it has a definition for and does not run. */
  shapes?: (tool: NativeTool) => CallShape | undefined;
}

export type OfferedChoice = 'auto' | 'none' | 'required' | Offer;

export interface ToolOffer {
  /** Those that may be called, in the client's order. */
  offers: Offer[];
  /** Those that may not be called too. */
  all: Offer[];
  choice: OfferedChoice;
  /** Every tool by its name on the wire, those that may not be called too. */
  called: ReadonlyMap<string, CalledTool>;
  /** The same of the API's own. */
  nameOfNative: (type: ClientToolType) => string;
  /** The name on the wire of a tool that was called earlier, whether it is still offered or not. */
  nameOfCall: (name: string, namespace: string | null | undefined) => string;
}

/**
 * The request's tools, and those that items brought into the context, for an upstream that knows functions: namespaces are
 * part of the name, tools that were to be loaded later are there from the start, and of allowed tools the others are left
 * out, since no such upstream knows a subset.
 * @throws GatewayError 400 for a tool that neither the client nor the upstream runs, and for a choice that no tool can answer.
 */
export function offerTools(
  request: TurnRequest,
  context: readonly ContextItem[],
  target: ToolTarget,
  report: Report,
): ToolOffer {
  const placed = request.tools.map((tool, at): PlacedTool => ({ tool, path: `tools[${at}]` }));
  for (const [index, { item }] of context.entries()) {
    if (item.type !== 'additional_tools' && item.type !== 'tool_search_output') continue;
    for (const [at, tool] of readTools(item.tools).entries())
      placed.push({ tool, path: `${itemPath(context, request, index)}.tools[${at}]` });
  }
  return offerPlaced(placed, request.toolChoice, target, report);
}

/** Tools of an ancestor: for a history of calls to be understood, not to be called. Nothing is told but of the calls. */
export function offerInherited(tools: readonly Tool[], target: ToolTarget, report: Report): ToolOffer {
  const ofCalls: Report = {
    ...report,
    warn: (param, message) => (param === 'input' ? report.warn(param, message) : undefined),
  };
  const callable = tools.filter((tool) => !isNativeTool(tool) || asFunction(tool) !== undefined);
  return offerPlaced(
    callable.map((tool) => ({ tool, path: 'tools' })),
    'auto',
    target,
    ofCalls,
  );
}

/** Where a client finds an item: `input[2]`; `input` for one of an earlier turn. */
export function itemPath(context: readonly ContextItem[], { input }: TurnRequest, index: number): string {
  const firstOwn = context.length - input.length;
  return firstOwn >= 0 && index >= firstOwn ? `input[${index - firstOwn}]` : 'input';
}

interface PlacedTool {
  tool: Tool;
  path: string;
}

function offerPlaced(
  placed: readonly PlacedTool[],
  toolChoice: ToolChoice,
  target: ToolTarget,
  report: Report,
): ToolOffer {
  const plainNames = new Set<string>();
  const namespaces = new Set<string>();
  for (const { tool } of placed) {
    if (tool.type === 'function' || tool.type === 'custom') plainNames.add(tool.name);
    else if (tool.type === 'namespace') namespaces.add(tool.name);
  }
  const wireNameOf: ToolOffer['nameOfCall'] = (name, namespace) => {
    // OpenAI names a tool that was loaded later as its own namespace.
    if (namespace === undefined || namespace === null || (namespace === name && !namespaces.has(namespace)))
      return target.names.test(name) ? name : digested('', name, target);
    const joined = `${namespace}__${name}`;
    // Where the two names can be told apart again, nothing else is joined to the same.
    const plain = !namespace.includes('__') && !namespace.endsWith('_') && !plainNames.has(joined);
    return plain && target.names.test(joined) ? joined : digested(namespace, name, target);
  };

  const nameOfNative: ToolOffer['nameOfNative'] = (type) => (plainNames.has(type) ? digested('', type, target) : type);

  const offers = new Map<string, Offer>();
  const add = (offer: Offer): void => {
    const before = offers.get(offer.wireName);
    if (before !== undefined && identityOf(before) !== identityOf(offer)) throw taken(before, offer);
    // Brought again by an item of a later turn: its place stays, the newest definition holds.
    offers.set(offer.wireName, offer);
  };
  const addCallable = (tool: FunctionTool | CustomTool, namespace: NamespaceOf, path: string): void => {
    refuseProgramsOnly(tool, path);
    warnOfOptions(tool, path, report);
    const fields: CallFields = {};
    if (namespace !== undefined) fields.namespace = namespace.name;
    if (tool.async === true) fields.async = true;
    const called: CalledTool = {
      kind: tool.type,
      name: tool.name,
      ...(Object.keys(fields).length > 0 ? { fields } : {}),
    };
    let described = withContext(tool, namespace);
    if (tool.type === 'custom' && tool.format.type === 'grammar' && target.holdsGrammars !== true) {
      const { syntax, definition } = tool.format;
      described = withDescription(described, `The input must match this ${syntax} grammar:\n${definition}`);
      // An ancestor's tool cannot be called.
      if (path !== 'tools') Object.assign(called, { grammar: grammarOf(syntax, definition, `${path}.format`, report) });
    }
    const wireName = wireNameOf(tool.name, namespace?.name);
    if (namespace === undefined && wireName !== tool.name && path !== 'tools') report.warn(`${path}.name`, renamed);
    add({ kind: 'callable', wireName, tool: described, called, path });
  };

  for (const { tool, path } of placed) {
    if (tool.type === 'function' || tool.type === 'custom') addCallable(tool, undefined, path);
    else if (tool.type === 'namespace') {
      for (const [at, inner] of tool.tools.entries()) addCallable(inner, tool, `${path}.tools[${at}]`);
    } else {
      const wireName = target.hosts(tool);
      const own = wireName === undefined ? asFunction(tool) : undefined;
      if (own !== undefined) {
        const called: CalledTool = { kind: 'native', name: own.type };
        add({ kind: 'callable', wireName: nameOfNative(own.type), tool: own.tool, called, path });
        continue;
      }
      if (wireName !== undefined) add({ kind: 'hosted', wireName, tool, path, shape: target.shapes?.(tool) });
      else if (!isLeftOut(tool, toolChoice, path, report)) throw unhosted(tool, path);
    }
  }

  const all = [...offers.values()];
  return {
    offers: allowedOffers(all, toolChoice),
    all,
    choice: choiceOf(all, toolChoice),
    called: new Map(all.flatMap((offer) => calledOf(offer))),
    nameOfNative,
    nameOfCall(name, namespace) {
      const wireName = wireNameOf(name, namespace);
      if ((namespace ?? name) === name && wireName !== name && !offers.has(wireName)) report.warn('input', renamed);
      return wireName;
    },
  };
}

function calledOf(offer: Offer): [string, CalledTool][] {
  const { wireName: name } = offer;
  if (offer.kind === 'callable') return [[name, offer.called]];
  return offer.shape === undefined ? [] : [[name, { kind: 'shaped', name, shape: offer.shape }]];
}

type NamespaceOf = { name: string; description: string | null } | undefined;

/** What a namespace says of its tools is said by each of them. */
function withContext(tool: FunctionTool | CustomTool, namespace: NamespaceOf): FunctionTool | CustomTool {
  const about = namespace?.description ?? '';
  return about === '' ? tool : withDescription(tool, about);
}

function withDescription(tool: FunctionTool | CustomTool, more: string): FunctionTool | CustomTool {
  return { ...tool, description: tool.description === null ? more : `${tool.description}\n\n${more}` };
}

function grammarOf(syntax: string, definition: string, param: string, report: Report): Grammar {
  const grammar = readGrammar(syntax, definition);
  if (typeof grammar === 'string') {
    const message = `Invalid '${param}': this model is not held to grammars, and the gateway cannot read this one: ${grammar}.`;
    throw new GatewayError('unsupported_value', message, { param });
  }
  report.warn(param, 'The model is told of the grammar, and not held to it: a call that breaks it fails the response.');
  return grammar;
}

const digestLength = 8;

const renamed = 'The upstream takes no such name of a tool: the model knows it by another.';

function digested(namespace: string, name: string, { maxNameLength, names }: ToolTarget): string {
  const digest = hash('sha256', `${namespace}\0${name}`).slice(0, digestLength);
  const spoken = (namespace === '' ? name : `${namespace}__${name}`).replaceAll(/[^a-zA-Z0-9_-]/g, '_');
  const known = (said: string) => `${said.slice(0, maxNameLength - digestLength - 1)}_${digest}`;
  // Not every first character is taken.
  return names.test(known(spoken)) ? known(spoken) : known(`_${spoken}`);
}

function identityOf(offer: Offer): string {
  if (offer.kind === 'hosted') return `${offer.kind} ${offer.wireName}`;
  const { called } = offer;
  return `${called.kind === 'native' ? 'own' : (called.fields?.namespace ?? '')} ${called.name}`;
}

function taken(before: Offer, { wireName, path }: Offer): GatewayError {
  const message = `Invalid '${path}': this model would know it by the name of ${before.path} ('${wireName}').`;
  return new GatewayError('invalid_value', message, { param: path });
}

function refuseProgramsOnly({ allowed_callers: callers }: FunctionTool | CustomTool, path: string): void {
  if (callers === undefined || callers.length === 0 || callers.includes('direct')) return;
  const message = 'Tools that only programs call are not supported with this model.';
  throw new GatewayError('unsupported_value', message, { param: `${path}.allowed_callers` });
}

function warnOfOptions(tool: FunctionTool | CustomTool, path: string, report: Report): void {
  const at = (field: string): string => (path === 'tools' ? path : `${path}.${field}`);
  if (tool.defer_loading === true) {
    report.warn(at('defer_loading'), 'The upstream is told of the tool at once: it cannot load tools later.');
  }
  if (tool.type === 'function' && tool.output_schema !== undefined) {
    report.warn(at('output_schema'), 'The upstream takes no schema of outputs; it was left out.');
  }
}

const webSearches: ReadonlySet<string> = new Set(nativeToolTypes.filter((type) => type.startsWith('web_search')));

/**
 * A web search is offered by coding agents in every request, whatever the model; where none is demanded the model does
 * without. A search for tools finds nothing that is not offered already.
 */
function isLeftOut(tool: NativeTool, toolChoice: ToolChoice, path: string, report: Report): boolean {
  if (tool.type === 'tool_search' && tool['execution'] !== 'client') return true;
  if (!webSearches.has(tool.type)) return false;
  if (typeof toolChoice === 'object' && toolChoice.type === tool.type) return false;
  report.warn(path, 'The upstream has no web search; the model does without.');
  return true;
}

function unhosted({ type }: NativeTool, path: string): GatewayError {
  const name = type.replace('messages:', '');
  return new GatewayError('unsupported_value', `Hosted tool '${name}' is not supported with this model.`, {
    param: path === 'tools' ? path : `${path}.type`,
  });
}

function names(choice: ToolName | NativeToolName, offer: Offer): boolean {
  if (offer.kind === 'hosted') {
    const { server_label: label } = choice as NativeToolName;
    return offer.tool.type === choice.type && (label === undefined || offer.tool['server_label'] === label);
  }
  const { called } = offer;
  if (called.kind === 'native') return choice.type === called.name;
  const { kind, name, fields } = called;
  if (kind !== choice.type || name !== choice.name) return false;
  const { namespace } = choice;
  return namespace === undefined || namespace === fields?.namespace;
}

function unknownTool(choice: ToolName | NativeToolName, param: string): GatewayError {
  const name = choice.name ?? choice.type;
  return new GatewayError('invalid_value', `Tool choice '${name}' not found in 'tools' parameter.`, { param });
}

function allowedOffers(offers: Offer[], choice: ToolChoice): Offer[] {
  if (typeof choice === 'string' || choice.type !== 'allowed_tools') return offers;
  for (const [at, name] of choice.tools.entries()) {
    if (!offers.some((offer) => names(name, offer))) throw unknownTool(name, `tool_choice.tools[${at}]`);
  }
  return offers.filter((offer) => choice.tools.some((name) => names(name, offer)));
}

function choiceOf(offers: readonly Offer[], choice: ToolChoice): OfferedChoice {
  if (typeof choice === 'string') return choice;
  if (choice.type === 'allowed_tools') return choice.mode;
  const chosen = offers.find((offer) => names(choice, offer));
  if (chosen === undefined) throw unknownTool(choice, 'tool_choice');
  return chosen;
}
