/** A client that has read nothing for this long is taken for gone. */
export const defaultStalledMs = 30_000;

export interface Stall {
  /** The client can't take more now. */
  begin(): void;
  /** It has read what was there for it, or is gone. */
  end(): void;
}

/** Cuts the line to a client that has stopped reading. */
export function createStall(cut: () => void, stalledMs = defaultStalledMs): Stall {
  let timer: NodeJS.Timeout | undefined;
  return {
    begin() {
      timer ??= setTimeout(cut, stalledMs).unref();
    },
    end() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
