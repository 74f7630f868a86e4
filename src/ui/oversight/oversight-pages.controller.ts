import { Get, Query } from '@nestjs/common';
import { RequirePermission } from '../../auth/access.js';
import { ListAuditDto } from '../../auth/audit.dto.js';
import { validateQuery } from '../../platform/http/validation.js';
import { PageController } from '../error.page.js';
import { nonBlankFields } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { AuditPage } from './audit.page.js';

/** What administrators look after beside the configuration: the audit log. */
@PageController()
@RequirePermission('Administer')
export class OversightPagesController {
  constructor(private readonly audit: AuditPage) {}

  @Get('audit')
  @HtmlPage()
  showAudit(@Query() query: object): Promise<string> {
    return this.audit.render(validateQuery(ListAuditDto, nonBlankFields(query)));
  }
}
