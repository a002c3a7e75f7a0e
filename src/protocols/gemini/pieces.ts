import type { JsonObject } from '../../core/json-object.ts';

/**
 * The parts that an item was decoded from. A stream cuts one text into many parts, which are one again here; a part that says
 * more than its text (a signature, say) stays a part of its own.
 */
export interface Pieces {
  /** @param raw the part's JSON. */
  add(part: JsonObject, raw: () => string): void;
  /** Comma-joined. */
  print(): string;
  /** There is nothing but texts, which the item says too. */
  isPlain(): boolean;
  /** The signatures among them, in order. */
  readonly signatures: string[];
}

const plainFields: ReadonlySet<string> = new Set(['text', 'thought']);

export function isPlainText(part: JsonObject): boolean {
  for (const field in part) if (!plainFields.has(field)) return false;
  return typeof part['text'] === 'string';
}

export function createPieces(): Pieces {
  const printed: string[] = [];
  const signatures: string[] = [];
  let open: { text: string; thought: boolean } | undefined;
  let plain = true;

  function flush(): void {
    if (open !== undefined)
      printed.push(`{"text":${JSON.stringify(open.text)}${open.thought ? ',"thought":true' : ''}}`);
    open = undefined;
  }

  return {
    add(part, raw) {
      const thought = part['thought'] === true;
      if (isPlainText(part)) {
        if (open?.thought !== thought) flush();
        open ??= { text: '', thought };
        open.text += String(part['text']);
        return;
      }
      flush();
      plain = false;
      printed.push(raw());
      if (typeof part['thoughtSignature'] === 'string') signatures.push(part['thoughtSignature']);
    },
    print() {
      flush();
      return printed.join(',');
    },
    isPlain() {
      return plain;
    },
    signatures,
  };
}
