import { randomBytes } from 'node:crypto';
import { derivedSecretKey, parseSecretKeys, SecretBox } from './secret-box.js';

const key = () => randomBytes(32).toString('base64');

describe('a secret at rest', () => {
  const [old = '', recent = ''] = [key(), key()];
  const before = new SecretBox(parseSecretKeys(`a:${old}`)!);
  const after = new SecretBox(parseSecretKeys(`b:${recent}, a:${old}`)!);

  /** Break it: in `seal`, answer the value. */
  it('is encrypted under the first key, whose id it names, and read again', () => {
    const sealed = before.seal('whsec_secret');
    expect(sealed).toMatch(/^enc:v1:a:/);
    expect(sealed).not.toContain('secret');
    expect(before.open(sealed)).toBe('whsec_secret');
    expect(before.seal('whsec_secret')).not.toBe(sealed);
  });

  /** Break it: in `seal`, keep every encrypted value. */
  it('gets the new key once it is sealed again, and stays as it is after that', () => {
    const sealed = before.seal('whsec_secret');
    const again = after.seal(sealed);
    expect(again).toMatch(/^enc:v1:b:/);
    expect(after.open(again)).toBe('whsec_secret');
    expect(after.seal(again)).toBe(again);
  });

  /** Break it: in `open`, leave out `setAuthTag` or the search for the key. */
  it('is refused with an unknown key and after a change', () => {
    const sealed = after.seal('whsec_secret');
    expect(() => before.open(sealed)).toThrow('the key b, which SECRETS_KEY does not have');
    const changed = sealed.slice(0, -4) + (sealed.endsWith('AAAA') ? 'BBBB' : 'AAAA');
    expect(() => after.open(changed)).toThrow();
  });

  it('stays in clear without a key, and such a value is read with any key', () => {
    expect(new SecretBox().seal('whsec_secret')).toBe('whsec_secret');
    expect(after.open('whsec_secret')).toBe('whsec_secret');
  });

  it('has the same key for the same SESSION_SECRET only', () => {
    expect(derivedSecretKey('one secret')).toEqual(derivedSecretKey('one secret'));
    expect(derivedSecretKey('one secret').id).not.toBe(derivedSecretKey('another').id);
  });

  it.each(['', 'short', `a:${old},a:${recent}`, `a:${old},b`, `${old.slice(4)}`])(
    'refuses the keys %j',
    (text) => expect(parseSecretKeys(text)).toBeNull(),
  );
});
