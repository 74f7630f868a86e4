import { Module } from '@nestjs/common';
import { AuthModule } from './auth.module.js';
import { SignIn } from './sign-in.js';
import { FirstAdministrator } from './users/first-administrator.js';

/** People and their sign-in. Only where calls are answered: nobody signs in at a worker. */
@Module({
  imports: [AuthModule],
  providers: [FirstAdministrator, SignIn],
  exports: [AuthModule, SignIn],
})
export class UsersModule {}
