import { applyDecorators } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiConsumes,
  ApiHeader,
  ApiNotFoundResponse,
  ApiOperation,
  ApiPayloadTooLargeResponse,
  ApiQuery,
  ApiRequestTimeoutResponse,
  ApiServiceUnavailableResponse,
  ApiTags,
  ApiTooManyRequestsResponse,
  ApiUnprocessableEntityResponse,
  ApiUnsupportedMediaTypeResponse,
} from '@nestjs/swagger';
import { LOCATION, refTo, REPLAYED } from '../platform/http/answer-schemas.js';
import { ACCEPTED_MEDIA_TYPES } from './intake/intake.errors.js';

const EXAMPLE = [
  '{":UniqueId":"M-1001",":Email":"ann@example.org","First Name":"Ann","Level":"Fellow"}',
  '{":UniqueId":"M-1002",":Email":"bob@example.org","First Name":"Bob","Level":"Associate"}',
].join('\n');

/** What /docs says of CreateBatch, and what makes it possible to try it there. */
export const CreateBatchDocs = () =>
  applyDecorators(
    ApiTags('Import queue'),
    ApiOperation({
      summary: 'Start a batch: one JSON object per line',
      description:
        'Streams JSON Lines in. Each line becomes a record, is checked, queued and processed in the background. ' +
        'Answers 202 once every line is durable; a body with a malformed line is refused whole and nothing is stored.',
    }),
    // The first is what /docs offers. For a type with "json" in its name Swagger UI would show the example as one
    // JSON string in quotes, and send it so.
    ApiConsumes('text/plain', ...ACCEPTED_MEDIA_TYPES.filter((type) => type !== 'text/plain')),
    ApiBody({ required: true, description: 'JSON Lines', schema: { type: 'string', example: EXAMPLE } }),
    ApiQuery({
      name: 'fileName',
      required: true,
      schema: { type: 'string', minLength: 1, maxLength: 255 },
      example: 'members.jsonl',
    }),
    ApiQuery({
      name: 'importProcessId',
      required: true,
      schema: { type: 'integer', minimum: 1 },
      example: 1,
    }),
    ApiQuery({
      name: 'creationPath',
      required: false,
      schema: { type: 'string', pattern: '^[A-Z0-9_]{1,15}$' },
    }),
    ApiQuery({ name: 'sendSuccessEmailTo', required: false, schema: { type: 'string', format: 'email' } }),
    ApiQuery({ name: 'sendFailureEmailTo', required: false, schema: { type: 'string', format: 'email' } }),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'The same key with the same request replays the first answer (`Idempotency-Replayed: true`).',
    }),
    ApiAcceptedResponse({
      description: 'Every line is durable; the batch is queued.',
      schema: refTo('CreatedBatch'),
      headers: { ...LOCATION, ...REPLAYED },
    }),
    ApiBadRequestResponse({
      description: 'Wrong parameters, an empty body, or malformed lines (named by line and column).',
    }),
    ApiNotFoundResponse({ description: 'import_process_not_found' }),
    ApiConflictResponse({ description: 'import_process_disabled, idempotency_key_in_use' }),
    ApiRequestTimeoutResponse({ description: 'body_too_slow' }),
    ApiTooManyRequestsResponse({
      description: 'rate_limit_exceeded; RateLimit, RateLimit-Policy, Retry-After',
    }),
    ApiServiceUnavailableResponse({
      description:
        'too_many_uploads, too_many_waiting_batches, database_unavailable; come back after Retry-After',
    }),
    ApiUnprocessableEntityResponse({
      description: 'idempotency_key_reused: with other parameters or another body',
    }),
    ApiPayloadTooLargeResponse({ description: 'A limit is passed; the answer names it.' }),
    ApiUnsupportedMediaTypeResponse({ description: 'Content-Type or Content-Encoding is not accepted.' }),
  );
