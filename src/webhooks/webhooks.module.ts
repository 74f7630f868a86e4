import { Module } from '@nestjs/common';
import { WebhookClient } from './webhook-client.js';

@Module({ providers: [WebhookClient], exports: [WebhookClient] })
export class WebhooksModule {}
