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
  ApiRequestTimeoutResponse,
  ApiServiceUnavailableResponse,
  ApiTooManyRequestsResponse,
  ApiUnprocessableEntityResponse,
  ApiUnsupportedMediaTypeResponse,
} from '@nestjs/swagger';
import { LOCATION, refTo, REPLAYED } from '../platform/http/answer-schemas.js';

const EXAMPLE = [
  '{":UniqueId":"M-1001",":Email":"ann@example.org","First Name":"Ann","Level":"Fellow"}',
  '{":UniqueId":"M-1002",":Email":"bob@example.org","First Name":"Bob","Level":"Associate"}',
].join('\n');

/** Documents CreateBatch in /docs, so that users can try it there. Its DTO describes the parameters. */
export const CreateBatchDocs = () =>
  applyDecorators(
    ApiOperation({
      summary: 'Start a batch: one JSON object per line',
      description:
        'Streams JSON Lines. Each line becomes a record, is checked, queued and processed in the background. ' +
        'Answers 202 once every line is durable; a body with a malformed line is refused as a whole and nothing is stored. ' +
        'With `Upload-Complete: ?0` the body arrives in several requests: the answer is 201, and `Location` is where it continues.',
    }),
    // Text comes first, because Swagger UI shows and sends it as it is, and generated clients do, too. A type with "json"
    // in its name would make both quote the lines as one JSON string.
    ApiConsumes('text/plain', 'application/x-ndjson'),
    ApiBody({
      required: true,
      description:
        'JSON Lines, sent as a stream of bytes. `application/jsonl`, `application/json` and other types that clients send by themselves are accepted, too.',
      schema: { type: 'string', format: 'binary', example: EXAMPLE },
    }),
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
      description: 'Invalid parameters, an empty body, or malformed lines (named by line and column).',
    }),
    ApiConflictResponse({ description: 'import_process_disabled, idempotency_key_in_use' }),
    ApiUnprocessableEntityResponse({
      description: 'idempotency_key_reused: with other parameters or another body',
    }),
    ApiUnsupportedMediaTypeResponse({
      description: 'The Content-Type or the Content-Encoding is not supported.',
    }),
    IntakeRefusals(),
  );

/** Documents Uploads in /docs, so that users can try it there. Its DTO describes the parameters. */
export const UploadDocs = () =>
  applyDecorators(
    ApiOperation({
      summary: 'Upload a CSV or JSON Lines file, to be confirmed',
      description:
        'The content decides whether the file is CSV or JSON Lines, and the encoding and delimiter of CSV; the answer says how the file was read. ' +
        'The batch awaits confirmation: nothing is processed until `POST …/Batches/{id}/Confirm`. ' +
        'With `Upload-Complete: ?0` the form arrives in several requests, as for CreateBatch. ' +
        'In a file that was downloaded here (results of a batch, instances of a workflow), the columns `_line`, `_error`, `_id`, `_status`, ' +
        '`_step`, `_createdAt` and `_updatedAt` are ignored, neutralized formulas are restored, and a cell with nothing in it, ' +
        'not even quotes, leaves the value as it is.',
    }),
    ApiConsumes('multipart/form-data'),
    ApiBody({
      schema: {
        type: 'object',
        required: ['file'],
        properties: {
          mapping: {
            type: 'string',
            description: 'JSON object from headers of the file to columns of a row, or to null.',
            example: '{}',
          },
          file: { type: 'string', format: 'binary' },
        },
      },
    }),
    ApiAcceptedResponse({
      description: 'Every record is durable; the batch awaits confirmation.',
      schema: refTo('Batch'),
      headers: LOCATION,
    }),
    ApiBadRequestResponse({
      description:
        'Invalid parameters, no file, no record, or an unreadable file: malformed_csv, malformed_json_lines, duplicate_columns, undecodable_text.',
    }),
    ApiConflictResponse({ description: 'import_process_disabled' }),
    ApiUnsupportedMediaTypeResponse({
      description: 'The body is not multipart or is compressed, or the file is a spreadsheet or not text.',
    }),
    IntakeRefusals(),
  );

/** The refusals that all routes with a streamed body share. */
const IntakeRefusals = () =>
  applyDecorators(
    ApiNotFoundResponse({ description: 'import_process_not_found' }),
    ApiRequestTimeoutResponse({ description: 'body_too_slow' }),
    ApiPayloadTooLargeResponse({ description: 'The request exceeds a limit, which the answer names.' }),
    ApiTooManyRequestsResponse({
      description: 'rate_limit_exceeded; RateLimit, RateLimit-Policy, Retry-After',
    }),
    ApiServiceUnavailableResponse({
      description:
        'too_many_uploads, too_many_waiting_batches, database_unavailable; try again after Retry-After',
    }),
  );
