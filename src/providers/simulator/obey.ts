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
/** The order that stands at the end of what is to be summed up, as gateways and agents give it. */
const sumUpOrder = /\bthe conversation is about to be compacted\b[\s\S]*$/i;
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

/**
 * A summary that leaves nothing out but what is long, where the text asks for one; undefined where it does not.
 * @param asked may begin with what the user said besides.
 */
export function sumUp(asked: string, talk: Talk): string | undefined {
  const order = sumUpOrder.exec(asked);
  if (order === null) return undefined;
  return summaryOf({ ...talk, user: [...talk.user, asked.slice(0, order.index).trim()] });
}

export function summaryOf({ user, assistant, toolResults }: Talk): string {
  const lines = (who: string, texts: string[]) =>
    texts.filter((text) => text !== '').map((text) => `${who}: ${text.slice(0, mostSummedUp)}`);
  const said = [...lines('The user said', user), ...lines('The assistant said', assistant)];
  return [...said, ...lines('A tool said', toolResults)].join('\n') || 'Nothing was said.';
}

const mostSummedUp = 500;

function listOf(texts: string[]): string {
  const words = texts.flatMap((text) => text.match(codeWord) ?? []);
  return words.length === 0 ? 'NONE' : words.join(', ');
}
