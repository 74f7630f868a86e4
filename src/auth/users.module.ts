import { Module } from '@nestjs/common';
import { AccountService } from './account.service.js';
import { AuthModule } from './auth.module.js';
import { SignIn } from './sign-in.js';
import { FirstAdministrator } from './users/first-administrator.js';
import { UsersService } from './users/users.service.js';

/** People and their sign-in. Only where calls are answered: nobody signs in at a worker. */
@Module({
  imports: [AuthModule],
  providers: [AccountService, FirstAdministrator, SignIn, UsersService],
  exports: [AccountService, AuthModule, SignIn, UsersService],
})
export class UsersModule {}
