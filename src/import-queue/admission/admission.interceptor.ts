import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Response } from 'express';
import { defer, finalize, from, switchMap, type Observable } from 'rxjs';
import type { AuthenticatedRequest } from '../../auth/current-principal.decorator.js';
import { rateLimitHeaders } from '../../common/rate-limiter.js';
import { AdmissionService } from './admission.service.js';

/** `@UseInterceptors(AdmissionInterceptor)` on every route that receives a body to make a batch of. */
@Injectable()
export class AdmissionInterceptor implements NestInterceptor {
  constructor(private readonly admission: AdmissionService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const { principal } = http.getRequest<AuthenticatedRequest>();
    const response = http.getResponse<Response>();
    return defer(() => {
      const rate = principal ? this.admission.rate(principal) : null;
      if (rate !== null) response.set(rateLimitHeaders(rate));
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      return from(this.admission.enter(gone.signal)).pipe(
        switchMap(() => next.handle().pipe(finalize(() => this.admission.gate.leave()))),
      );
    });
  }
}
