import { freePort } from '../../dev/embedded/child-server.js';
import { Site } from '../support/browser/site.js';
import type { Visitor } from '../support/browser/visitor.js';
import { TestIdentityProvider } from '../support/identity-provider.js';

const ANN = {
  subject: 'ann',
  claims: { email: 'ann@example.org', email_verified: true, groups: ['import-staff'] },
};

describe('signing in with an identity provider', () => {
  let provider: TestIdentityProvider;
  let site: Site;

  beforeAll(async () => {
    provider = await TestIdentityProvider.start();
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    site = await Site.open({ ...provider.environment, PORT: String(port), PUBLIC_URL: publicUrl });
    await provider.serve(publicUrl);
  });
  afterAll(async () => {
    await site?.close();
    await provider?.stop();
  });
  afterEach(async () => {
    // The browser also reports the status of a page that says why a sign-in was refused.
    const complaints = (await site.farewell()).filter(
      (each) => each.startsWith(site.url) && !/status of (401|403)/.test(each),
    );
    expect(complaints).toEqual([]);
  });

  const press = async ({ page }: Visitor) => {
    await page.goto('/imports?status=failed');
    await page.getByRole('link', { name: 'Sign in with Test ID' }).click();
  };
  const refusal = ({ page }: Visitor) => page.getByRole('alert').textContent();

  /** Break it: make the session cookie SameSite=Strict; or leave the page out of the pending sign-in. */
  it('leads there and back to the requested page, and signs out of both', async () => {
    await provider.expect(ANN);
    const visitor = await site.visitor(null);
    const { page } = visitor;
    await page.goto('/login');
    expect(await visitor.hindrances()).toEqual([]);
    await press(visitor);
    await page.getByRole('heading', { name: 'Recent Imports' }).waitFor();
    expect(visitor.path).toBe('/imports?status=failed');
    await page.goto('/account');
    await page.getByText('You sign in with Test ID').waitFor();
    expect(await page.getByLabel('Current password').count()).toBe(0);
    expect(await visitor.hindrances()).toEqual([]);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByText('You are signed out here.').waitFor();
    await page.goto('/imports');
    expect(visitor.path).toMatch(/^\/login/);
    await page.goto('/login?signed-out');
    await page.getByRole('link', { name: 'Sign out of Test ID, too' }).click();
    await page.waitForURL(/\/session\/end/);
  });

  /** Break it: in `IdentityProvider.complete`, expect no state. */
  it('refuses an answer with a forged state', async () => {
    await provider.expect(ANN);
    const visitor = await site.visitor(null);
    // The provider is asked with another state than the one that the browser keeps.
    await visitor.page.route('**/login/oidc?*', async (route) => {
      const response = await route.fetch({ maxRedirects: 0 });
      const url = new URL(response.headers().location!);
      url.searchParams.set('state', 'forged');
      await route.fulfill({ response, headers: { ...response.headers(), location: url.href } });
    });
    await press(visitor);
    await visitor.page.getByRole('alert').waitFor();
    expect(await refusal(visitor)).toMatch(/^The sign-in with Test ID failed/);
    await visitor.page.goto('/imports');
    expect(visitor.path).toMatch(/^\/login/);
  });

  /** Break it: in `IdentityProvider.complete`, expect no nonce; in `discover`, leave out the signature. */
  it.each(['nonce', 'expired', 'signature'] as const)('refuses a forged ID token: %s', async (forgery) => {
    await provider.expect(ANN, forgery);
    const visitor = await site.visitor(null);
    await press(visitor);
    await visitor.page.getByRole('alert').waitFor();
    expect(await refusal(visitor)).toMatch(/^The sign-in with Test ID failed/);
    await visitor.page.goto('/imports');
    expect(visitor.path).toMatch(/^\/login/);
  });

  /** Break it: in `OidcSignIn.enter`, give everyone a role, or leave out `endAccess`. */
  it('ends the access of someone whose group was removed', async () => {
    const leaver = { subject: 'leaver', claims: { ...ANN.claims, email: 'leaver@example.org' } };
    await provider.expect(leaver);
    const before = await site.visitor(null);
    await press(before);
    await before.page.getByRole('heading', { name: 'Recent Imports' }).waitFor();
    await provider.expect({ ...leaver, claims: { ...leaver.claims, groups: [] } });
    const after = await site.visitor(null);
    await press(after);
    await after.page.getByRole('alert').waitFor();
    expect(await refusal(after)).toMatch(/^None of your groups at Test ID may use this service/);
    expect(await after.hindrances()).toEqual([]);
    // The page may leave at the same moment: its live updates learn that the session has ended.
    await before.page.goto('/imports').catch(() => undefined);
    await before.page.waitForURL(/\/login/);
  });
});
