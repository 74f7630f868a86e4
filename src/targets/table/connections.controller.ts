import { Controller, Get, Header, Module, Param } from '@nestjs/common';
import {
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiServiceUnavailableResponse,
  ApiTags,
} from '@nestjs/swagger';
import { RequirePermission } from '../../auth/access.js';
import {
  arrayOf,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  type Schema,
  TEXT,
  YES_OR_NO,
} from '../../platform/http/answer-schemas.js';
import { TargetsModule } from '../targets.module.js';
import {
  TableCatalog,
  type OfferedColumn,
  type DescribedConnection,
  type DescribedTable,
} from './table-catalog.js';
import type { TableName, UniqueShape } from './table-shape.js';

/** The responses of the routes about tables. */
export const TABLE_SCHEMAS: Readonly<Record<string, Schema>> = {
  ConnectionList: itemsOf(objectOf<DescribedConnection>({ name: TEXT, schemas: arrayOf(TEXT) })),
  TableList: itemsOf(objectOf<TableName>({ schema: TEXT, table: TEXT })),
  Table: objectOf<DescribedTable>({
    connection: TEXT,
    schema: TEXT,
    table: TEXT,
    columns: arrayOf(
      objectOf<OfferedColumn>({
        name: TEXT,
        type: says('As SQL writes it.', TEXT),
        required: says('Every new row needs a value.', YES_OR_NO),
        writable: says('False: the database generates it, or its type is not supported.', YES_OR_NO),
        options: says('Of an enum.', orNull(arrayOf(TEXT))),
      }),
    ),
    keys: arrayOf(objectOf<UniqueShape>({ name: TEXT, columns: arrayOf(TEXT), isPrimary: YES_OR_NO })),
    proposedKey: says('The likeliest key.', orNull(arrayOf(TEXT))),
  }),
};

@ApiTags('Connections')
@Controller('API/WorkflowImportQueue/Connections')
@RequirePermission('Configure')
class ConnectionsController {
  constructor(private readonly catalog: TableCatalog) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'List the databases whose tables imports may fill' })
  @ApiOkResponse({ description: 'The connections, by name', schema: refTo('ConnectionList') })
  list(): { items: DescribedConnection[] } {
    return { items: this.catalog.list() };
  }

  @Get(':name/Tables')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'List the tables that imports may fill' })
  @ApiOkResponse({ description: 'The tables, at most 2,000', schema: refTo('TableList') })
  @ApiNotFoundResponse({ description: 'connection_not_found' })
  @ApiServiceUnavailableResponse({ description: 'connection_unusable' })
  async tables(@Param('name') name: string): Promise<{ items: TableName[] }> {
    return { items: await this.catalog.tables(name) };
  }

  @Get(':name/Tables/:schema/:table')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Read the columns of a table and the constraints that can be keys' })
  @ApiOkResponse({ description: 'The table', schema: refTo('Table') })
  @ApiNotFoundResponse({ description: 'connection_not_found, table_not_found' })
  @ApiServiceUnavailableResponse({ description: 'connection_unusable' })
  table(
    @Param('name') name: string,
    @Param('schema') schema: string,
    @Param('table') table: string,
  ): Promise<DescribedTable> {
    return this.catalog.table(name, { schema, table });
  }
}

/** The routes about tables; for processes with an API. */
@Module({
  imports: [TargetsModule],
  controllers: [ConnectionsController],
  providers: [TableCatalog],
  exports: [TableCatalog],
})
export class ConnectionsModule {}
