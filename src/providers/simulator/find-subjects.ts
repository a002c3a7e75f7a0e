const name = String.raw`\p{Lu}[\p{L}\p{M}\p{N}'’-]*(?: \p{Lu}[\p{L}\p{M}\p{N}'’-]*)*`;
const names = String.raw`${name}(?:(?:\s*,\s*|\s*,?\s+(?:and|or)\s+|\s*&\s*)${name})*`;
const preposition = String.raw`\b(?:in|for|at|of|about|near)\s+(?:both\s+|the\s+)?`;

const quoted = /"([^"\n]{1,200})"|“([^”\n]{1,200})”|`([^`\n]{1,200})`/gu;
const namesAfterPreposition = new RegExp(preposition + `(${names})`, 'u');
const namesAnywhere = new RegExp(names, 'gu');
const phraseAfterPreposition = new RegExp(
  preposition + String.raw`([\p{L}\p{N}][^.,;:?!\n]{0,80}(?:,[^.,;:?!\n]{1,40})*)`,
  'iu',
);
const phraseEnd = /\s+(?:please|using|with|right|today|now|tomorrow|tonight|via|by|and then|then)\b.*$/iu;
const together = /\b(?:in parallel|at the same time|at once|in turn)\b/giu;

/** Words that begin a sentence more often than they name a thing. */
const starters = new Set(
  (
    'a an the i it is are was do does did can could would will what how when where which who why please tell get give show ' +
    'call use using run ask find look check compare fetch read list search and or then now both my your also invoke make try'
  ).split(' '),
);

/**
 * What a request is about: quoted words, else names ("Paris and Rome"), else the words after a preposition, else all of it.
 * @param ignored names that are no subject, in lower case: the tools'.
 */
export function findSubjects(text: string, ignored: ReadonlySet<string>): string[] {
  const cleaned = text.replace(together, ' ');
  const quotations = [...cleaned.matchAll(quoted)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
  if (quotations.length > 0) return quotations;
  const lists = [cleaned.match(namesAfterPreposition)?.[1], ...(cleaned.match(namesAnywhere) ?? [])];
  for (const list of lists) {
    const found = splitList(list ?? '')
      .map(withoutStarter)
      .filter((word) => word !== '' && !ignored.has(word.toLowerCase()));
    if (found.length > 0) return [...new Set(found)];
  }
  const phrase = cleaned.match(phraseAfterPreposition)?.[1]?.replace(phraseEnd, '').trim() ?? '';
  const items = splitList(phrase);
  if (phrase !== '') return items.every((item) => item.split(/\s+/).length <= 3) ? [...new Set(items)] : [phrase];
  return [Array.from(cleaned.trim()).slice(0, 200).join('')];
}

function splitList(list: string): string[] {
  return list
    .split(/\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+|\s*&\s*/u)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function withoutStarter(phrase: string): string {
  const words = phrase.split(' ');
  while (words[0] !== undefined && starters.has(words[0].toLowerCase().replace(/['’].*$/u, ''))) words.shift();
  return words.join(' ');
}
