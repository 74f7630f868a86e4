import { owedNotification } from './chunk-scheduler.js';

const end = {
  invalid: 0,
  failed: 0,
  unknown: 0,
  sendSuccessEmailTo: 'glad@example.org',
  sendFailureEmailTo: 'sorry@example.org,boss@example.org',
};

describe('the mail at the end of a batch', () => {
  it('goes to the success address only when every record succeeded', () => {
    expect(owedNotification('completed', end)).toEqual({ kind: 'success', recipients: ['glad@example.org'] });
  });

  it.each(['completed_with_errors', 'failed'] as const)('goes to the failure address after %s', (status) => {
    expect(owedNotification(status, { ...end, failed: 1 })).toEqual({
      kind: 'failure',
      recipients: ['sorry@example.org', 'boss@example.org'],
    });
  });

  it('of a canceled batch is sent only when records had failed', () => {
    expect(owedNotification('canceled', end)).toBeNull();
    expect(owedNotification('canceled', { ...end, invalid: 1 })?.kind).toBe('failure');
  });

  it('is not sent to the other address when none was given for it', () => {
    expect(owedNotification('completed', { ...end, sendSuccessEmailTo: null })).toBeNull();
    expect(owedNotification('failed', { ...end, sendFailureEmailTo: null })).toBeNull();
  });
});
