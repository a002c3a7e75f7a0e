import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { interpolate, type Environment } from './interpolate.ts';
import { formatPath, type Path } from './problem.ts';

export interface Place {
  /** From 1. */
  line: number;
  column: number;
}

export interface PlacedProblem {
  place: Place;
  path: string;
  message: string;
}

/** A YAML file as plain values, with the place of each. */
export interface YamlReading {
  value: unknown;
  problems: PlacedProblem[];
  /** False: what `value` holds is not worth checking. */
  wellFormed: boolean;
  /** Where the value stands, else the nearest that encloses it. */
  placeOf(path: Path): Place;
  /** Where the key stands that names the value. */
  placeOfKey(path: Path): Place;
  /** Values that an environment variable gave. They are strings, whatever they look like. */
  interpolated: ReadonlySet<string>;
  /** Values that could not be given: their problem is told already. */
  unresolved: ReadonlySet<string>;
}

/** Ours, not the parser's: its own messages quote the text, which may be a secret. */
const syntaxMessages: Record<YAMLError['code'], string> = {
  ALIAS_PROPS: 'an alias can have neither anchor nor tag',
  BAD_ALIAS: 'the alias names no anchor before it; a text that begins with * must be in quotes',
  BAD_COLLECTION_TYPE: 'the tag does not fit the value',
  BAD_DIRECTIVE: 'this directive is not valid',
  BAD_DQ_ESCAPE: 'this escape sequence is not valid in a double-quoted string',
  BAD_INDENT: 'the indentation does not fit what is around it',
  BAD_PROP_ORDER: 'anchor and tag must come before the value',
  BAD_SCALAR_START: 'a value that begins with this character must be in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a mapping or list cannot begin here; is an indentation or a line break missing?',
  BLOCK_IN_FLOW: 'inside {…} or […] values are separated by commas, not by lines',
  DUPLICATE_KEY: 'the key is there twice',
  IMPOSSIBLE: 'this cannot be read',
  KEY_OVER_1024_CHARS: 'a key can have at most 1024 characters',
  MISSING_CHAR: 'a character is missing here: a comma, a colon or a space',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line; is a colon or an indentation missing?',
  MULTIPLE_ANCHORS: 'a value can have one anchor only',
  MULTIPLE_DOCS: 'the file must hold one document only',
  MULTIPLE_TAGS: 'a value can have one tag only',
  NON_STRING_KEY: 'a key must be a string',
  RESOURCE_EXHAUSTION: 'the nesting is too deep',
  TAB_AS_INDENT: 'indent with spaces, not with tabs',
  TAG_RESOLVE_FAILED: 'tags are not supported here',
  UNEXPECTED_TOKEN: 'this is not expected here; is a quote or an indentation wrong?',
};

/** Never throws: what is wrong is in `problems`. */
export function readYaml(text: string, env: Environment): YamlReading {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    keepSourceTokens: true,
    stringKeys: true,
    uniqueKeys: false,
  });
  const problems: PlacedProblem[] = [];
  const places = new Map<string, Place>([['(file)', { line: 1, column: 1 }]]);
  const keyPlaces = new Map<string, Place>();
  const interpolated = new Set<string>();
  const unresolved = new Set<string>();

  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const placeOf = (path: Path): Place => {
    for (let length = path.length; ; length--) {
      const place = places.get(formatPath(path.slice(0, length)));
      if (place !== undefined) return place;
    }
  };
  const fail = (path: Path, message: string): string => {
    const name = formatPath(path);
    problems.push({ place: placeOf(path), path: name, message });
    unresolved.add(name);
    // Differs from every other value, so that no later check takes two unknown values for equal ones.
    return `\u0000${name}`;
  };

  function readString(source: string, path: Path): string {
    const { text: value, missing, malformed } = interpolate(source, env);
    if (malformed) return fail(path, 'write ${NAME} or ${NAME:-default}; a literal ${ is written $${');
    if (missing.length > 0) {
      return fail(path, missing.map((name) => `the environment variable ${name} is not set`).join('; '));
    }
    if (value !== source) interpolated.add(formatPath(path));
    return value;
  }

  function read(node: unknown, path: Path, within: readonly Node[]): unknown {
    // What an alias stands for is placed where its text stands, which the second call sees to.
    if (isNode(node) && node.range) places.set(formatPath(path), placeAt(node.range[0]));
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined || within.includes(target)) return fail(path, syntaxMessages.BAD_ALIAS);
      return read(target, path, within);
    }
    if (isScalar(node)) return typeof node.value === 'string' ? readString(node.value, path) : node.value;
    if (isSeq(node)) return node.items.map((item, index) => read(item, [...path, index], [...within, node]));
    if (!isMap(node)) return null;
    const entries = new Map<string, unknown>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const entryPath = [...path, name];
      if (isScalar(key) && key.range) {
        places.set(formatPath(entryPath), placeAt(key.range[0]));
        keyPlaces.set(formatPath(entryPath), placeAt(key.range[0]));
      }
      if (entries.has(name)) fail(entryPath, syntaxMessages.DUPLICATE_KEY);
      entries.set(name, read(value, entryPath, [...within, node]));
    }
    return Object.fromEntries(entries);
  }

  const syntaxErrors = [...document.errors, ...document.warnings];
  const unclosed = syntaxErrors.length === 0 ? [] : findUnclosed(document);
  for (const { code, pos } of syntaxErrors) {
    // The rest of the text stands inside of what is not closed, and is no problem of its own.
    if (pos[0] > (unclosed[0]?.from ?? Infinity)) continue;
    const isReference = code === 'UNEXPECTED_TOKEN' && text.startsWith('${', pos[0] - 1);
    const message = isReference ? 'inside {…} or […] a text with ${…} must be in quotes' : syntaxMessages[code];
    problems.push({ place: placeAt(pos[0]), path: 'syntax', message });
    // From there on the parser has lost its way, and is surprised by every word.
    if (code === 'UNEXPECTED_TOKEN') break;
  }
  for (const { from, to, opening, closing } of unclosed) {
    const { line, column } = placeAt(to);
    const message = `this ${opening} is not closed: a ${closing} is missing before line ${line}, column ${column}`;
    problems.push({ place: placeAt(from), path: 'syntax', message });
  }
  const wellFormed = syntaxErrors.length === 0;
  return {
    value: wellFormed ? read(document.contents, [], []) : undefined,
    problems,
    wellFormed,
    placeOf,
    placeOfKey: (path) => keyPlaces.get(formatPath(path)) ?? placeOf(path),
    interpolated,
    unresolved,
  };
}

interface Unclosed {
  /** Where it is opened, and where it should be closed at the latest: offsets. */
  from: number;
  to: number;
  opening: string;
  closing: string;
}

/** Brackets and quotes, in the order of the text: the parser tells of them where it gives up, which is far from where they are. */
function findUnclosed(document: Document): Unclosed[] {
  const found: Unclosed[] = [];
  visit(document, {
    Node(_, { srcToken: token, range }) {
      if (token === undefined || !range) return;
      const [from, to] = range;
      if (token.type === 'flow-collection') {
        const opening = token.start.source;
        const closing = opening === '{' ? '}' : ']';
        if (token.end[0]?.source !== closing) found.push({ from, to, opening, closing });
      } else if (token.type === 'double-quoted-scalar' || token.type === 'single-quoted-scalar') {
        const quote = token.source.charAt(0);
        const isClosed = token.source.length > 1 && token.source.endsWith(quote);
        if (!isClosed) found.push({ from, to, opening: quote, closing: quote });
      }
    },
  });
  return found;
}
