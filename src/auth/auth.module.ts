import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AdministratorSignIn } from './administrator-sign-in.js';
import { ApiKeyAuthentication } from './api-key-authentication.js';
import { Authenticator } from './authenticator.js';
import { PrincipalGuard } from './principal.guard.js';

/** Who is asking, and whether they may. */
@Module({
  providers: [
    AdministratorSignIn,
    ApiKeyAuthentication,
    Authenticator,
    { provide: APP_GUARD, useClass: PrincipalGuard },
  ],
  exports: [Authenticator],
})
export class AuthModule {}
