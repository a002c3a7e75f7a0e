const firstPauseMs = 100;
const longestPauseMs = 30_000;

/**
 * How long to wait before a process is started in place of one that ended.
 * @param failures how many ended in a row that had not served for long.
 */
export function restartPauseMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs);
}
