const position =
  /\bwhat (?:did|have|was it) (?:i|it)?\s*(?:just )?(?:say|said|ask|asked|tell you|told you|write|written)\b(.*)/i;
const question = /\bwhat(?:['’]s|\s+is|\s+was|\s+were|\s+are)\s+((?:my|the|our)\s+[^?.!\n]{1,80})/i;

/**
 * The answer to a question about the conversation itself; undefined where the text asks none, or where nothing that was
 * said answers it.
 * @param earlier what the user said before, oldest first.
 */
export function recall(asked: string, earlier: string[]): string | undefined {
  const said = position.exec(asked);
  if (said !== null) {
    const first = /\bfirst|\bbegin|\bstart/i.test(said[1] ?? '');
    const text = first ? earlier[0] : earlier.at(-1);
    if (text === undefined) return 'You have not said anything before this.';
    return `${first ? 'First' : 'Before this'} you said: "${text}".`;
  }
  const thing = question.exec(asked)?.[1]?.trim();
  if (thing === undefined) return undefined;
  const words = thing
    .split(/\s+/)
    .slice(1)
    .map(escape)
    .join(String.raw`\s+`);
  const statement = new RegExp(
    String.raw`\b${words}\s*(?:is|are|was|were|=|:)\s+((?:(?! and (?:i|my|we)\b)[^.!?\n])+)`,
    'i',
  );
  const introduction = /\bname\b/i.test(thing) ? /\b(?:i am|i['’]m|call me)\s+((?:(?! and )[^.!?,\n])+)/i : undefined;
  for (const text of earlier.toReversed()) {
    const value = (statement.exec(text) ?? introduction?.exec(text))?.[1]?.trim();
    if (value) return `${capitalised(yours(thing))} is ${value}.`;
  }
  return /^my\b/i.test(thing) ? `You have not told me ${yours(thing)}.` : undefined;
}

function yours(thing: string): string {
  return thing.replace(/^(?:my|our)\b/i, 'your');
}

function escape(word: string): string {
  return word.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
