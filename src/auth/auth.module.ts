import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApiKeyAuthentication } from './api-key-authentication.js';
import { Authenticator } from './authenticator.js';
import { PrincipalGuard } from './principal.guard.js';
import { SessionsService } from './sessions/sessions.service.js';

/** Who is asking, and whether they may. */
@Module({
  providers: [
    ApiKeyAuthentication,
    Authenticator,
    SessionsService,
    { provide: APP_GUARD, useClass: PrincipalGuard },
  ],
  exports: [Authenticator, SessionsService],
})
export class AuthModule {}
