import { charOf, charsBetween, ignoringCase } from './char-set.ts';
import { commonTerminals } from './common-terminals.ts';
import { choiceOf, type Expression, nothing, sequenceOf } from './expression.ts';
import { GrammarError, maxNesting } from './grammar-error.ts';
import { maxRepeats, readRegex } from './read-regex.ts';

interface Token {
  kind: 'name' | 'string' | 'regex' | 'number' | 'mark';
  text: string;
  /** The first of its line: no operator can be meant for what stands before. */
  isFirst: boolean;
}

const tokens =
  /(?<space>[ \t\r\f]+|(?:\/\/|#)[^\n]*)|(?<line>\n)|(?<string>"(?:[^"\\\n]|\\[^\n])*"i?)|(?<regex>\/(?!\/)(?:[^/\\\n]|\\[^\n])+\/[a-z]*)|(?<name>[a-zA-Z_](?:\w|-(?!>))*)|(?<number>\d+)|(?<mark>->|\.\.|[:|()[\]?*+!~{},.%])/uy;

/** The rules of a Lark grammar by their names. `start` is among them. */
export type LarkRules = ReadonlyMap<string, Expression>;

/**
 * A grammar in OpenAI's part of Lark: without priorities, templates, imports from elsewhere, and what builds a tree.
 * @throws GrammarError for what cannot be read.
 * @see https://lark-parser.readthedocs.io/en/stable/grammar.html
 */
export function readLark(definition: string): LarkRules {
  return new LarkReader(tokenise(definition)).rules();
}

function tokenise(definition: string): Token[] {
  const read: Token[] = [];
  let isFirst = true;
  let line = 1;
  tokens.lastIndex = 0;
  while (tokens.lastIndex < definition.length) {
    const from = tokens.lastIndex;
    const groups = tokens.exec(definition)?.groups;
    if (groups === undefined) {
      throw new GrammarError(
        `'${String.fromCodePoint(definition.codePointAt(from) ?? 0)}' in line ${line} is not known`,
      );
    }
    const [kind, text] = Object.entries(groups).find(([, value]) => value !== undefined) ?? ['space', ''];
    if (kind === 'line') line++;
    if (kind === 'line') isFirst = true;
    if (kind === 'line' || kind === 'space') continue;
    read.push({ kind: kind as Token['kind'], text, isFirst });
    isFirst = false;
  }
  return read;
}

/** What is skipped between terminals. A name that no grammar can have. */
const ignored = ' ignored';

const isTerminal = (name: string): boolean => /^_*[A-Z]/.test(name);

class LarkReader {
  readonly #tokens: readonly Token[];
  readonly #rules = new Map<string, Expression>();
  readonly #ignored: Expression[] = [];
  /** Inside a terminal nothing is skipped. */
  #skips = false;
  #at = 0;
  #depth = 0;

  constructor(read: readonly Token[]) {
    this.#tokens = read;
  }

  rules(): LarkRules {
    while (this.#at < this.#tokens.length) {
      if (this.#take('%')) this.#directive();
      else this.#definition();
    }
    const start = this.#rules.get('start');
    if (start === undefined) throw new GrammarError("'start' is not defined");
    const skip: Expression = { kind: 'repeat', of: choiceOf(this.#ignored), least: 0, most: undefined };
    if (this.#ignored.length > 0) this.#rules.set('start', sequenceOf([{ kind: 'rule', name: ignored }, start]));
    this.#rules.set(ignored, this.#ignored.length > 0 ? skip : nothing);
    return this.#rules;
  }

  #peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }

  #take(mark: string): boolean {
    const token = this.#peek();
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#take(mark)) throw new GrammarError(`expected '${mark}', found ${this.#found()}`);
  }

  #found(): string {
    const token = this.#peek();
    return token === undefined ? 'the end' : `'${token.text}'`;
  }

  #name(): string {
    const token = this.#peek();
    if (token?.kind !== 'name') throw new GrammarError(`expected a name, found ${this.#found()}`);
    this.#at++;
    return token.text;
  }

  #number(): number {
    const token = this.#peek();
    if (token?.kind !== 'number' || Number(token.text) > maxRepeats)
      throw new GrammarError(`expected a number up to ${maxRepeats}, found ${this.#found()}`);
    this.#at++;
    return Number(token.text);
  }

  #define(name: string, expression: Expression): void {
    if (this.#rules.has(name)) throw new GrammarError(`'${name}' is defined twice`);
    this.#rules.set(name, expression);
  }

  #directive(): void {
    const word = this.#name();
    if (word === 'ignore') {
      this.#skips = false;
      this.#ignored.push(this.#choice());
      return;
    }
    const isImport = word === 'import';
    if (!isImport) throw new GrammarError(`'%${word}' is not known`);
    if (this.#name() !== 'common') throw new GrammarError('only common terminals can be imported');
    if (this.#take('.')) {
      const name = this.#name();
      this.#import(name, this.#take('->') ? this.#name() : name);
      return;
    }
    this.#expect('(');
    do {
      const name = this.#name();
      this.#import(name, name);
    } while (this.#take(','));
    this.#expect(')');
  }

  #import(name: string, alias: string): void {
    const regex = Object.hasOwn(commonTerminals, name) ? commonTerminals[name] : undefined;
    if (regex === undefined) throw new GrammarError(`there is no common terminal '${name}'`);
    this.#define(alias, readRegex(regex));
  }

  #definition(): void {
    while (this.#take('?') || this.#take('!'));
    const name = this.#name();
    if (this.#peek()?.text === '.') throw new GrammarError('rules have no priorities');
    if (this.#peek()?.text === '{') throw new GrammarError('there are no templates');
    this.#expect(':');
    this.#skips = !isTerminal(name);
    this.#define(name, this.#choice());
  }

  /** A new line begins with another definition, or a directive. */
  #isOver(): boolean {
    const token = this.#peek();
    if (token === undefined) return true;
    if (!token.isFirst) return false;
    let ahead = 0;
    while (['?', '!'].includes(this.#peek(ahead)?.text ?? '')) ahead++;
    const isNamed = this.#peek(ahead)?.kind === 'name' && [':', '.', '{'].includes(this.#peek(ahead + 1)?.text ?? '');
    return isNamed || token.text === '%';
  }

  #choice(): Expression {
    if (++this.#depth > maxNesting) throw new GrammarError('it is nested too deeply');
    const options: Expression[] = [];
    do options.push(this.#sequence());
    while (!this.#isOver() && this.#take('|'));
    this.#depth--;
    return choiceOf(options);
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    for (;;) {
      const text = this.#peek()?.text ?? '';
      if (this.#isOver() || (this.#peek()?.kind === 'mark' && ['|', ')', ']'].includes(text))) break;
      // How the branch is called in a tree is nothing to us.
      if (this.#take('->')) this.#name();
      else parts.push(this.#repeats(this.#atom()));
    }
    return sequenceOf(parts);
  }

  #repeats(of: Expression): Expression {
    let read = of;
    while (this.#peek()?.isFirst === false) {
      if (this.#take('*')) read = { kind: 'repeat', of: read, least: 0, most: undefined };
      else if (this.#take('+')) read = { kind: 'repeat', of: read, least: 1, most: undefined };
      else if (this.#take('?')) read = { kind: 'repeat', of: read, least: 0, most: 1 };
      else if (this.#take('~')) read = this.#times(read, '..');
      else if (this.#take('{')) {
        read = this.#times(read, ',');
        this.#expect('}');
      } else break;
    }
    return read;
  }

  /** `2`, and two numbers with the mark between; with a comma either may be missing. */
  #times(of: Expression, between: '..' | ','): Expression {
    const least = between === ',' && this.#peek()?.text === ',' ? 0 : this.#number();
    if (!this.#take(between)) return { kind: 'repeat', of, least, most: least };
    const most = between === ',' && this.#peek()?.kind !== 'number' ? undefined : this.#number();
    if (most !== undefined && most < least) throw new GrammarError('a repetition ends before it begins');
    return { kind: 'repeat', of, least, most };
  }

  #atom(): Expression {
    if (this.#take('(')) {
      const inner = this.#choice();
      this.#expect(')');
      return inner;
    }
    if (this.#take('[')) {
      const of = this.#choice();
      this.#expect(']');
      return { kind: 'repeat', of, least: 0, most: 1 };
    }
    const token = this.#peek();
    if (token === undefined || token.kind === 'mark' || token.kind === 'number')
      throw new GrammarError(`expected a rule, found ${this.#found()}`);
    this.#at++;
    if (token.kind === 'name') {
      const rule: Expression = { kind: 'rule', name: token.text };
      return isTerminal(token.text) ? this.#terminal(rule) : rule;
    }
    if (token.kind === 'regex') {
      const end = token.text.lastIndexOf('/');
      return this.#terminal(readRegex(token.text.slice(1, end), token.text.slice(end + 1)));
    }
    return this.#terminal(this.#take('..') ? this.#range(token.text) : textOf(token.text));
  }

  #terminal(expression: Expression): Expression {
    return this.#skips ? sequenceOf([expression, { kind: 'rule', name: ignored }]) : expression;
  }

  #range(from: string): Expression {
    const token = this.#peek();
    const [first, ...moreFirst] = charsOf(from);
    const [last, ...moreLast] = token?.kind === 'string' ? charsOf(token.text) : [];
    if (first === undefined || last === undefined || last < first || moreFirst.length + moreLast.length > 0)
      throw new GrammarError('a range is not of two characters');
    this.#at++;
    return { kind: 'chars', chars: charsBetween(first, last) };
  }
}

function textOf(literal: string): Expression {
  const isEither = literal.endsWith('i');
  return sequenceOf(
    charsOf(literal).map((char): Expression => {
      const chars = charOf(char);
      return { kind: 'chars', chars: isEither ? ignoringCase(chars) : chars };
    }),
  );
}

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t', f: '\f', b: '\b', v: '\v', '0': '\0' };

/** The characters that a literal with its quotes stands for. */
function charsOf(literal: string): number[] {
  const inner = literal.slice(1, literal.lastIndexOf('"'));
  const text = inner.replaceAll(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([^]))/gu,
    (whole, x?: string, u?: string, long?: string, char?: string) => {
      const hex = x ?? u ?? long;
      if (hex !== undefined) {
        const code = Number.parseInt(hex, 16);
        if (code > 0x10_ff_ff) throw new GrammarError(`'${whole}' is no character`);
        return String.fromCodePoint(code);
      }
      if (char === undefined) return whole;
      if (Object.hasOwn(escapes, char)) return escapes[char] ?? char;
      if (/^\w$/.test(char)) throw new GrammarError(`'${whole}' in a string is not known`);
      return char;
    },
  );
  return Array.from(text, (char) => char.codePointAt(0) ?? 0);
}
