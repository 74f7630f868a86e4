import { Module } from '@nestjs/common';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysService } from './api-keys.service.js';
import { BootstrapKey } from './bootstrap-key.js';

/** Administration of keys. Only where calls are answered: a worker without the variable must not retire its key. */
@Module({
  controllers: [ApiKeysController],
  providers: [ApiKeysService, BootstrapKey],
  exports: [ApiKeysService],
})
export class ApiKeysModule {}
