import { Body, Controller, Get, Header, HttpCode, Module, Post, Query } from '@nestjs/common';
import { ApiBadRequestResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import { AuthModule } from '../auth/auth.module.js';
import type { Principal } from '../auth/principal.js';
import { refTo } from '../platform/http/answer-schemas.js';
import {
  ErasePersonDto,
  type ErasureReport,
  PeopleService,
  personIdentifier,
  SearchPeopleDto,
} from './people.service.js';

@ApiTags('People')
@Controller('API/People')
@RequirePermission('Administer')
class PeopleController {
  constructor(private readonly people: PeopleService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Find a person over all workflows, records, mails and logs',
    description: 'Reads every record, so it takes a while in a large installation.',
  })
  @ApiOkResponse({ description: 'The rows found, by table', schema: refTo('ErasureReport') })
  @ApiBadRequestResponse({ description: 'unknown_parameter, repeated_parameter, invalid_parameter' })
  search(
    @Query() { identifier }: SearchPeopleDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<ErasureReport> {
    return this.people.search(personIdentifier(identifier), principal);
  }

  @Post('Erase')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Erase or anonymize a person' })
  @ApiOkResponse({ description: 'What was found and changed, by table', schema: refTo('ErasureReport') })
  @ApiBadRequestResponse({ description: 'invalid_body' })
  erase(
    @Body() { identifier, mode, dryRun }: ErasePersonDto,
    @CurrentPrincipal() principal: Principal,
  ): Promise<ErasureReport> {
    return dryRun === true
      ? this.people.search(identifier, principal)
      : this.people.erase(identifier, mode, principal);
  }
}

/** Finds and erases people; for processes with an API. */
@Module({
  imports: [AuthModule],
  controllers: [PeopleController],
  providers: [PeopleService],
  exports: [PeopleService],
})
export class PeopleModule {}
