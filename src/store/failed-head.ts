/** What a client reads of a turn whose process died. */
export const crashError = {
  code: 'server_error',
  message: 'The gateway stopped while this response was running.',
};

/** The head of a turn that its process did not end, with these fields in place of its own. An empty head stays so. */
export function endedHead(head: string, fields: Record<string, unknown>): string {
  if (head === '') return '';
  return JSON.stringify({ ...(JSON.parse(head) as Record<string, unknown>), ...fields });
}

/** As `endedHead`, of a turn that has failed: not before it was begun, by a clock that may be another one. */
export function failedHead(head: string, nowMs: number, error = crashError): string {
  if (head === '') return '';
  const { created_at: createdAt = 0 } = JSON.parse(head) as { created_at?: number };
  return endedHead(head, { status: 'failed', error, completed_at: Math.max(createdAt, Math.floor(nowMs / 1000)) });
}
