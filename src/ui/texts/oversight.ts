/** The audit log. */
export const OVERSIGHT_TEXTS = {
  audit: {
    title: 'Audit log',
    actor: 'Who',
    actorHint: 'E-mail address, name of a key, or ID',
    action: 'Action',
    object: 'Object',
    from: 'From',
    until: 'To',
    at: 'Time',
    address: 'Address',
    details: 'Details',
    request: 'request {id, code}',
    done: 'Done',
    refused: { one: 'Refused', other: 'Refused {count} times' },
    noOne: 'no one signed in',
    download: 'Download',
    older: 'Older',
    empty: 'No events',
    noMatch: 'No event matches these filters. <a>Show all events</a>',
    times: 'Days are in UTC.',
  },
} as const;
