/** Why a file cannot be had, in Node's words without the path behind them: it may be another than the one that was asked for. */
export function fileFault(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'syscall' in error ? error.message.replace(/, \w+(?: '.*)?$/s, '') : error.message;
}
