import type { Report } from './report.ts';

/** OpenAI's limit, and the shortest of those of its likes: Claude Code's name of its user is longer, and would be a 400. */
const maxLength = 64;

/** The name of the user as vendors take it; undefined: there is none, or it is too long to be sent. */
export function sentUser(user: string | undefined, report: Report): string | undefined {
  if (user === undefined || user.length <= maxLength) return user;
  report.warn('user', `The upstream takes names of users of ${maxLength} characters at most; it was left out.`);
  return undefined;
}
