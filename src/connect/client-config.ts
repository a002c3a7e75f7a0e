/** What a client is to be told. */
export interface Settings {
  /** The gateway's address, without a slash at its end and without `/v1`. */
  url: string;
  /** Undefined: the gateway asks for none. */
  key: string | undefined;
  /** Undefined: the client's own names of models are served. */
  model: string | undefined;
}

/** A file of a client's, and how it is told of the gateway. Pure: what is read and written is text. */
export interface ClientConfig {
  /** As the command line names it. */
  readonly name: string;
  readonly title: string;
  /** @param home the user's home folder. */
  fileOf(env: Readonly<Record<string, string | undefined>>, home: string): string;
  /** Another file of the client's in which the same would have to be changed; its being there is a reason to refuse. */
  rivalOf?(file: string): string;
  /**
   * The whole file with the gateway in it: all else of the user's stays.
   * @param text undefined: there is no file yet.
   * @throws ConnectError where that cannot be done without touching what is the user's.
   */
  edit(text: string | undefined, settings: Settings): string;
  /** The model has to be named. */
  readonly needsModel: boolean;
  /** What the user does then. */
  readonly start: string;
}

/** Why a client cannot be connected or disconnected: its message is for the user. */
export class ConnectError extends Error {}

/** What stands in the place of a key where the gateway asks for none: clients refuse to start without. */
export const anyKey = 'turnpike';
