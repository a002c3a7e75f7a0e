import { failedHead } from './failed-head.ts';
import type { CommitOutcome, TurnCommit } from './store.ts';
import type { Unfinished } from './unfinished.ts';

/** As its client was told. */
const notStored = { code: 'server_error', message: 'The response could not be stored.' };

/**
 * Commits with `write`. Whoever asked for a commit that was not done gives up after a while and tells the client that the
 * response has failed; the turn is then ended so, unless the commit was done after all.
 */
export async function commitOrFail(
  unfinished: Unfinished,
  commit: TurnCommit,
  write: (commit: TurnCommit) => Promise<CommitOutcome>,
): Promise<CommitOutcome> {
  const { id } = commit;
  try {
    const outcome = await write(commit);
    unfinished.settle(id);
    return outcome;
  } catch (error) {
    const head = failedHead(commit.head, commit.attempt.endedAtMs, notStored);
    const events = commit.events === undefined ? undefined : 'lost';
    const failed: TurnCommit = { ...commit, status: 'failed', head, output: [], events };
    unfinished.add(id, async () => {
      await write(failed);
      return true;
    });
    throw error;
  }
}
