import { assertMayReceiveMail, mayReceiveMail } from './mailer.js';

const rules = { mailRecipientDomains: ['example.org', '*.example.com'] };

describe('an address may receive mail', () => {
  it.each(['ada@example.org', 'ada@EXAMPLE.ORG', 'ada@mail.example.com', 'ada@a.b.example.com'])(
    'if its domain is listed: %s',
    (address) => expect(mayReceiveMail(rules, address)).toBe(true),
  );

  it.each(['ada@sub.example.org', 'ada@example.com', 'ada@badexample.com', 'ada@example.org.evil.example'])(
    'not otherwise: %s',
    (address) => expect(mayReceiveMail(rules, address)).toBe(false),
  );

  it('wherever it is, if no domains are listed', () => {
    expect(mayReceiveMail({ mailRecipientDomains: undefined }, 'ada@anywhere.example')).toBe(true);
  });
});

it('a refusal names every parameter', () => {
  const recipients = {
    sendSuccessEmailTo: 'a@example.org,b@evil.example',
    sendFailureEmailTo: 'a@example.org',
  };
  expect(() => assertMayReceiveMail(rules, recipients)).toThrow(/sendSuccessEmailTo must be addresses in/);
  expect(() => assertMayReceiveMail(rules, { sendSuccessEmailTo: null })).not.toThrow();
});
