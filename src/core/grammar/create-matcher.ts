import { wordChars } from './char-set.ts';
import type { Edge } from './expression.ts';
import type { Network } from './network.ts';

/** Holds one text to a grammar, piece by piece as it comes. */
export interface Matcher {
  feed(text: string): void;
  /** The text is over. */
  end(): Match;
}

export type Match =
  | { outcome: 'matches' }
  /** `at` counts UTF-16 units: where it cannot go on, or its end, where it should. */
  | { outcome: 'differs'; line: number; column: number; isCut: boolean }
  /** It would have taken too long to find out. */
  | { outcome: 'unknown' };

/** What one text may cost: some seconds at the worst, spread over the pieces that it comes in. */
const maxSteps = 10_000_000;

/** A place in a rule that began at `from`. */
interface State {
  node: number;
  from: number;
}

/**
 * An Earley recogniser over automata, which takes any grammar: recursion on either side, ambiguity, rules for nothing. It is
 * linear for most, cubic for the worst.
 * @see https://doi.org/10.1145/362007.362035 Earley, An efficient context-free parsing algorithm
 */
export function createMatcher({ nodes, starts }: Network, limit = maxSteps): Matcher {
  /** For each character: who waits for a rule that begins there, by the rule. */
  const waiting: (Map<number, State[]> | undefined)[] = [];
  let agenda: State[] = [];
  /** For each node: the character at which it was last put on the agenda, and where its rule began. */
  const lastAt = new Int32Array(nodes.length).fill(-1);
  const lastFrom = new Int32Array(nodes.length);
  /** What was put on this agenda beside that. */
  const others = new Set<number>();
  /** Rules that were read here without a character, so that who comes to wait for one later can go on. */
  const empty = new Set<number>();
  let at = 0;
  let before: number | undefined;
  let line = 1;
  let column = 1;
  let steps = 0;
  let isStuck = false;
  let isWhole = false;

  function put(node: number, from: number): void {
    steps++;
    if (lastAt[node] !== at) {
      lastAt[node] = at;
      lastFrom[node] = from;
    } else {
      const key = from * nodes.length + node;
      if (lastFrom[node] === from || others.has(key)) return;
      others.add(key);
    }
    agenda.push({ node, from });
  }

  function call(rule: number, next: number, from: number): void {
    let here = waiting[at];
    if (here === undefined) waiting[at] = here = new Map<number, State[]>();
    const waiters = here.get(rule);
    if (waiters === undefined) here.set(rule, [{ node: next, from }]);
    else waiters.push({ node: next, from });
    put(starts[rule] ?? 0, at);
    if (empty.has(rule)) put(next, from);
  }

  /** Does all that can be done before the next character. @returns those that wait for it. */
  function settle(after: number | undefined): State[] {
    const open: State[] = [];
    for (let i = 0; i < agenda.length && steps <= limit; i++) {
      const state = agenda[i];
      const node = state === undefined ? undefined : nodes[state.node];
      if (state === undefined || node === undefined) continue;
      const { from } = state;
      switch (node.kind) {
        case 'chars':
          open.push(state);
          break;
        case 'fork':
          put(node.next, from);
          put(node.other, from);
          break;
        case 'edge':
          if (isEdge(node.edge, before, after)) put(node.next, from);
          break;
        case 'call':
          call(node.rule, node.next, from);
          break;
        case 'end':
          if (from === at) empty.add(node.rule);
          if (from === 0 && node.rule === 0) isWhole = true;
          for (const waiter of waiting[from]?.get(node.rule) ?? []) put(waiter.node, waiter.from);
          break;
      }
    }
    return open;
  }

  function step(char: number): void {
    const open = settle(char);
    agenda = [];
    // To empty an empty set is not for nothing.
    if (others.size > 0) others.clear();
    if (empty.size > 0) empty.clear();
    isWhole = false;
    at++;
    for (const { node: number, from } of open) {
      const node = nodes[number];
      steps++;
      if (node?.kind === 'chars' && node.chars.has(char)) put(node.next, from);
    }
    if (agenda.length === 0) isStuck = true;
    else {
      before = char;
      line += char === 10 ? 1 : 0;
      column = char === 10 ? 1 : column + 1;
    }
  }

  /** The first half of a pair that came apart. */
  let half = '';
  put(starts[0] ?? 0, 0);
  return {
    feed(text) {
      let whole = half + text;
      half = '';
      if (/[\ud800-\udbff]$/.test(whole)) {
        half = whole.slice(-1);
        whole = whole.slice(0, -1);
      }
      for (const char of whole) {
        if (isStuck || steps > limit) return;
        step(char.codePointAt(0) ?? 0);
      }
    },
    end() {
      if (half !== '' && !isStuck && steps <= limit) step(half.charCodeAt(0));
      if (!isStuck) settle(undefined);
      if (steps > limit) return { outcome: 'unknown' };
      return isWhole && !isStuck ? { outcome: 'matches' } : { outcome: 'differs', line, column, isCut: !isStuck };
    },
  };
}

function isEdge(edge: Edge, before: number | undefined, after: number | undefined): boolean {
  switch (edge) {
    case 'text-start':
      return before === undefined;
    case 'text-end':
      return after === undefined;
    case 'line-start':
      return before === undefined || before === 10;
    case 'line-end':
      return after === undefined || after === 10;
    case 'word':
      return isWord(before) !== isWord(after);
    case 'no-word':
      return isWord(before) === isWord(after);
  }
}

const isWord = (char: number | undefined): boolean => char !== undefined && wordChars.has(char);
