import { defineErrors, type DomainError } from '../platform/errors.js';
import { httpErrors } from '../platform/http/http.errors.js';

const errors = defineErrors({
  mail_not_found: { status: 404, title: 'Mail not found' },
  webhook_endpoint_not_found: { status: 404, title: 'The webhook endpoint does not exist' },
  webhook_delivery_not_found: { status: 404, title: 'The webhook delivery does not exist' },
  webhook_endpoint_disabled: { status: 409, title: 'The webhook endpoint is disabled' },
  too_many_webhook_endpoints: { status: 409, title: 'There are too many webhook endpoints' },
});

export function mailNotFound(id: string): DomainError {
  return errors.mail_not_found(`Mail ${id} does not exist.`);
}

export function mailIsBeingSent(id: number): DomainError {
  return httpErrors.state_conflict(
    `Mail ${id} is being sent at this moment. Look at it again later, and resend it if that is still needed.`,
    { extensions: { currentStatus: 'sending' } },
  );
}

export function webhookEndpointNotFound(id: string | number): DomainError {
  return errors.webhook_endpoint_not_found(
    `Webhook endpoint ${id} does not exist. GET /API/WebhookEndpoints lists the existing ones.`,
  );
}

export function webhookDeliveryNotFound(id: string | number): DomainError {
  return errors.webhook_delivery_not_found(
    `Delivery ${id} does not exist at this endpoint, or was deleted with its batch.`,
  );
}

export function webhookEndpointDisabled(id: number): DomainError {
  return errors.webhook_endpoint_disabled(
    `Webhook endpoint ${id} is disabled, so nothing is sent to it. Set its status to "active" first.`,
  );
}

export function tooManyWebhookEndpoints(limit: number): DomainError {
  return errors.too_many_webhook_endpoints(
    `There are ${limit} webhook endpoints, the most that an installation may have. Delete one first.`,
    { limit },
  );
}

export function webhookIsBeingSent(id: number): DomainError {
  return httpErrors.state_conflict(
    `Delivery ${id} is being sent at this moment. Look at it again later, and resend it if that is still needed.`,
    { extensions: { currentStatus: 'sending' } },
  );
}
