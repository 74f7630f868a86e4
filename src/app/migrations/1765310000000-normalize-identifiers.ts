import type { MigrationInterface, QueryRunner } from 'typeorm';

export class NormalizeIdentifiers1765310000000 implements MigrationInterface {
  readonly name = 'NormalizeIdentifiers1765310000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  /** The former version looks identifiers up as they are written; the instances still store that form. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/** White space and invisible characters, as `trimEnds` removes them. */
const INVISIBLE = [
  ...[0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85, 0xa0, 0xad, 0x1680],
  ...[0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a],
  ...[0x200b, 0x200c, 0x200d, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff],
]
  .map((code) => `\\${code.toString(16).padStart(4, '0')}`)
  .join('');
const NORMAL = `normalize(btrim(value, U&'${INVISIBLE}'), NFC)`;

/**
 * From now on, identifiers are compared in Unicode NFC without invisible characters at their ends. Where that makes the
 * values of several instances equal although the identifier is unique, each instance keeps its old value and also gets
 * the common one, with its id as distinguisher. A row with the common value finds several instances and is rejected as
 * ambiguous, instead of changing one of them at random. Doctor lists these instances.
 */
const UP = [
  `CREATE TEMPORARY TABLE changed_identifier ON COMMIT DROP AS
   SELECT workflow_id, name, value, distinguisher, workflow_instance_id, ${NORMAL} AS normal
     FROM workflow_identifier
    WHERE ${NORMAL} <> value AND ${NORMAL} <> ''`,
  `CREATE TEMPORARY TABLE colliding_identifier ON COMMIT DROP AS
   SELECT c.*
     FROM changed_identifier c
    WHERE EXISTS (SELECT FROM changed_identifier o
                   WHERE (o.workflow_id, o.name, o.normal, o.distinguisher)
                         = (c.workflow_id, c.name, c.normal, c.distinguisher)
                     AND o.value <> c.value)
       OR EXISTS (SELECT FROM workflow_identifier o
                   WHERE o.workflow_id = c.workflow_id AND o.name = c.name
                     AND o.value = c.normal AND o.distinguisher = c.distinguisher)`,
  `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
   SELECT workflow_id, name, normal, workflow_instance_id, workflow_instance_id FROM colliding_identifier
   ON CONFLICT DO NOTHING`,
  `UPDATE workflow_identifier i
      SET value = c.normal
     FROM changed_identifier c
    WHERE (i.workflow_id, i.name, i.value, i.distinguisher)
          = (c.workflow_id, c.name, c.value, c.distinguisher)
      AND NOT EXISTS (SELECT FROM colliding_identifier x
                       WHERE (x.workflow_id, x.name, x.value, x.distinguisher)
                             = (c.workflow_id, c.name, c.value, c.distinguisher))`,
];

/** Values that were common to several instances; the normalized ones of single instances stay usable as they are. */
const DOWN = `
  DELETE FROM workflow_identifier i
   WHERE distinguisher <> 0
     AND EXISTS (SELECT FROM workflow_identifier o
                  WHERE o.workflow_instance_id = i.workflow_instance_id AND o.name = i.name AND o.distinguisher = 0)`;
