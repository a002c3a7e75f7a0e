import aws4 from 'aws4';

export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Of temporary credentials. */
  sessionToken: string | undefined;
}

export interface SignedCall {
  /** Scheme, host and port. */
  origin: string;
  /** As it is sent, percent-encoded. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  region: string;
  service: string;
  atMs: number;
}

/**
 * The headers that sign a POST, Signature Version 4.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function signedHeaders(call: SignedCall, credentials: AwsCredentials): Record<string, string> {
  const { origin, path, body, region, service, atMs } = call;
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const added: Record<string, string> = { 'x-amz-date': new Date(atMs).toISOString().replaceAll(/[:-]|\.\d{3}/g, '') };
  if (sessionToken !== undefined) added['x-amz-security-token'] = sessionToken;
  // What a proxy may change on the way is not signed.
  const kept = Object.entries(call.headers).filter(([name]) => name === 'content-type' || name.startsWith('x-amz-'));
  const headers = { host: new URL(origin).host, ...Object.fromEntries(kept), ...added };
  const extraHeadersToIgnore = { 'content-length': true };
  const request = { method: 'POST', path, body, service, region, headers, extraHeadersToIgnore };
  const signed = aws4.sign(request, { accessKeyId, secretAccessKey });
  return { ...added, authorization: String(signed.headers?.['Authorization']) };
}
