import { GatewayError } from '../../core/errors.ts';
import { importOptional } from '../import-optional.ts';

/** The part of `LanguageModelV4` that is called. */
export interface LanguageModel {
  specificationVersion: string;
  doStream(options: unknown): PromiseLike<{ stream: ReadableStream<unknown>; response?: { headers?: unknown } }>;
  doGenerate(options: unknown): PromiseLike<unknown>;
}

type ProviderOfModels = ((model: string) => LanguageModel) & { languageModel?: (model: string) => LanguageModel };
type Factory = (settings: object) => ProviderOfModels;

const refuse = (message: string) => new GatewayError('internal_error', message);

/**
 * The package's provider, made by its factory: the one function that it exports whose name begins with `create`, or the one
 * that is named.
 * @throws GatewayError that says what is to be installed or configured.
 */
export async function loadProvider(
  name: string,
  factory: string | undefined,
  settings: object,
): Promise<ProviderOfModels> {
  const exported = (await importOptional(name, 'It speaks to the model of this deployment.')) as Record<
    string,
    unknown
  >;
  const found = Object.keys(exported).filter((key) => /^create[A-Z]/.test(key) && typeof exported[key] === 'function');
  const chosen = factory ?? (found.length === 1 ? found[0] : undefined);
  if (chosen === undefined || typeof exported[chosen] !== 'function') {
    throw refuse(`Name the factory of ${name} in the deployment's \`factory\`: ${found.join(', ') || 'it has none'}.`);
  }
  return (exported[chosen] as Factory)({ ...settings, fetch: fetchWithoutRedirects });
}

export function modelOf(provider: ProviderOfModels, name: string, packageName: string): LanguageModel {
  const model = provider.languageModel?.(name) ?? provider(name);
  if (model.specificationVersion === 'v4') return model;
  throw refuse(
    `The package ${packageName} speaks version ${model.specificationVersion} of the AI SDK's specification: install one of version v4.`,
  );
}

/** A redirect would take the credential to another origin. */
const fetchWithoutRedirects: typeof fetch = (input, init) => fetch(input, { ...init, redirect: 'error' });
