import { type SearchAction, withSources } from '../../core/hosted-calls.ts';
import type { UrlCitation } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { stringOf, textsOf } from './wire.ts';

/** What Google tells beside an answer of where it comes from; of a stream, in its last chunks. */
export interface Grounding {
  /** `groundingMetadata` of a candidate. */
  grounding: unknown;
  /** `citationMetadata`: what the answer quotes at length. */
  citations: unknown;
  /** `urlContextMetadata`: which pages were opened. */
  pages: unknown;
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

const fieldOf = (value: unknown, field: string): unknown => (isJsonObject(value) ? value[field] : undefined);

/** Pages, in the order in which supports point at them. */
function pagesOf(grounding: unknown): { url: string | undefined; title: string }[] {
  return listOf(fieldOf(grounding, 'groundingChunks')).map(({ web }) => ({
    url: stringOf(fieldOf(web, 'uri')),
    title: stringOf(fieldOf(web, 'title')) ?? '',
  }));
}

/** Google counts bytes; what a segment quotes is found where it says, or wherever it is. */
function rangeOf(segment: unknown, text: string): { start_index: number; end_index: number } {
  const bytes = Buffer.from(text);
  const at = (offset: unknown): number => bytes.toString('utf8', 0, typeof offset === 'number' ? offset : 0).length;
  const start = at(fieldOf(segment, 'startIndex'));
  const end = at(fieldOf(segment, 'endIndex'));
  const quoted = stringOf(fieldOf(segment, 'text'));
  if (quoted === undefined || text.slice(start, end) === quoted) return { start_index: start, end_index: end };
  const found = text.indexOf(quoted);
  if (found < 0) return { start_index: start, end_index: end };
  return { start_index: found, end_index: found + quoted.length };
}

/** Annotations of the answer, as the Responses API writes them. @see https://ai.google.dev/gemini-api/docs/google-search#grounding-with-google-search */
export function annotationsOf({ grounding, citations }: Grounding, text: string): UrlCitation[] {
  const pages = pagesOf(grounding);
  const supported = listOf(fieldOf(grounding, 'groundingSupports')).flatMap(({ segment, groundingChunkIndices }) => {
    const indices: unknown[] = Array.isArray(groundingChunkIndices) ? groundingChunkIndices : [];
    return indices.flatMap((index) => {
      const { url, title = '' } = pages[Number(index)] ?? {};
      return url === undefined ? [] : citation(segment, text, url, title);
    });
  });
  // Vertex has another name for the same.
  const sources = listOf(fieldOf(citations, 'citationSources') ?? fieldOf(citations, 'citations'));
  const quoted = sources.flatMap((source) => {
    const url = stringOf(source['uri']);
    const title = stringOf(source['title']) ?? '';
    return url === undefined ? [] : citation(source, text, url, title);
  });
  return [...supported, ...quoted];
}

function citation(place: unknown, text: string, url: string, title: string): UrlCitation[] {
  return [{ type: 'url_citation', ...rangeOf(place, text), url, title }];
}

/** What was done on the web for the answer, and whether it failed. */
export function webActionsOf({ grounding, pages }: Grounding, withUrls: boolean): [SearchAction, boolean][] {
  const queries = textsOf(fieldOf(grounding, 'webSearchQueries'));
  const [query] = queries;
  const urls = withUrls ? pagesOf(grounding).flatMap(({ url }) => url ?? []) : [];
  const searches: [SearchAction, boolean][] =
    query === undefined ? [] : [[withSources({ type: 'search', query, queries }, urls), false]];
  const opened = listOf(fieldOf(pages, 'urlMetadata')).map(
    ({ retrievedUrl, urlRetrievalStatus: status }): [SearchAction, boolean] => [
      { type: 'open_page', url: stringOf(retrievedUrl) ?? null },
      status !== 'URL_RETRIEVAL_STATUS_SUCCESS',
    ],
  );
  return [...searches, ...opened];
}
