import type { ModelProfile, UpstreamCodec } from '../protocols/codec.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ClientProtocol, Protocol } from '../core/items.ts';
import type { AwsCredentials } from './aws-signature.ts';

/** One upstream call, ready to be sent. The credential is in `headers`, never in the URL. */
export interface UpstreamRequest {
  /** Scheme, host and port; the connection pool's key. */
  origin: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  timeouts: Timeouts;
}

export interface Timeouts {
  connectMs: number;
  /** From the request sent to the response's headers. */
  firstByteMs: number;
  /** Between two reads of the body. */
  idleMs: number;
}

/** Called in order: onHeaders once, onData any number of times, then onEnd or onError once. onError may come first. */
export interface UpstreamListener {
  /** `headers` are lower-case. */
  onHeaders(status: number, headers: Record<string, string | undefined>): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  /** upstream_unreachable, _tls, _timeout, _stream_broken or _invalid_response; shutting_down; internal_error. Not after `abort`. */
  onError(error: GatewayError): void;
}

export interface UpstreamCall {
  pause(): void;
  resume(): void;
  /** Closes the connection. Nothing is called on the listener afterwards. */
  abort(): void;
}

/** Moves bytes: over sockets (`createSocketTransport`), or in-process (the simulator). */
export interface Transport {
  /** Nothing is called on the listener before this has returned. */
  send(request: UpstreamRequest, listener: UpstreamListener): UpstreamCall;
  close(): Promise<void>;
}

/** Provider + upstream model + credential + limits: one entry of the configuration's `models`. */
export interface Deployment {
  /** Public name of the model group that this deployment belongs to. */
  group: string;
  provider: Provider;
  /** The upstream's name of the model. */
  model: string;
  /** Without a trailing slash. */
  baseUrl: string;
  apiKey: string | undefined;
  /** Sent with every request, after the provider's own. */
  headers: Record<string, string>;
  timeouts: Timeouts;
  weight: number;
  profile: ModelProfile;
  /** Prices in USD per million tokens that override the package's. */
  prices: PriceOverride | undefined;
  options?: ProviderOptions;
}

/** What only some providers are told of a deployment. */
export interface ProviderOptions {
  /** Of Azure's older addresses. */
  apiVersion?: string;
  /** Of AWS and Google. */
  region?: string;
  /** Of Google. */
  project?: string;
  /** It is called with the credential of whoever asks, which goes to the deployment's origin and nowhere else. */
  clientCredential?: true;
  /** Signs in place of an API key. */
  aws?: AwsCredentials;
  /** Of the AI SDK's: the package, the name of what makes its provider, and what that is given. */
  package?: string;
  factory?: string;
  settings?: Readonly<Record<string, unknown>>;
}

export interface PriceOverride {
  input: number;
  output: number;
  cacheRead: number | undefined;
  cacheWrite: number | undefined;
}

/** The words in which a deployment is spoken to. */
export interface Dialect {
  readonly codec: UpstreamCodec;
  readonly profile: ModelProfile;
  buildRequest(body: string, stream: boolean): UpstreamRequest;
}

/** A vendor integration: address, credential, quirks, and the protocol it speaks. */
export interface Provider {
  /** As in the configuration: `anthropic`, `openai`, `openai-compatible`, `gemini`, `simulator`. */
  readonly name: string;
  readonly codec: UpstreamCodec;
  readonly transport: Transport;
  readonly defaultBaseUrl: string | undefined;
  /** The vendor's address in a region, where there is one for each. */
  addressIn?(options: ProviderOptions): string;
  /** The vendor's id in the price source; undefined: no price but an override's. Many vendors share `openai-compatible`. */
  priceProviderIdOf(deployment: Deployment): string | undefined;
  /** What is known of a model by its name; the configuration may override each field. */
  profileOf(model: string): ModelProfile;
  /** The deployment's profile with what was learnt since the start; absent: nothing ever is. */
  profileNow?(deployment: Deployment): ModelProfile;
  /** A client's own protocol, where the vendor speaks it beside `codec`'s and, as far as is known, for this model. */
  dialect?(deployment: Deployment, protocol: ClientProtocol): Dialect | undefined;
  /**
   * Takes note of what a refusal says about the model. True: the same request will now be sent otherwise.
   * @param protocol that the request was sent in.
   * @param written the request, where its words are ours; undefined: they are the client's own, and so may the fault be.
   */
  learn?(deployment: Deployment, error: GatewayError, protocol: Protocol, written?: string): boolean;
  /** @param headers of a client that speaks the same protocol, as it sent them. */
  buildRequest(
    deployment: Deployment,
    body: string,
    stream: boolean,
    headers?: Readonly<Record<string, string>>,
  ): UpstreamRequest;
  /** A request for embeddings, in OpenAI's words; absent: the vendor makes none, or has other words for them. */
  buildEmbeddingsRequest?(deployment: Deployment, body: string): UpstreamRequest;
  /** The vendor's own count of input tokens; absent: it has none, and tokens are estimated. */
  readonly counter?: TokenCounter;
}

export interface TokenCounter {
  /** @param body of the request whose input is to be counted, as the codec wrote it. */
  buildRequest(deployment: Deployment, body: string, headers?: Readonly<Record<string, string>>): UpstreamRequest;
  /** Undefined: there is no count in it. */
  readCount(body: string): unknown;
}
