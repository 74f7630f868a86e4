import { isPermanentFault } from './mailer.js';

const fault = (code: string, responseCode?: number, more: { command?: string; response?: string } = {}) =>
  Object.assign(new Error('refused'), { code, ...(responseCode !== undefined && { responseCode }), ...more });

describe('a delivery fault', () => {
  it.each([
    ['an unknown mailbox', fault('EENVELOPE', 550, { command: 'RCPT TO', response: '550 5.1.1 Unknown' })],
    ['a mailbox that is not allowed', fault('EENVELOPE', 553)],
    ['a message that is refused as spam', fault('EMESSAGE', 554)],
    ['a recipient that is no address', fault('EENVELOPE')],
  ])('is permanent for %s', (_, error) => {
    expect(isPermanentFault(error)).toBe(true);
  });

  it.each([
    ['a greylisting server', fault('EENVELOPE', 450)],
    ['a server that is full', fault('EMESSAGE', 452)],
    ['a refused sender', fault('EENVELOPE', 553, { command: 'MAIL FROM' })],
    [
      'a relay that is not open to us',
      fault('EENVELOPE', 554, { response: '554 5.7.1 Relay access denied' }),
    ],
    ['a policy after DATA', fault('EMESSAGE', 550, { response: '550-5.7.26 Unauthenticated' })],
    ['a server that is down', fault('ESOCKET')],
    ['a server that never answers', fault('ETIMEDOUT')],
    ['a name that does not resolve', fault('EDNS')],
    ['a greeting that refuses everybody', fault('EPROTOCOL', 554)],
    ['a wrong password', fault('EAUTH', 535)],
    ['a server that wants a password', fault('EENVELOPE', 530)],
    ['a certificate that is not trusted', fault('ETLS')],
    ['an error of the database', new Error('connection terminated')],
    ['something that is no error', 'oops'],
  ])('is worth another attempt for %s', (_, error) => {
    expect(isPermanentFault(error)).toBe(false);
  });
});
