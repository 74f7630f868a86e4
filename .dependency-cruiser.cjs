/**
 * Import directions. Each rule says why it is there; `npm run check:boundaries` holds the code to them.
 * Type-only imports count too: a type from there is knowledge of there.
 */

/** The folders of src, lowest layer first (ADR 20). A folder imports from layers below its own, and from nothing beside it. */
const LAYERS = [
  ['platform', 'client'],
  ['records'],
  ['delivery', 'formats', 'auth'],
  ['workflows', 'batches'],
  ['targets'],
  ['import-processes'],
  ['processing', 'notifications'],
  ['import-queue', 'people'],
  ['ui', 'mcp', 'definitions', 'operations'],
  ['app'],
  ['cli'],
];
/** The only edges between folders of one layer. */
const SIDEWAYS = [['processing', 'notifications']];

/** One rule per folder: what it must not import. */
const layerRules = LAYERS.flatMap((layer, level) =>
  layer.map((folder) => {
    const beside = layer.filter(
      (other) => other !== folder && !SIDEWAYS.some(([from, to]) => from === folder && to === other),
    );
    const above = LAYERS.slice(level + 1).flat();
    return {
      name: `${folder}-imports-from-below-only`,
      comment:
        'Folders depend in one direction, so that each can be understood and tested with what lies below it.',
      severity: 'error',
      from: { path: `^src/${folder}/`, pathNot: '[.]spec[.]ts$' },
      to: { path: [`^src/(${[...beside, ...above].join('|')})/`, '^src/main[.]ts', '^(dev|test|bench)/'] },
    };
  }),
);

/** npm packages resolve into node_modules; a rule on a package name has to look there. */
const packages = (...names) => names.map((name) => `(^|/)node_modules/${name}/`);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'every-folder-has-a-layer',
      comment: 'A folder that LAYERS does not name would be checked by no rule.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${LAYERS.flat().join('|')})/` },
      to: {},
    },
    {
      name: 'no-cycles',
      comment:
        'Files in a circle can only be understood, tested and loaded together; which of them runs first is an accident.',
      severity: 'error',
      from: {},
      // Entities name each other in types only, which are gone at run time.
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'targets-know-no-queue',
      comment:
        'A target takes N records and answers N outcomes. Adopters write their own: it must run, and be tested, without Bull and batches.',
      severity: 'error',
      from: { path: '^src/(targets|workflows|records)/' },
      to: { path: ['^src/platform/queue/', ...packages('bull', '@nestjs/bull')] },
    },
    {
      name: 'client-depends-on-nothing',
      comment: 'Programs and browsers take the client without the service.',
      severity: 'error',
      from: { path: '^src/client/', pathNot: '[.]spec[.]ts$' },
      to: { pathNot: '^src/client/' },
    },
    {
      name: 'the-command-line-is-a-client',
      comment:
        'It does nothing that another program could not do through HTTP. The doctor needs the database itself.',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: '[.]spec[.]ts$' },
      to: { path: '^src/', pathNot: '^src/(cli|client)/|^src/operations/doctor/main[.]ts$' },
    },
    {
      name: 'formats-are-pure',
      comment:
        'Bytes to records is the part with the most cases and the tightest loop: plain functions keep its tests fast and free of mocks.',
      severity: 'error',
      from: { path: '^src/formats/' },
      to: {
        path: [
          '^src/platform/(http|queue|database)/',
          ...packages(
            '@nestjs',
            'typeorm',
            'bull',
            '@bull-board',
            'express',
            'class-validator',
            'class-transformer',
          ),
        ],
      },
    },
    {
      name: 'rows-are-pure',
      comment:
        'Both passes read a row by the same rules; they can only do so while the rules know neither of them.',
      severity: 'error',
      from: { path: '^src/workflows/rows/', pathNot: '[.]spec[.]ts$' },
      to: { path: packages('@nestjs', 'typeorm', 'bull', 'express') },
    },
    {
      name: 'controllers-only-translate',
      comment: 'A controller that sees tables soon decides things. Services answer it resources, not rows.',
      severity: 'error',
      from: { path: '[.]controller[.]ts$' },
      to: { path: ['/entities[.]ts$', '[.]sql[.]ts$', ...packages('typeorm', '@nestjs/typeorm')] },
    },
    {
      name: 'bull-stays-at-the-edge',
      comment:
        'PostgreSQL is the truth and Bull a wake-up. What knows Bull could come to rely on it: only the queues, their consumers and the two files that wake them may.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/platform/queue/',
          '[.]consumer[.]ts$',
          '^src/(delivery/outbox|processing/chunk-scheduler)[.]ts$',
          '[.]spec[.]ts$',
          '^src/operations/',
        ],
      },
      to: { path: packages('bull', '@nestjs/bull', '@bull-board') },
    },
    {
      name: 'one-file-talks-to-the-identity-provider',
      comment:
        'The checks of an answer of the provider are made in one place, or one of them is missing somewhere.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/auth/identity-provider[.]ts$' },
      to: { path: packages('openid-client', 'oauth4webapi') },
    },
    {
      name: 'one-file-sends-mail',
      comment: 'Addresses, headers and limits of mail are checked in one place, or in none.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/delivery/mailer[.]ts$' },
      to: { path: packages('nodemailer', '@nestjs-modules/mailer') },
    },
    {
      name: 'pages-call-services',
      comment:
        'A page that reads tables decides things that a route then does not. Services answer pages and routes alike.',
      severity: 'error',
      from: { path: '^src/ui/' },
      to: {
        path: ['[.]sql[.]ts$', '/entities[.]ts$', '^src/platform/database/', ...packages('typeorm', 'pg')],
      },
    },
    {
      name: 'no-unlisted-package',
      comment: 'A package that is there by accident of another one leaves with that one.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    {
      name: 'no-development-package-at-run-time',
      comment: 'They are not installed where it runs. Types are gone by then.',
      severity: 'error',
      from: { path: '^src/', pathNot: '[.]spec[.]ts$' },
      to: {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only'],
        pathNot: '(^|/)node_modules/@types/',
      },
    },
    {
      name: 'no-orphans',
      comment: 'A file nobody imports is dead, or its caller forgot it.',
      severity: 'error',
      // What browsers load is named in views.
      from: { orphan: true, pathNot: ['[.]d[.]ts$', '[.]spec[.]ts$', '^src/ui/public/'] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json', '.d.ts'],
    },
  },
};
