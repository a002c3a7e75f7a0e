/** The innermost cause, in words or as a code: `fetch` itself says no more than that it failed. */
export function reasonOf(error: unknown): string {
  let text = String(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    text = cause.message === '' && 'code' in cause ? String(cause.code) : cause.message;
  }
  return text;
}
