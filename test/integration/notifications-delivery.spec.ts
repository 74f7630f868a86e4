import { eventually } from '../support/eventually.js';
import { NotificationFixture, QUICK } from '../support/notification-fixture.js';
import { SmtpSink } from '../support/smtp-sink.js';

/** The first retry comes soon, all others when the test is over. */
const ONE_SOON = { ...QUICK, backOffMs: [50, 3_600_000] };

describe('a mail that is owed', () => {
  let sink: SmtpSink;
  let fixture: NotificationFixture;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    fixture = await NotificationFixture.start({ SMTP_URL: sink.url });
  });
  afterAll(async () => {
    await fixture.stop();
    await sink.down();
  });
  afterEach(() => sink.accept());

  const statusOf = async (id: number) => (await fixture.row(id)).status;
  const sent = (id: number) =>
    eventually(async () => (await statusOf(id)) === 'sent', `mail ${id} to be sent`);

  it('is delivered after a wake-up, and kept as it was sent', async () => {
    const batchId = await fixture.storeBatch({ fileName: 'people.jsonl' });
    const id = await fixture.owe(batchId, 'one@example.org');
    await fixture.wake(id);
    await sent(id);

    const [mail] = sink.mailsTo('one@example.org');
    expect(mail).toMatchObject({ subject: 'Import succeeded: people.jsonl' });
    expect(mail!.from!.text).toBe('"Imports" <imports@example.org>');
    const headers = mail!.headerLines.map(({ line }) => line);
    expect(headers).toContain(`X-Workflow-Import-Queue-Batch-Id: ${batchId}`);
    expect(headers).toContain('Auto-Submitted: auto-generated');
    expect(mail!.text).toContain(`Results: https://imports.example.org/imports/${batchId}`);
    expect(mail!.html).toContain(`href="https://imports.example.org/imports/${batchId}"`);

    const row = await fixture.row(id);
    expect(row).toMatchObject({ attempts: 1, last_error: null, locked_until: null, subject: mail!.subject });
    expect(row.text_body!.trim()).toBe(mail!.text!.trim());
    expect(row.html_body!.trim()).toBe((mail!.html as string).trim());
    expect(row.sent_at!.getTime()).toBeGreaterThan(Date.now() - 20_000);
  });

  it('is owed once per batch and kind, even if asked for repeatedly', async () => {
    const batchId = await fixture.storeBatch();
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => fixture.owe(batchId, 'asked@example.org', 'failure')),
    );
    expect(new Set(ids).size).toBe(1);
    expect(await fixture.owe(batchId, 'asked@example.org', 'success')).not.toBe(ids[0]);
  });

  it('is sent once, even if eight ask for it at the same time', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'eight@example.org');
    const attempts = await Promise.all(Array.from({ length: 8 }, () => fixture.sender.send(id)));
    expect(attempts.sort()).toEqual([...Array.from({ length: 7 }, () => 'not_due'), 'sent']);
    expect(sink.mailsTo('eight@example.org')).toHaveLength(1);
    expect(await fixture.row(id)).toMatchObject({ attempts: 1 });
  });

  it('is sent once, even after many wake-ups', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'woken@example.org');
    await Promise.all([
      fixture.wake(id, id, id),
      fixture.outbox.wakeDue(),
      fixture.wake(id),
      fixture.outbox.wakeDue(),
    ]);
    await sent(id);
    await fixture.wake(id);
    await fixture.outbox.wakeDue();
    const later = await fixture.owe(await fixture.storeBatch(), 'later@example.org');
    await fixture.wake(later);
    await sent(later);
    expect(sink.mailsTo('woken@example.org')).toHaveLength(1);
    expect(await fixture.row(id)).toMatchObject({ attempts: 1 });
  });

  it('is found without a wake-up, as after Redis lost the job', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'forgotten@example.org');
    await fixture.outbox.wakeDue();
    await sent(id);
  });

  it('waits for a server that is down, and is delivered once after it is back', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'down@example.org');
    await sink.down();
    await fixture.wake(id);
    const waiting = await eventually(async () => {
      const row = await fixture.row(id);
      return row.attempts >= 3 && row.status === 'pending' ? row : null;
    }, 'three attempts');
    expect(waiting.last_error).toContain('ECONNREFUSED');
    expect(waiting.subject).toBe('Import succeeded: people.jsonl');
    await sink.up();
    await sent(id);
    expect(sink.mailsTo('down@example.org')).toHaveLength(1);
    expect((await fixture.row(id)).last_error).toBeNull();
  });

  it('is tried again after 4xx, under the same Message-ID', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'greylisted@example.org');
    sink.refuseWith(451, 'try again later');
    await fixture.wake(id);
    const refused = await eventually(async () => {
      const row = await fixture.row(id);
      return row.attempts >= 2 && row.status === 'pending' ? row : null;
    }, 'two refusals');
    expect(refused.last_error).toContain('451 try again later');
    sink.accept();
    await sent(id);
    const mails = sink.mailsTo('greylisted@example.org');
    expect(mails.map(({ messageId }) => messageId)).toEqual([
      expect.stringMatching(new RegExp(`^<notification-${id}\\.\\d+@imports\\.example\\.org>$`)),
    ]);
  });

  it('is not tried again after 5xx, and states the reason', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'nobody@example.org');
    sink.refuseWith(550, 'no such mailbox');
    expect(await fixture.sender.send(id)).toBe('failed');
    sink.accept();
    await fixture.outbox.wakeDue();
    expect(await fixture.sender.send(id)).toBe('not_due');
    const row = await fixture.row(id);
    expect(row).toMatchObject({ status: 'failed', attempts: 1, subject: 'Import succeeded: people.jsonl' });
    expect(row.last_error).toContain('550 no such mailbox');
    expect(sink.mailsTo('nobody@example.org')).toHaveLength(0);
  });

  /** Break it: in `isPermanentFault`, leave out the command; or ABOUT_POLICY. */
  it.each([
    [553, 'sender refused', 'MAIL FROM'],
    [550, 'no such sender', 'MAIL FROM'],
    [554, '5.7.1 Relay access denied', 'RCPT TO'],
  ] as const)(
    'is tried again after %d %s at %s, which is about our configuration',
    async (code, text, at) => {
      const id = await fixture.owe(await fixture.storeBatch(), 'configuration@example.org');
      sink.refuseWith(code, text, at);
      expect(await fixture.sender.send(id)).toBe('pending');
      expect((await fixture.row(id)).last_error).toContain(text);
      sink.accept();
      await sent(id);
    },
  );

  it('goes to one recipient, even if the address looks like two', async () => {
    const before = sink.mails.length;
    const id = await fixture.owe(await fixture.storeBatch(), 'a@example.org, b@example.org');
    await fixture.sender.send(id);
    const addresses = sink.mails
      .slice(before)
      .flatMap(({ to }) => [to ?? []].flat().flatMap(({ value }) => value));
    expect(addresses.map(({ address }) => address)).not.toContain('b@example.org');
    expect(addresses.map(({ address }) => address)).not.toContain('a@example.org');
  });

  it('has a subject that no file name can corrupt', async () => {
    const fileName = `👩🏽‍🔬 "O'Brien" & <b>名簿</b>: ${'long '.repeat(40)}.jsonl`;
    const id = await fixture.owe(await fixture.storeBatch({ fileName }), 'odd@example.org');
    await fixture.sender.send(id);
    const [mail] = sink.mailsTo('odd@example.org');
    expect(mail!.subject).toBe(`Import succeeded: ${fileName}`);
    expect(mail!.text).toContain(`File: ${fileName}`);
    expect(mail!.html).not.toContain('<b>名簿');
  });
});

