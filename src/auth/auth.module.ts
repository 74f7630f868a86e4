import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PrincipalGuard, RefusalLog } from './access.js';
import { AccountLinks } from './account-links.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysService } from './api-keys.service.js';
import { AuditKeeper, AuditTrail } from './audit-trail.js';
import { AuditController } from './audit.controller.js';
import { ApiKeyAuthentication, Authenticator, CreatorNames } from './authenticator.js';
import { BootstrapKey, FirstAdministrator } from './bootstrap.js';
import { IdempotencyInterceptor, IdempotencyService } from './idempotency.js';
import { IdentityProvider } from './identity-provider.js';
import { SessionsService } from './sessions.service.js';
import { SignInThrottle } from './sign-in-throttle.js';
import { OidcSignIn, Reauthentication, SignIn } from './sign-in.js';
import { AccountService, UsersService } from './users.service.js';

/** Authentication and permissions. */
@Module({
  providers: [
    ApiKeyAuthentication,
    AuditKeeper,
    Authenticator,
    CreatorNames,
    IdempotencyInterceptor,
    IdempotencyService,
    RefusalLog,
    SessionsService,
    { provide: APP_GUARD, useClass: PrincipalGuard },
  ],
  exports: [
    AuditKeeper,
    Authenticator,
    CreatorNames,
    IdempotencyInterceptor,
    IdempotencyService,
    RefusalLog,
    SessionsService,
  ],
})
export class AuthModule {}

/** Users and their sign-in. Only in processes with an API: no one signs in at a worker. */
@Module({
  imports: [AuthModule],
  providers: [
    AccountLinks,
    AccountService,
    FirstAdministrator,
    IdentityProvider,
    OidcSignIn,
    Reauthentication,
    SignIn,
    SignInThrottle,
    UsersService,
  ],
  exports: [
    AccountLinks,
    AccountService,
    AuthModule,
    IdentityProvider,
    OidcSignIn,
    Reauthentication,
    SignIn,
    UsersService,
  ],
})
export class UsersModule {}

/** Administration of keys. Only in processes with an API: a worker without the variable must not revoke the bootstrap key. */
@Module({
  imports: [UsersModule],
  controllers: [ApiKeysController],
  providers: [ApiKeysService, BootstrapKey],
  exports: [ApiKeysService],
})
export class ApiKeysModule {}

/** Reads the audit log, which every process writes. */
@Module({
  imports: [AuthModule],
  controllers: [AuditController],
  providers: [AuditTrail],
  exports: [AuditTrail],
})
export class AuditModule {}
