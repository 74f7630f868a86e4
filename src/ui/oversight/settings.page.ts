import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../auth/audit-trail.js';
import { OverviewService } from '../../import-queue/overview.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { formatNumber } from '../../platform/wording.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { bytesText } from './overview.page.js';

/** URLs with a password: only the place is shown. */
const URLS: ReadonlySet<keyof AppConfig> = new Set([
  'databaseUrl',
  'auditDatabaseUrl',
  'redisUrl',
  'smtpUrl',
]);
/** Whether they are set is all that is shown. */
const SECRETS: ReadonlySet<keyof AppConfig> = new Set([
  'bootstrapApiKey',
  'bootstrapAdminPassword',
  'sessionSecret',
  'secretKeys',
]);
const UNLIMITED_AT_ZERO = /^(retentionDays|auditRetentionDays|unconfirmedHours)$/;

/** The configuration of this process, and the state of the installation. */
@Injectable()
export class SettingsPage {
  constructor(
    private readonly config: AppConfig,
    private readonly overview: OverviewService,
    private readonly trail: AuditTrail,
    private readonly pages: PageRenderer,
  ) {}

  async render(): Promise<string> {
    const { program, database } = await this.overview.installation();
    const { items } = await this.trail.page({ action: 'doctor_ran', limit: 1, format: 'json' });
    return this.pages.render('oversight/settings', {
      title: text('settings.title'),
      section: 'settings',
      facts: [
        { name: text('settings.version'), value: program },
        { name: 'Node.js', value: process.versions.node },
        { name: 'PostgreSQL', value: database.version },
        { name: text('settings.migration'), value: database.lastMigration },
        { name: text('settings.databaseSize'), value: bytesText(database.bytes) },
      ],
      retention: (
        ['retentionDays', 'unconfirmedHours', 'auditRetentionDays', 'idempotencyKeyHours'] as const
      ).map((name) => ({ name: text(`settings.retention.${name}`), value: this.periodText(name) })),
      doctor: items.map(({ at, details }) => doctorView(at, details))[0],
      variables: Object.keys(this.config)
        .filter((name) => name !== 'faultPoints')
        .map((name) => this.variable(name as keyof AppConfig))
        .sort((a, b) => a.name.localeCompare(b.name, 'en')),
    });
  }

  private periodText(
    name: 'retentionDays' | 'unconfirmedHours' | 'auditRetentionDays' | 'idempotencyKeyHours',
  ) {
    const count = this.config[name];
    if (count === 0 && UNLIMITED_AT_ZERO.test(name)) return text('settings.unlimited');
    return text(name.endsWith('Days') ? 'settings.days' : 'settings.hours', { count });
  }

  private variable(name: keyof AppConfig): { name: string; value: string } {
    return { name: variableName(name), value: shown(name, this.config[name]) };
  }
}

/** `databaseUrl` as DATABASE_URL. */
const variableName = (name: string) => name.replace(/[A-Z]/g, '_$&').toUpperCase();

function shown(name: keyof AppConfig, value: AppConfig[keyof AppConfig]): string {
  if (value === undefined) return text('settings.unset');
  if (SECRETS.has(name)) {
    return text(Array.isArray(value) && value.length === 0 ? 'settings.unset' : 'settings.secret');
  }
  if (typeof value === 'string') return URLS.has(name) ? withoutCredentials(value) : value;
  if (typeof value === 'number') return formatNumber(value);
  if (typeof value === 'boolean') return String(value);
  if (value instanceof Map) return [...(value as ReadonlyMap<string, unknown>).keys()].join(', ');
  if (Array.isArray(value)) return value.length === 0 ? text('common.none') : value.map(String).join(', ');
  return 'issuer' in value ? value.issuer : text('settings.secret');
}

/** What stands between the scheme and the last @ are credentials, and a query may hold some, too. */
function withoutCredentials(url: string): string {
  return url.replace(/:\/\/.*@/s, '://').replace(/\?.*$/s, '');
}

function doctorView(at: string, details: Readonly<Record<string, unknown>>) {
  const violated = Array.isArray(details['violated']) ? details['violated'].map(String) : [];
  const examined = Number(details['examined'] ?? 0);
  return {
    at,
    isWell: violated.length === 0,
    text:
      violated.length === 0
        ? text('settings.doctor.well', { count: examined })
        : text('settings.doctor.violated', { count: violated.length }),
    violated,
  };
}
