/** What is read, copied, checked or hashed in a few milliseconds. */
const stretchBytes = 1024 * 1024;

/** Long work in stretches, so that a body of 10 MB holds nobody else up for as long as all of it takes. */
export interface Pace {
  /**
   * Told how much was done since it was told last.
   * @returns what to wait for before going on, while others are served; undefined: it was not much yet.
   */
  after(bytes: number): Promise<void> | undefined;
}

export function createPace(): Pace {
  let done = 0;
  return {
    after(bytes) {
      done += bytes;
      if (done < stretchBytes) return undefined;
      done = 0;
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}
