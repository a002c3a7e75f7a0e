import type { CharSet } from './char-set.ts';

/** What regular expressions and Lark rules are made of, as read. */
export type Expression =
  | { kind: 'chars'; chars: CharSet }
  | { kind: 'sequence'; parts: readonly Expression[] }
  | { kind: 'choice'; options: readonly Expression[] }
  /** `most` undefined: any number. */
  | { kind: 'repeat'; of: Expression; least: number; most: number | undefined }
  | { kind: 'rule'; name: string }
  /** Takes nothing: holds where the text is so around it. */
  | { kind: 'edge'; edge: Edge };

export type Edge = 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'word' | 'no-word';

export const nothing: Expression = { kind: 'sequence', parts: [] };

export function sequenceOf(parts: readonly Expression[]): Expression {
  const [first, ...more] = parts;
  return first !== undefined && more.length === 0 ? first : { kind: 'sequence', parts };
}

export function choiceOf(options: readonly Expression[]): Expression {
  const [first, ...more] = options;
  return first !== undefined && more.length === 0 ? first : { kind: 'choice', options };
}