describe('a subject that looks encoded', () => {
  it('reaches the reader as the file is called', async () => {
    const sink = await SmtpSink.start();
    const fixture = await NotificationFixture.start({ SMTP_URL: sink.url });
    try {
      const fileName = `=?utf-8?q?evil?= ${'long '.repeat(40)}=?x?=`;
      const id = await fixture.owe(await fixture.storeBatch({ fileName }), 'encoded@example.org');
      expect(await fixture.sender.send(id)).toBe('sent');
      expect(sink.mailsTo('encoded@example.org')[0]!.subject).toBe(`Import succeeded: ${fileName}`);
    } finally {
      await fixture.stop();
      await sink.down();
    }
  });
});

describe('mails of one key', () => {
  /** Break it: in `BatchMails.render`, leave out `assertWithinLimit`. */
  it('wait once there were MAILS_PER_KEY_PER_HOUR of them within an hour, and hold up no other key', async () => {
    const sink = await SmtpSink.start();
    const fixture = await NotificationFixture.start({ SMTP_URL: sink.url, MAILS_PER_KEY_PER_HOUR: '2' });
    try {
      const send = async (createdBy: string) =>
        fixture.sender.send(await fixture.owe(await fixture.storeBatch({ createdBy }), 'limit@example.org'));
      expect([await send('api-key:1'), await send('api-key:1')]).toEqual(['sent', 'sent']);
      const id = await fixture.owe(await fixture.storeBatch({ createdBy: 'api-key:1' }), 'limit@example.org');
      expect(await fixture.sender.send(id)).toBe('pending');
      expect((await fixture.row(id)).last_error).toContain('MAILS_PER_KEY_PER_HOUR');
      expect(await send('api-key:2')).toBe('sent');
      await fixture.client.query(
        `UPDATE outbox SET sent_at = sent_at - interval '1 hour', next_attempt_at = now()`,
      );
      expect(await fixture.sender.send(id)).toBe('sent');
      expect(sink.mails).toHaveLength(4);
    } finally {
      await fixture.stop();
      await sink.down();
    }
  });
});

