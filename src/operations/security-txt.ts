import { Controller, Get, Header, Module } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { PublicRoute } from '../auth/access.js';
import { AppConfig } from '../platform/config/config.js';
import { httpErrors } from '../platform/http/http.errors.js';

const VALID_DAYS = 180;

/** Tells researchers where to report a vulnerability of this installation (RFC 9116). */
@ApiExcludeController()
@Controller('.well-known')
class SecurityTxtController {
  constructor(private readonly config: AppConfig) {}

  /** Its values expire, so that an abandoned installation does not promise a contact; each answer renews the date. */
  @Get('security.txt')
  @PublicRoute()
  @Header('Content-Type', 'text/plain; charset=utf-8')
  securityTxt(): string {
    const { securityContact, publicUrl } = this.config;
    if (securityContact === undefined) {
      throw httpErrors.not_found('This installation names no security contact (SECURITY_CONTACT).');
    }
    const expires = new Date(Date.now() + VALID_DAYS * 24 * 3600_000).toISOString();
    const lines = [
      `Contact: ${securityContact}`,
      `Expires: ${expires}`,
      'Preferred-Languages: en',
      `Canonical: ${publicUrl}/.well-known/security.txt`,
    ];
    return `${lines.join('\n')}\n`;
  }
}

/** For processes with an API. */
@Module({ controllers: [SecurityTxtController] })
export class SecurityTxtModule {}
