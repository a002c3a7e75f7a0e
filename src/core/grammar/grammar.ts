import { createMatcher, type Matcher } from './create-matcher.ts';
import { GrammarError } from './grammar-error.ts';
import { createNetwork, type Network } from './network.ts';
import { readLark } from './read-lark.ts';
import { readRegex } from './read-regex.ts';

/** The texts that a custom tool takes. */
export interface Grammar {
  matcher(): Matcher;
}

/** Longer than any that is written by hand. */
const maxLength = 100_000;

/** @returns why it cannot be read, where it cannot. */
export function readGrammar(syntax: string, definition: string): Grammar | string {
  try {
    const network = networkOf(syntax, definition);
    return { matcher: () => createMatcher(network) };
  } catch (error) {
    if (error instanceof GrammarError) return error.message;
    throw error;
  }
}

function networkOf(syntax: string, definition: string): Network {
  if (definition.length > maxLength) throw new GrammarError(`it has more than ${maxLength} characters`);
  if (syntax === 'regex') return createNetwork('start', new Map([['start', readRegex(definition)]]));
  if (syntax === 'lark') return createNetwork('start', readLark(definition));
  throw new GrammarError(`the syntax '${syntax}' is not known`);
}
