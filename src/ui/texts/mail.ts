/** Mails: those about imports, and those that actions sent. */
export const MAIL_TEXTS = {
  mail: {
    title: 'Mail',
    tabs: 'Kinds of mail',
    aboutImports: 'About imports',
    sentByActions: 'Sent by actions',
    noSubjectYet: 'Not written yet',
    ofKind: 'Mail of kind {kind}',
    to: 'to {recipient}',
    toAt: 'to {recipient}, {at, time}',
    aboutImport: 'About <a>{name, user}</a>. ',
    aboutInstance: 'About <a>instance {id, raw}</a>. ',
    attempts: { one: '{count} attempt.', other: '{count} attempts.' },
    notWritten: 'It is not written yet.',
    noMatch: 'No mail matches',
    noMatchHint: 'Change the filter, or <a>show all</a>.',
    empty: 'No mail',
    emptyHint:
      'An import sends mail when it ends if it has an address for success or failure. Actions can send mail too.',
    older: 'Older mails',
  },
} as const;
