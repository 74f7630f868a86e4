import { Module } from '@nestjs/common';
import { AdmissionInterceptor } from './admission.interceptor.js';
import { AdmissionService } from './admission.service.js';

/** One gate for all routes that receive bodies. */
@Module({
  providers: [AdmissionInterceptor, AdmissionService],
  exports: [AdmissionInterceptor, AdmissionService],
})
export class AdmissionModule {}
