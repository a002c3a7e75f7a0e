/** What a file or an image holds that came inside the request. */
export interface FileData {
  /** Lower case; empty: unknown. */
  mediaType: string;
  /** False: percent-encoded text. */
  base64: boolean;
  payload: string;
}

const textTypes = /^(text\/.*|application\/(json|xml|yaml|x-yaml|javascript|typescript|toml|sql|x-sh)|.*\+(json|xml))$/;
const textNames =
  /\.(txt|md|markdown|csv|tsv|json|jsonl|xml|ya?ml|toml|ini|log|html?|css|[cm]?[jt]sx?|py|rb|go|rs|java|c|h|cpp|sh|sql|diff|patch)$/i;
const dataUrl = /^data:/i;
const pdfName = /\.pdf$/i;
/** `%PDF-`, in base64. */
const pdfStart = 'JVBERi0';

/**
 * Undefined: not a data URL, or one without data.
 * @see https://www.rfc-editor.org/rfc/rfc2397
 */
export function readDataUrl(url: string): FileData | undefined {
  const comma = url.indexOf(',');
  if (comma < 0 || !dataUrl.test(url)) return undefined;
  const [mediaType = '', ...parameters] = url
    .slice('data:'.length, comma)
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  return {
    mediaType: mediaType === '' ? 'text/plain' : mediaType,
    base64: parameters.includes('base64'),
    payload: url.slice(comma + 1),
  };
}

/** A data URL, or bare base64, which says nothing of what it holds: a PDF's first bytes do, else the file's name. */
export function readFileData(data: string, filename: string | null | undefined): FileData {
  const inline = readDataUrl(data);
  if (inline !== undefined) return inline;
  if (dataUrl.test(data)) return { mediaType: '', base64: true, payload: '' };
  const isPdf = data.startsWith(pdfStart) || pdfName.test(filename ?? '');
  const mediaType = isPdf ? 'application/pdf' : textNames.test(filename ?? '') ? 'text/plain' : '';
  return { mediaType, base64: true, payload: data };
}

export function isTextFile({ mediaType }: FileData): boolean {
  return textTypes.test(mediaType);
}

const endings: ReadonlyMap<string, string> = new Map([
  ['application/pdf', 'pdf'],
  ['application/json', 'json'],
  ['text/plain', 'txt'],
  ['text/markdown', 'md'],
  ['text/csv', 'csv'],
  ['text/html', 'html'],
]);

/**
 * A name by whose ending OpenAI knows what a file is; it refuses a file without. A document of Anthropic's has a title, or none.
 * Undefined: what it holds is not known.
 */
export function fileNameOf({ mediaType }: FileData, name: string | null | undefined): string | undefined {
  const given = name ?? '';
  const ending = endings.get(mediaType);
  if (/\.[a-z]\w{0,7}$/i.test(given)) return given;
  return ending === undefined ? (name ?? undefined) : `${given === '' ? 'file' : given}.${ending}`;
}

/** Undefined: the percent-encoding is broken. */
export function textOfFile({ base64, payload }: FileData): string | undefined {
  if (base64) return Buffer.from(payload, 'base64').toString('utf8');
  try {
    return decodeURIComponent(payload);
  } catch {
    return undefined;
  }
}
