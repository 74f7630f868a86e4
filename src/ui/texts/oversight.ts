/** The audit log, and finding and erasing people. */
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
  people: {
    title: 'People',
    intro: 'Find a person in all workflows, imports, mails and logs, then erase or anonymize what was found.',
    identifier: 'Identifier and value',
    identifierHint: 'For example :Email:ada@example.org',
    search: 'Search',
    report: 'Report',
    found: {
      one: '{value} was found in {count} row.',
      other: '{value} was found in {count} rows.',
    },
    erased: 'The data of {value} was erased.',
    anonymized: 'The data of {value} was anonymized.',
    incomplete: 'Some data of {value} is left.',
    openBatches:
      'These imports have not ended, so their rows stay. Cancel or abandon them, or wait for their end, then erase again:',
    instances: 'Instances:',
    table: 'Table',
    rows: 'Rows found',
    changed: 'Rows changed',
    erase: {
      text: 'Erase',
      question: 'Erase {value}?',
      explanation:
        'Instances, their logs and messages are deleted. Rows of imports lose their data; lines and counts stay. You cannot undo this.',
    },
    anonymize: {
      text: 'Anonymize',
      question: 'Anonymize {value}?',
      explanation:
        'Instances, logs, messages and rows stay, but their values are replaced. You cannot undo this.',
    },
  },
} as const;
