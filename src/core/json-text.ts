declare const meant: unique symbol;

/** JSON text, with the type of what it says. */
export type Json<T> = string & { readonly [meant]: T };

export function json<T>(value: T): Json<T> {
  return JSON.stringify(value) as Json<T>;
}

/** The members of an object as JSON each. */
export type Members<T> = { [Name in keyof T]: Json<T[Name]> };

/** Spliced, so that what is JSON already stays as it is spelled. */
export function objectText<T extends object>(members: Members<T>): Json<T> {
  return `{${membersText(members).slice(1)}}` as Json<T>;
}

export function arrayText<T>(elements: readonly Json<T>[]): Json<T[]> {
  return `[${elements.join(',')}]` as Json<T[]>;
}

/** Each with the comma before it. */
export function membersText(members: Readonly<Record<string, string>>): string {
  let text = '';
  for (const name in members) text += `,"${name}":${members[name]}`;
  return text;
}
