import { RECORD_STATUSES, statusesOf } from './record-status.js';

describe('the sets of a download', () => {
  it('put every record into exactly one of succeeded, failed and unprocessed', () => {
    const parts = [...statusesOf('succeeded'), ...statusesOf('failed'), ...statusesOf('unprocessed')];
    expect([...parts].sort()).toEqual([...RECORD_STATUSES].sort());
    expect([...statusesOf('all')].sort()).toEqual([...RECORD_STATUSES].sort());
  });
});
