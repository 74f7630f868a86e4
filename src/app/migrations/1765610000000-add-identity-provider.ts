import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddIdentityProvider1765610000000 implements MigrationInterface {
  readonly name = 'AddIdentityProvider1765610000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = `
  ALTER TABLE app_user
    -- Users of an identity provider have no password here.
    ALTER COLUMN password_hash DROP NOT NULL,
    -- Who the user is at the identity provider. Both are set, or neither.
    ADD COLUMN oidc_issuer text,
    ADD COLUMN oidc_subject text,
    ADD CONSTRAINT app_user_identity UNIQUE (oidc_issuer, oidc_subject);
  ALTER TABLE user_session
    ADD COLUMN method text NOT NULL DEFAULT 'password' CHECK (method IN ('password', 'oidc')),
    -- When its user last proved who they are.
    ADD COLUMN confirmed_at timestamptz NOT NULL DEFAULT now()`;

/** A user of the identity provider gets a hash that no password has: earlier programs need one. */
const DOWN = `
  UPDATE app_user SET password_hash = '$scrypt$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$'
      || rtrim(translate(encode(sha256(gen_random_uuid()::text::bytea), 'base64'), '+/', '-_'), '=')
    WHERE password_hash IS NULL;
  DELETE FROM user_session WHERE method = 'oidc';
  ALTER TABLE user_session DROP COLUMN method, DROP COLUMN confirmed_at;
  ALTER TABLE app_user ALTER COLUMN password_hash SET NOT NULL, DROP CONSTRAINT app_user_identity,
    DROP COLUMN oidc_issuer, DROP COLUMN oidc_subject`;
