/** What a client reads of a turn whose process died. */
export const crashError = {
  code: 'server_error',
  message: 'The gateway stopped while this response was running.',
};

/** The head of a turn that its process did not end, as the head of a failed one. An empty head (nothing is kept) stays so. */
export function failedHead(head: string, nowMs: number, error = crashError): string {
  if (head === '') return '';
  const fields = JSON.parse(head) as Record<string, unknown>;
  return JSON.stringify({ ...fields, status: 'failed', error, completed_at: Math.floor(nowMs / 1000) });
}
