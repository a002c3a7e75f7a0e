import type { CharSet } from './char-set.ts';
import type { Edge, Expression } from './expression.ts';
import { GrammarError, maxNesting } from './grammar-error.ts';

/** A step of a rule: what is to come, and which nodes stand behind it. */
export type Node =
  | { kind: 'chars'; chars: CharSet; next: number }
  | { kind: 'fork'; next: number; other: number }
  | { kind: 'call'; rule: number; next: number }
  | { kind: 'edge'; edge: Edge; next: number }
  /** The rule whose number it is has been read. */
  | { kind: 'end'; rule: number };

/** Rules as automata that call one another. */
export interface Network {
  nodes: readonly Node[];
  /** The first node of each rule. The first rule is the whole. */
  starts: readonly number[];
}

const maxNodes = 50_000;
/** What takes no character adds no node, and can be said to be repeated a million million times. */
const maxSteps = 10 * maxNodes;
/** Repetitions of repetitions need no brackets, which the readers count. Each costs a call of the compiler. */
const maxDepth = 10 * maxNesting;

/** @throws GrammarError for a rule that is not there, and for a grammar that is too large. */
export function createNetwork(start: string, rules: ReadonlyMap<string, Expression>): Network {
  const nodes: Node[] = [];
  let steps = 0;
  let depth = 0;
  const numbers = new Map([...new Set([start, ...rules.keys()])].map((name, number) => [name, number]));

  function add(node: Node): number {
    if (nodes.length >= maxNodes) throw new GrammarError('it is too large');
    return nodes.push(node) - 1;
  }

  /** @returns the first node of what leads to `next`. */
  function compile(expression: Expression, next: number): number {
    if (++steps > maxSteps) throw new GrammarError('it is too large');
    if (++depth > maxDepth) throw new GrammarError('it is nested too deeply');
    const first = compileKind(expression, next);
    depth--;
    return first;
  }

  function compileKind(expression: Expression, next: number): number {
    switch (expression.kind) {
      case 'chars':
        return add({ kind: 'chars', chars: expression.chars, next });
      case 'edge':
        return add({ kind: 'edge', edge: expression.edge, next });
      case 'rule': {
        const rule = numbers.get(expression.name);
        if (rule === undefined) throw new GrammarError(`'${expression.name}' is not defined`);
        return add({ kind: 'call', rule, next });
      }
      case 'sequence':
        return expression.parts.reduceRight((behind, part) => compile(part, behind), next);
      case 'choice':
        return expression.options
          .map((option) => compile(option, next))
          .reduceRight((other, option) => add({ kind: 'fork', next: option, other }));
      case 'repeat':
        return compileRepeat(expression, next);
    }
  }

  function compileRepeat({ of, least, most }: Expression & { kind: 'repeat' }, next: number): number {
    let first = next;
    if (most === undefined) {
      first = add({ kind: 'fork', next: 0, other: next });
      nodes[first] = { kind: 'fork', next: compile(of, first), other: next };
    } else {
      for (let i = least; i < most; i++) first = add({ kind: 'fork', next: compile(of, first), other: next });
    }
    for (let i = 0; i < least; i++) first = compile(of, first);
    return first;
  }

  const starts = [...numbers].map(([name, rule]) => {
    const expression = rules.get(name);
    if (expression === undefined) throw new GrammarError(`'${name}' is not defined`);
    return compile(expression, add({ kind: 'end', rule }));
  });
  return { nodes, starts };
}
