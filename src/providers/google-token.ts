import { GatewayError } from '../core/errors.ts';
import { importOptional } from './import-optional.ts';
import type { Transport, UpstreamCall, UpstreamRequest } from './provider.ts';

interface GoogleAuth {
  /** From its cache while it is good. */
  getAccessToken(): Promise<string | null | undefined>;
}
interface GoogleAuthLibrary {
  GoogleAuth: new (options: { scopes: string; projectId: string }) => GoogleAuth;
}

const scopes = 'https://www.googleapis.com/auth/cloud-platform';
const why = 'It gets access tokens by the application default credentials; an api_key takes their place.';

/**
 * Gives requests that bring no credential one of Google's before they are sent.
 * @see https://cloud.google.com/docs/authentication/application-default-credentials
 */
export function createGoogleTokenTransport(transport: Transport): Transport {
  /** By project: the library asks Google for the project of its credentials where it is not told one. */
  const auths = new Map<string, GoogleAuth>();

  async function tokenOf({ path }: UpstreamRequest): Promise<string> {
    const projectId = /\/projects\/([^/]+)\//.exec(path)?.[1] ?? '';
    let auth = auths.get(projectId);
    if (auth === undefined) {
      const { GoogleAuth } = (await importOptional('google-auth-library', why)) as GoogleAuthLibrary;
      auth = new GoogleAuth({ scopes, projectId });
      auths.set(projectId, auth);
    }
    const token = await auth.getAccessToken();
    if (typeof token === 'string' && token !== '') return token;
    throw new Error('the credentials give no token');
  }

  return {
    send(request, listener) {
      if ('authorization' in request.headers) return transport.send(request, listener);
      let call: UpstreamCall | undefined;
      let isPaused = false;
      let isAborted = false;
      const begin = async (): Promise<void> => {
        const token = await tokenOf(request);
        if (isAborted) return;
        // Into the request itself: whoever sent it keeps what it was sent with out of what comes back.
        request.headers['authorization'] = `Bearer ${token}`;
        call = transport.send(request, listener);
        if (isPaused) call.pause();
      };
      begin().catch((cause: unknown) => {
        if (isAborted) return;
        const message = 'No credential for the upstream could be had.';
        listener.onError(
          cause instanceof GatewayError
            ? cause
            : new GatewayError('upstream_auth', message, { cause, retryable: 'elsewhere' }),
        );
      });
      return {
        pause() {
          isPaused = true;
          call?.pause();
        },
        resume() {
          isPaused = false;
          call?.resume();
        },
        abort() {
          isAborted = true;
          call?.abort();
        },
      };
    },
    close: () => transport.close(),
  };
}
