const onePiece = /^/;

/**
 * A text with what came of it last. V8 keeps a text that is put together as a tree of its pieces, each of which takes
 * several times as long as a word, or holds all that the connection had read with it. A search makes one piece of it, here as
 * often as the text has grown by a thirty-second part.
 */
export function appended(text: string, delta: string): string {
  const whole = text + delta;
  // A power of two: a step that grew with each piece would be passed by each, and what is long be copied for each.
  const step = 1 << Math.max(7, 26 - Math.clz32(whole.length));
  if (whole.length % step < delta.length) onePiece.test(whole);
  return whole;
}
