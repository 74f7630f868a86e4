import { createHmac } from 'node:crypto';
import { resendBehavior } from '../../src/delivery/outbox.sql.js';
import type { BehaviorDefinition } from '../../src/workflows/definition.js';
import { BehaviorFixture, people } from '../support/behavior-fixture.js';
import { eventually } from '../support/eventually.js';
import { QUICK } from '../support/notification-fixture.js';
import { PrivateRedis } from '../support/private-redis.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

const MAIL: BehaviorDefinition = {
  kind: 'sendEmail',
  to: ':Email',
  subject: 'Welcome {{Name}}',
  template: '<p>Dear {{Name}}, since {{now}}.</p>',
};
const KEY = Buffer.alloc(32, 'k');
const SECRET = `whsec_${KEY.toString('base64')}`;

describe('behaviors', () => {
  let sink: SmtpSink;
  let receiver: WebhookReceiver;
  let fixture: BehaviorFixture;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    receiver = await WebhookReceiver.start();
    fixture = await BehaviorFixture.start({ SMTP_URL: sink.url });
  });
  afterAll(async () => {
    await fixture.stop();
    await receiver.stop();
    await sink.down();
  });
  afterEach(() => {
    sink.mails.length = 0;
    receiver.received.length = 0;
  });

  const hook = (path: string): BehaviorDefinition => ({
    kind: 'webhook',
    url: receiver.url + path,
    secret: SECRET,
  });
  const settled = () =>
    eventually(
      async () => {
        const rows = await fixture.behaviors();
        return rows.every(({ status }) => status === 'sent' || status === 'failed') ? rows : null;
      },
      'all behaviors to end',
      60_000,
    );

  it('are delivered once each after the mail server was down for the whole batch', async () => {
    await sink.down();
    await fixture.process([MAIL], people(50));
    await eventually(
      async () => (await fixture.behaviors()).every(({ attempts }) => attempts > 0),
      'every mail to have been tried',
    );
    await sink.up();
    const rows = await settled();
    expect(rows.map(({ status }) => status)).toEqual(rows.map(() => 'sent'));
    expect(sink.mails.map(({ subject }) => subject).sort()).toEqual(
      people(50)
        .map(({ Name }) => `Welcome ${Name as string}`)
        .sort(),
    );
    expect(new Set(sink.mails.map(({ messageId }) => messageId)).size).toBe(50);
  });

  it('contain no element from a value, and the time of the transaction', async () => {
    const [person] = people(1, { Name: '<b>"Ada"</b>\r\nBcc: eve@example.org' });
    await fixture.process([MAIL, { kind: 'setAttribute', name: 'Granted At', value: '{{now}}' }], [person!]);
    await settled();
    const [mail] = sink.mails;
    const { rows } = await fixture.database.query<{ at: string; created: Date; logged: Date }>(
      `SELECT attributes ->> 'Granted At' AS at, created_at AS created, logged_at AS logged
         FROM workflow_instance JOIN workflow_log USING (workflow_instance_id)
        ORDER BY workflow_instance_id DESC LIMIT 1`,
    );
    const { at, created, logged } = rows[0]!;
    expect([Date.parse(at), created]).toEqual([created.getTime(), logged]);
    expect(mail!.html).toContain('<p>Dear &lt;b&gt;&quot;Ada&quot;&lt;/b&gt;<br>');
    expect(mail!.html).toContain(`since ${created.toISOString()}.</p>`);
    expect(mail!.text).toContain('Dear <b>"Ada"</b>');
    expect([mail!.subject, mail!.bcc]).toEqual(['Welcome <b>"Ada"</b> Bcc: eve@example.org', undefined]);
  });

  it('are not sent for a rolled-back chunk or row', async () => {
    const refused = fixture.process([MAIL], people(3), { fail: true });
    await expect(refused).rejects.toThrow('rolled back by the test');
    expect(await fixture.behaviors()).toEqual([]);

    await fixture.database.query(
      `ALTER TABLE workflow_instance ADD CONSTRAINT no_poison CHECK (attributes ->> 'Name' <> 'poison')`,
    );
    const [first, second, third] = people(3) as [object, object, object];
    await fixture.process([MAIL], [{ ...first }, { ...second, Name: 'poison' }, { ...third }]);
    const rows = await settled();
    expect(rows.map(({ line, status }) => `${line} ${status}`)).toEqual(['1 sent', '3 sent']);
    expect(sink.mails).toHaveLength(2);
  });

  it('are signed by the rules of Standard Webhooks', async () => {
    await fixture.process([hook('/signed')], people(1));
    await settled();
    const [webhook] = receiver.at('/signed');
    const { headers, body } = webhook!;
    const id = headers['webhook-id'] as string;
    const time = headers['webhook-timestamp'] as string;
    const expected = createHmac('sha256', KEY).update(`${id}.${time}.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    expect(headers['content-type']).toBe('application/json');
    expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(60);
    expect(JSON.parse(body)).toMatchObject({
      type: 'workflow.action.performed',
      data: { action: 'Grant', line: 1, attributes: { ':Id': 'M-1', Name: 'Name 1' } },
    });
  });

  /** Break it: in `endAttempt`, leave out `ended_at`. */
  it.each([
    [204, 'sent', null],
    [410, 'failed', 'the receiver answered 410'],
  ])('that are answered %d are %s, and from then on grow old', async (answer, status, error) => {
    receiver.answers.set('/final', [answer]);
    await fixture.process([hook('/final')], people(1));
    const ended = { status, attempts: 1, last_error: error, ended_at: expect.any(Date) as Date };
    expect(await settled()).toMatchObject([ended]);
    expect(receiver.at('/final')).toHaveLength(1);
  });

  it('that get any other answer are tried again with the same id, and redirects are not followed', async () => {
    const answers = [400, 401, 403, 404, 409, 421, 429, 500, 503, 302];
    receiver.answers.set('/later', [...answers]);
    await fixture.process([hook('/later')], people(1));
    expect(await settled()).toMatchObject([
      { status: 'sent', attempts: answers.length + 1, last_error: null },
    ]);
    const ids = receiver.at('/later').map(({ headers }) => headers['webhook-id']);
    expect([ids.length, new Set(ids).size]).toEqual([answers.length + 1, 1]);
    expect(receiver.at('/elsewhere')).toEqual([]);
  });

  /** Break it: in `MessageSender.failure`, leave out `retryAfterMs`. */
  it.each([
    ['in seconds', () => '7200'],
    ['as a date', () => new Date(Date.now() + 7_200_000).toUTCString()],
  ])('wait as long as their receiver asks %s', async (_, retryAfter) => {
    const path = `/wait-${retryAfter().length}`;
    receiver.retryAfter.set(path, retryAfter());
    receiver.answers.set(path, [503]);
    await fixture.process([hook(path)], people(1));
    await eventually(async () => (await fixture.behaviors())[0]!.last_error !== null, 'the first answer');
    const [row] = await fixture.behaviors();
    expect(row).toMatchObject({ status: 'pending', attempts: 1 });
    expect(row!.next_attempt_at.getTime() - Date.now()).toBeGreaterThan(7_000_000);
  });

  it('that find no listener are tried again', async () => {
    const gone = await WebhookReceiver.start();
    const { url } = gone;
    await gone.stop();
    await fixture.process([{ kind: 'webhook', url }], people(1));
    const [row] = await eventually(async () => {
      const rows = await fixture.behaviors();
      return rows[0]!.attempts >= 2 ? rows : null;
    }, 'a second attempt');
    expect(row!.last_error).toMatch(/ECONNREFUSED/);
    await fixture.database.query(
      `UPDATE outbox SET status = 'failed' WHERE kind = 'behavior_webhook' AND outbox_id = $1`,
      [row!.id],
    );
  });

  it('are kept as failed for an instance without an address, and affect no other', async () => {
    await fixture.process([MAIL], [{ ':Id': 'M-1', Name: 'No address' }, ...people(2).slice(1)]);
    expect(await settled()).toMatchObject([
      { status: 'failed', attempts: 0, last_error: 'the instance has no address to send it to' },
      { status: 'sent' },
    ]);
  });
});

describe('a behavior that is sent again on request', () => {
  /** Break it: in `resendMessage`, leave `attempts_before_resend` as it is. */
  it('is tried again as soon as a new one', async () => {
    const receiver = await WebhookReceiver.start();
    const fixture = await BehaviorFixture.start({}, { ...QUICK, backOffMs: [50, 3_600_000] });
    try {
      receiver.answers.set('/down', [500, 500, 500, 500]);
      await fixture.process([{ kind: 'webhook', url: `${receiver.url}/down` }], people(1));
      const tried = (attempts: number) =>
        eventually(async () => {
          const [row] = await fixture.behaviors();
          return row!.attempts === attempts && row!.status === 'pending' ? row! : null;
        }, `${attempts} attempts`);
      const { id, instance } = await tried(2);
      await resendBehavior(fixture.database, instance, id);
      await tried(4);
      expect(receiver.at('/down')).toHaveLength(4);
    } finally {
      await fixture.stop();
      await receiver.stop();
    }
  });
});

describe('a webhook that fails for three days', () => {
  /** Break it: in `MessageSender.failure`, leave out `leftMs`. */
  it('is given up', async () => {
    const receiver = await WebhookReceiver.start();
    const fixture = await BehaviorFixture.start({});
    try {
      receiver.answers.set('/down', new Array<number>(1_000).fill(500));
      await fixture.process([{ kind: 'webhook', url: `${receiver.url}/down` }], people(1));
      await eventually(async () => (await fixture.behaviors())[0]!.attempts >= 2, 'a second attempt');
      expect((await fixture.behaviors())[0]!.status).not.toBe('failed');
      await fixture.database.query(`UPDATE outbox SET owed_at = now() - interval '73 hours'`);
      await eventually(async () => (await fixture.behaviors())[0]!.status === 'failed', 'it to be given up');
    } finally {
      await fixture.stop();
      await receiver.stop();
    }
  });
});

describe('eight workers', () => {
  it('send every mail and webhook once', async () => {
    const sink = await SmtpSink.start();
    const receiver = await WebhookReceiver.start();
    const fixture = await BehaviorFixture.start({ SMTP_URL: sink.url });
    try {
      for (let worker = 2; worker <= 8; worker += 1) await fixture.addWorker();
      await fixture.process([MAIL, { kind: 'webhook', url: `${receiver.url}/all` }], people(150));
      // Jobs are made once each: that all are after the same behaviors has to be brought about.
      const ids = (await fixture.behaviors()).map(({ id }) => id);
      const { host } = new URL(receiver.url);
      await Promise.all(
        fixture.senders.map(async (sender) => {
          for (const id of ids) await sender.send({ kind: 'behavior_mail', id });
          for (let asked = 0; asked < ids.length; asked += 1) await sender.sendNext('behavior_webhook', host);
        }),
      );
      await eventually(
        async () => (await fixture.behaviors()).every(({ status }) => status === 'sent'),
        'everything to be sent',
        60_000,
      );
      expect((await fixture.behaviors()).map(({ attempts }) => attempts)).toEqual(new Array(300).fill(1));
      expect(new Set(sink.mails.map(({ subject }) => subject)).size).toBe(150);
      expect(sink.mails).toHaveLength(150);
      expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(150);
      expect(receiver.received).toHaveLength(150);
    } finally {
      await fixture.stop();
      await receiver.stop();
      await sink.down();
    }
  });
});

describe('a webhook receiver that never answers', () => {
  let redis: PrivateRedis;
  let sink: SmtpSink;
  let silent: WebhookReceiver;
  let other: WebhookReceiver;
  let fixture: BehaviorFixture;

  beforeAll(async () => {
    redis = await PrivateRedis.start();
    sink = await SmtpSink.start();
  });
  afterAll(async () => {
    await sink.down();
    await redis.stop();
  });
  beforeEach(async () => {
    sink.mails.length = 0;
    [silent, other] = [await WebhookReceiver.start(), await WebhookReceiver.start()];
    fixture = await BehaviorFixture.start({ SMTP_URL: sink.url, REDIS_URL: redis.url });
    silent.hold();
  });
  afterEach(async () => {
    await Promise.all([silent.stop(), other.stop()]);
    await fixture.stop();
  });

  const hooks = (receiver: WebhookReceiver, path: string): BehaviorDefinition[] => [
    { kind: 'webhook', url: `${receiver.url}/${path}` },
  ];
  const allSent = () =>
    eventually(
      async () =>
        (await fixture.behaviors()).every(({ status, attempts }) => status === 'sent' && attempts === 1),
      'everything of the last batch to be sent',
    );

  /**
   * Break it: in `selectDueMessages`, answer no more than the limit in all, by id; or in `WebhookDispatcher`, let
   * `AT_ONCE_PER_HOST` be 100.
   */
  it('delays neither mails nor the webhooks of others, however many of its own wait', async () => {
    await fixture.process(hooks(silent, 'first'), people(1_200));
    await eventually(() => silent.waiting > 0, 'the receiver to be asked');
    await fixture.process([MAIL, ...hooks(other, 'second')], people(100));
    await allSent();
    expect([sink.mails.length, other.received.length]).toEqual([100, 100]);
    expect(silent.waiting).toBeLessThanOrEqual(4);
  });

  /** Break it: in `WebhookDispatcher`, let `AT_ONCE_PER_HOST` be 100. */
  it('gets all of its own once it answers, a few at a time', async () => {
    await fixture.process(hooks(silent, 'all'), people(300));
    await eventually(() => silent.waiting === 4, 'the receiver to have all it may have');
    silent.release();
    await allSent();
    expect(silent.received).toHaveLength(300);
    expect(silent.mostAtOnce).toBe(4);
  });

  /** Break it: in `IS_DUE`, let a claim that has run out not be due; or in `DueMessages`, do not look again. */
  it('also gets them after Redis lost every job and a worker died', async () => {
    await fixture.process(hooks(silent, 'lost'), people(40));
    await eventually(() => silent.waiting === 4, 'the receiver to have all it may have');
    await fixture.database.query(
      `UPDATE outbox SET status = 'sending', locked_until = now() - interval '1 second'
        WHERE outbox_id = (SELECT max(outbox_id) FROM outbox)`,
    );
    await redis.flushAll();
    silent.release();
    await allSent();
    expect(silent.received).toHaveLength(40);
  });
});

describe('by default', () => {
  it('no webhook goes to a private address, written or resolved', async () => {
    const receiver = await WebhookReceiver.start();
    const fixture = await BehaviorFixture.start({ ALLOW_PRIVATE_TARGETS: 'false' });
    try {
      const { port } = new URL(receiver.url);
      const hosts = ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f000001', '2130706433'];
      await fixture.process(
        hosts.map((host) => ({ kind: 'webhook', url: `http://${host}:${port}/` })),
        people(1),
      );
      const rows = await eventually(async () => {
        const all = await fixture.behaviors();
        return all.every(({ status }) => status === 'failed') ? all : null;
      }, 'all to be refused');
      for (const { last_error } of rows) expect(last_error).toContain('is not a public address');
      expect(receiver.received).toEqual([]);
    } finally {
      await fixture.stop();
      await receiver.stop();
    }
  });

  it('mails are kept without a mail server', async () => {
    const fixture = await BehaviorFixture.start({});
    try {
      await fixture.process([MAIL], people(1));
      await eventually(
        async () => (await fixture.behaviors())[0]!.status === 'not_sent_no_smtp',
        'the mail to be kept',
      );
    } finally {
      await fixture.stop();
    }
  });
});
