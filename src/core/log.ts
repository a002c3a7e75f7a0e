/** Where log lines go; pino satisfies it. Fields are named one by one, never a request or an error's own properties. */
export interface Log {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}
