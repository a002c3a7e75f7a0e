import { expect, test } from 'vitest';
import { type FileData, isTextFile, readDataUrl, readFileData, textOfFile } from './file-data.ts';

test.each<[url: string, data: FileData | undefined]>([
  ['data:image/PNG;base64,AA==', { mediaType: 'image/png', base64: true, payload: 'AA==' }],
  ['DATA:text/plain; charset=utf-8; Base64,w6k=', { mediaType: 'text/plain', base64: true, payload: 'w6k=' }],
  ['data:,a,b', { mediaType: 'text/plain', base64: false, payload: 'a,b' }],
  ['data:image/png', undefined],
  ['https://example.com/a,b', undefined],
  ['JVBERi0x', undefined],
])('%s', (url, data) => {
  expect(readDataUrl(url)).toEqual(data);
});

test.each<[data: string, filename: string | null, mediaType: string]>([
  ['JVBERi0x', null, 'application/pdf'],
  ['AAAA', 'a.PDF', 'application/pdf'],
  ['e30=', 'a.json', 'text/plain'],
  ['e30=', 'a.mts', 'text/plain'],
  ['UEsDBA==', 'a.zip', ''],
  ['AAAA', null, ''],
  ['data:text/plain', 'a.txt', ''],
  ['data:application/zip;base64,AAAA', 'a.txt', 'application/zip'],
])('%s named %s holds %s', (data, filename, mediaType) => {
  expect(readFileData(data, filename)).toMatchObject({ mediaType, base64: true });
});

test.each([
  ['text/csv', true],
  ['application/json', true],
  ['application/problem+json', true],
  ['image/svg+xml', true],
  ['application/pdf', false],
  ['', false],
])('%s is text: %s', (mediaType, expected) => {
  expect(isTextFile({ mediaType, base64: true, payload: '' })).toBe(expected);
});

test.each<[payload: string, base64: boolean, text: string | undefined]>([
  ['w6k=', true, 'é'],
  ['a%20%C3%A9', false, 'a é'],
  ['%zz', false, undefined],
])('%s', (payload, base64, text) => {
  expect(textOfFile({ mediaType: 'text/plain', base64, payload })).toBe(text);
});
