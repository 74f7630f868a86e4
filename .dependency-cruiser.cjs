/**
 * Import directions. Each rule says why it is there; `npm run check:boundaries` holds the code to them.
 * Type-only imports count too: a type from there is knowledge of there.
 */

/**
 * Everything that is about imports, workflows or people, as against what serves all of it. Those are named, not the
 * features: a list of features was four folders short before anybody noticed, and a new folder is one without a word.
 */
const FEATURES = '^src/(?!(common|config|database|embedded|queue)/)[^/]+/';
/** npm packages resolve into node_modules; a rule on a package name has to look there. */
const packages = (...names) => names.map((name) => `(^|/)node_modules/${name}/`);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
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
      name: 'common-knows-no-feature',
      comment: 'Whatever common imported, everything would import: it serves all features, so it can know none.',
      severity: 'error',
      from: { path: '^src/(common|config)/' },
      to: { path: `${FEATURES}|^src/(database|queue|embedded)/` },
    },
    {
      name: 'database-knows-no-feature-but-its-tables',
      comment: 'SQL access serves all features. It may know their entities only, to describe the schema.',
      severity: 'error',
      from: { path: '^src/database/' },
      to: { path: FEATURES, pathNot: '/entities/' },
    },
    {
      name: 'targets-know-no-queue',
      comment:
        'A target takes N records and answers N outcomes. Adopters write their own: it must run, and be tested, without Bull and batches.',
      severity: 'error',
      from: { path: '^src/targets/' },
      to: { path: ['^src/(import-queue|queue)/', ...packages('bull', '@nestjs/bull')] },
    },
    {
      name: 'intake-is-pure',
      comment:
        'Bytes to records is the part with the most cases and the tightest loop: plain functions keep its tests fast and free of mocks.',
      severity: 'error',
      from: { path: '^src/import-queue/intake/' },
      to: { path: packages('@nestjs', 'typeorm', 'bull', '@bull-board', 'express', 'class-validator', 'class-transformer') },
    },
    {
      name: 'rows-are-pure',
      comment: 'Both passes read a row by the same rules; they can only do so while the rules know neither of them.',
      severity: 'error',
      from: { path: '^src/workflows/rows/', pathNot: '[.]spec[.]ts$' },
      to: { path: packages('@nestjs', 'typeorm', 'bull', 'express') },
    },
    {
      name: 'controllers-only-translate',
      comment: 'A controller that sees tables soon decides things. Services answer it resources, not rows.',
      severity: 'error',
      from: { path: '[.]controller[.]ts$' },
      to: { path: ['/entities/', ...packages('typeorm', '@nestjs/typeorm')] },
    },
    {
      name: 'bull-stays-at-the-edge',
      comment:
        'PostgreSQL is the truth and Bull a wake-up. What knows Bull could come to rely on it: only the queues, their consumers and those who wake them may.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: ['^src/queue/', '[.]consumer[.]ts$', '-queue[.]ts$', '[.]spec[.]ts$'],
      },
      to: { path: packages('bull', '@nestjs/bull', '@bull-board') },
    },
    {
      name: 'one-file-sends-mail',
      comment: 'Addresses, headers and limits of mail are checked in one place, or in none.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/notifications/(mailer|mailer[.]\\w+)[.]ts$' },
      to: { path: packages('nodemailer', '@nestjs-modules/mailer') },
    },
    {
      name: 'pages-stand-on-top',
      comment: 'Everything works without the pages: no feature may need one.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(ui/|app[.]module[.]ts)' },
      to: { path: '^src/ui/' },
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
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: '(^|/)node_modules/@types/' },
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
