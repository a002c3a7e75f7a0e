/** What was said and done before, oldest first. */
export interface Talk {
  user: string[];
  assistant: string[];
  toolResults: string[];
}

const repeatAnswer = /^repeat your last answer\b/i;
const repeatThis = /^repeat (?:this|the following)\b[^:]*:\s*(.+)$/is;
const listTold = /^list every ([\w ]+?) that i have told you\b/i;
const listReturned = /^list every ([\w ]+?) that (\w+) has returned\b/i;
const singleWord = /\banswer with (?:the (?:single )?word )?["“]?([A-Za-z]+)["”]?(?: and nothing else)?\.?$/i;
const codeWord = /\b[A-Z]{2,}-\d+\b/g;

/**
 * The answer to a plain order that any model can carry out, as programs give that test what a model was shown; undefined
 * where the text is none.
 */
export function obey(asked: string, { user, assistant, toolResults }: Talk): string | undefined {
  if (repeatAnswer.test(asked)) return assistant.at(-1) ?? 'I have not answered anything before this.';
  const repeated = repeatThis.exec(asked)?.[1];
  if (repeated !== undefined) return repeated;
  if (listTold.test(asked)) return listOf(user);
  if (listReturned.test(asked)) return listOf(toolResults);
  return singleWord.exec(asked)?.[1];
}

function listOf(texts: string[]): string {
  const words = texts.flatMap((text) => text.match(codeWord) ?? []);
  return words.length === 0 ? 'NONE' : words.join(', ');
}
