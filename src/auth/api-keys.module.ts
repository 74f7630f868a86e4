import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysService } from './api-keys.service.js';
import { BootstrapKey } from './bootstrap-key.js';
import { ApiKeyEntity } from './entities/api-key.entity.js';

/** Administration of keys. Only where calls are answered: a worker without the variable must not retire its key. */
@Module({
  imports: [TypeOrmModule.forFeature([ApiKeyEntity])],
  controllers: [ApiKeysController],
  providers: [ApiKeysService, BootstrapKey],
})
export class ApiKeysModule {}
