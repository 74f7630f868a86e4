import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import { newMembers } from './support/members.js';
import { Site } from './support/site.js';

const OWNER = 'owner@example.org';

describe('the mail about a batch', () => {
  let site: Site;
  let client: ImportClient;

  beforeAll(async () => {
    site = await Site.open();
    client = await site.client(site.start('api'));
  });
  afterAll(() => site.close());
  beforeEach(() => {
    site.smtp.mails.length = 0;
  });

  const unsent = () => site.observer.number(`SELECT count(*) FROM outbox WHERE status <> 'sent'`);
  const allSent = () => eventually(async () => (await unsent()) === 0, 'all mails to be sent', 50_000);

  /** Break it: in `MessageSender.attempt`, answer `failed` whatever the fault is. */
  it('is sent once when the SMTP server was down for the whole run and comes up', async () => {
    const worker = site.start('worker');
    await worker.ready();
    await site.smtp.down();
    await site.send(client, newMembers(400, true), { sendSuccessEmailTo: OWNER });
    expect(await site.problems()).toEqual([]);
    await eventually(
      () => site.observer.number(`SELECT count(*) FROM outbox WHERE attempts > 0 AND status = 'pending'`),
      'a first attempt to fail',
    );

    await site.smtp.up();
    await allSent();
    expect(site.smtp.mails.map(({ subject }) => subject)).toEqual(['Import succeeded: crash.jsonl']);
    await worker.kill();
  });

  /** Break it: in `claimNotification`, do not count a claim that has run out as due. */
  it('is sent although its sender is killed (kill -9) before it could', async () => {
    const doomed = site.start('worker', { FAULT_POINTS: 'message.before-send:kill' });
    await doomed.ready();
    await site.send(client, newMembers(1, true), { sendSuccessEmailTo: OWNER });
    expect(await doomed.ended()).toMatchObject({ signal: 'SIGKILL' });
    expect(site.smtp.mails).toEqual([]);

    await site.observer.passClaimTime();
    const next = site.start('worker');
    await allSent();
    expect(site.smtp.mailsTo(OWNER)).toHaveLength(1);
    await next.kill();
  });

  /**
   * The one window that SMTP leaves: what the server has taken is not yet written down. A second copy is the price of
   * losing none, and says by its Message-ID what it is. Break it: make the Message-ID from the attempt, too.
   */
  it('is the same mail again when its sender is killed after the server has taken it', async () => {
    const doomed = site.start('worker', { FAULT_POINTS: 'message.after-accept:kill' });
    await doomed.ready();
    await site.send(client, newMembers(1, true), { sendSuccessEmailTo: OWNER });
    expect(await doomed.ended()).toMatchObject({ signal: 'SIGKILL' });
    expect(site.smtp.mailsTo(OWNER)).toHaveLength(1);

    await site.observer.passClaimTime();
    site.start('worker');
    await allSent();
    const [first, second] = site.smtp.mailsTo(OWNER);
    expect(second?.messageId).toBe(first?.messageId);
    expect(site.smtp.mails).toHaveLength(2);
    expect(await site.problems()).toEqual([]);
  });
});
