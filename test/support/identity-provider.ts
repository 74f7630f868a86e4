import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** `slowClock` and `fastClock`: no forgery, but a clock that is 20 seconds behind or ahead. */
type Forgery =
  | 'nonce'
  | 'expired'
  | 'notYet'
  | 'authTime'
  | 'audience'
  | 'issuer'
  | 'signature'
  | 'slowClock'
  | 'fastClock';

interface Person {
  subject: string;
  /** `email`, `email_verified`, `groups`. */
  claims: Record<string, unknown>;
}

/** A real OpenID Connect provider on loopback. It signs everyone in without asking. */
export class TestIdentityProvider {
  private constructor(
    private readonly process: ChildProcess,
    readonly issuer: string,
  ) {}

  static async start(): Promise<TestIdentityProvider> {
    const child = fork(join(__dirname, 'oidc-server.mjs'), {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [{ issuer }] = (await once(child, 'message')) as [{ issuer: string }];
    return new TestIdentityProvider(child, issuer);
  }

  /** What the service needs to know of it. */
  get environment(): Record<string, string> {
    return {
      OIDC_ISSUER: this.issuer,
      OIDC_CLIENT_ID: 'imports',
      OIDC_CLIENT_SECRET: 'the secret of the client',
      OIDC_ROLES: 'import-admins=administrator, import-staff=operator, import-guests=viewer',
      OIDC_NAME: 'Test ID',
    };
  }

  /**
   * Begins to answer, anew.
   * @param publicUrl of the service, which is its only client
   */
  async serve(publicUrl: string, { claimsInIdToken = true, rotatesKey = false } = {}): Promise<void> {
    await this.send({
      serve: {
        redirectUris: [`${publicUrl}/login/oidc/callback`],
        signOutUris: [`${publicUrl}/login`],
        claimsInIdToken,
        rotatesKey,
      },
    });
  }

  /** Who signs in from now on; `forgery`: how the ID tokens are forged. */
  async expect({ subject, claims }: Person, forgery: Forgery | null = null): Promise<void> {
    await this.send({ state: { subject, claims, forgery } });
  }

  /**
   * Signs in as a browser does that starts at the given URL.
   * @returns the URL to which the provider leads back
   */
  async followed(url: string): Promise<string> {
    const jar = new Map<string, string>();
    let next = url;
    for (let step = 0; step < 10 && next.startsWith(this.issuer); step += 1) {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(next, { redirect: 'manual', headers: { cookie } });
      for (const each of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(each) ?? [];
        jar.set(name, value);
      }
      const location = response.headers.get('location');
      if (location === null) throw new Error(`${next} answered ${response.status}: ${await response.text()}`);
      next = new URL(location, next).href;
    }
    return next;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill();
    await exited;
  }

  private async send(message: object): Promise<void> {
    const done = once(this.process, 'message');
    this.process.send(message);
    await done;
  }
}