describe('a mail that is sent again on request', () => {
  /** Break it: in `resendMessage`, leave `attempts_before_resend` as it is. */
  it('is tried again as soon as a new one', async () => {
    const sink = await SmtpSink.start();
    const fixture = await NotificationFixture.start({ SMTP_URL: sink.url }, ONE_SOON);
    try {
      const id = await fixture.owe(await fixture.storeBatch(), 'again@example.org');
      const tried = (attempts: number) =>
        eventually(async () => {
          const row = await fixture.row(id);
          return row.attempts === attempts && row.status === 'pending';
        }, `${attempts} attempts`);
      sink.refuseWith(451);
      await fixture.wake(id);
      await tried(2);
      await fixture.resend(id);
      await tried(4);
      expect(sink.attempts).toBe(4);
    } finally {
      await fixture.stop();
      await sink.down();
    }
  });
});

describe('a mail that was being sent', () => {
  let sink: SmtpSink;
  let fixture: NotificationFixture;
  const claimMs = 300;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    fixture = await NotificationFixture.start({ SMTP_URL: sink.url }, { ...QUICK, claimMs });
  });
  afterAll(async () => {
    await fixture.stop();
    await sink.down();
  });

  /** What a worker that died between its claim and the server's 250 leaves behind. */
  const leaveClaimed = (id: number, since: string) =>
    fixture.client.query(
      `UPDATE outbox SET status = 'sending', attempts = attempts + 1, locked_until = now() + $2::interval
        WHERE kind = 'batch_mail' AND outbox_id = $1`,
      [id, since],
    );

  it('by a worker that died is sent by another after the claim expires', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'crashed@example.org');
    await leaveClaimed(id, '-1 second');
    await fixture.outbox.wakeDue();
    await eventually(async () => (await fixture.row(id)).status === 'sent', 'the mail to be sent');
    expect(sink.mailsTo('crashed@example.org')).toHaveLength(1);
    expect(await fixture.row(id)).toMatchObject({ attempts: 2 });
  });

  it('is left alone while the claim holds', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'held@example.org');
    await leaveClaimed(id, '1 minute');
    expect(await fixture.sender.send(id)).toBe('not_due');
    await fixture.outbox.wakeDue();
    expect(await fixture.row(id)).toMatchObject({ status: 'sending', attempts: 1 });
  });

  it('is not sent a second time while a slow server takes longer than a claim lasts', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'slow@example.org');
    sink.hold();
    const slow = fixture.sender.send(id);
    await eventually(() => sink.waiting === 1, 'the server to have the mail');
    const { locked_until: firstClaim } = await fixture.row(id);
    const other = await fixture.addWorker({ ...QUICK, claimMs });
    await eventually(async () => {
      expect(await other.send(id)).toBe('not_due');
      return Date.now() > firstClaim!.getTime() + claimMs;
    }, 'twice the time of a claim to pass');
    sink.release();
    expect(await slow).toBe('sent');
    expect(sink.mailsTo('slow@example.org')).toHaveLength(1);
    expect(await fixture.row(id)).toMatchObject({ attempts: 1 });
  });

  it('is not sent a second time if PostgreSQL is away after it was sent', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'restart@example.org');
    sink.hold();
    const attempt = fixture.sender.send(id);
    await eventually(() => sink.waiting === 1, 'the server to have the mail');
    await fixture.withoutDatabase(async () => {
      sink.release();
      await eventually(() => sink.mailsTo('restart@example.org').length === 1, 'the server to take the mail');
    });
    expect(await attempt).toBe('sent');
    expect(await fixture.row(id)).toMatchObject({ status: 'sent', attempts: 1 });
    expect(sink.mailsTo('restart@example.org')).toHaveLength(1);
  });

  it('is abandoned by a worker that finds another has taken over', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'taken@example.org');
    sink.hold();
    const late = fixture.sender.send(id);
    await eventually(() => sink.waiting === 1, 'the server to have the mail');
    await leaveClaimed(id, '1 minute');
    expect(await late).toBe('lost');
    sink.release();
    expect(await fixture.row(id)).toMatchObject({ status: 'sending', attempts: 2, sent_at: null });
    expect(sink.mailsTo('taken@example.org')).toHaveLength(0);
  });

  it('is tried again if the worker stops', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'stopped@example.org');
    sink.hold();
    const stop = new AbortController();
    const attempt = fixture.sender.send(id, stop.signal);
    await eventually(() => sink.waiting === 1, 'the server to have the mail');
    stop.abort(new Error('the worker stops'));
    expect(await attempt).toBe('pending');
    sink.release();
    await eventually(async () => (await fixture.row(id)).status === 'sent', 'the mail to be sent');
    expect(sink.mailsTo('stopped@example.org')).toHaveLength(1);
  });
});
