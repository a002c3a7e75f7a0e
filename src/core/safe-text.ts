const maxLength = 2048;

/** Anthropic's, OpenAI's and DeepSeek's keys begin with `sk-`, xAI's with `xai-`, Groq's with `gsk_`, Google's with `AIza`. */
const key = /\b(sk[-_]|xai[-_]|gsk[-_]|AIza)[\w-]{8,}/g;

const html = /^\s*<|<(!doctype|html|head|body)\b/i;

/** An upstream's text as it may be logged: short, well-formed, without anything that looks like a key. */
export function safeText(text: string): string {
  return text.slice(0, maxLength).toWellFormed().replaceAll(key, '$1…');
}

/** An upstream's text as a client may see it. Undefined: it says nothing, or says it in HTML. */
export function shownText(text: string): string | undefined {
  return text === '' || html.test(text) ? undefined : safeText(text);
}
