import { parseJsonObject } from './json-object.ts';

/** The one argument of a custom tool on a wire whose tools take JSON: the input, which is free text. */
export const customInputField = 'input';

export function wrapCustomInput(input: string): string {
  return `{"${customInputField}":${JSON.stringify(input)}}`;
}

/** Undefined: the arguments are not the wrapper that was asked for, so that the input is all that the model wrote. */
export function unwrapCustomInput(argumentsText: string): string | undefined {
  const wrapper = parseJsonObject(argumentsText);
  const input = wrapper?.[customInputField];
  return wrapper !== undefined && typeof input === 'string' && Object.keys(wrapper).length === 1 ? input : undefined;
}
