import { applyDecorators, Header } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import type { NextFunction, Request, Response } from 'express';
import type { DomainError } from '../domain-error.js';
import { httpErrors } from './http.errors.js';

/*
 * Versions of resources over HTTP (RFC 9110, 13.1.1): answers carry the version as `ETag`, and a PUT with `If-Match`
 * takes effect only if the header names the stored version. Without the header, a PUT replaces any version.
 */

/** The entity tag of a version. */
export function versionTag(version: number): string {
  return `"${version}"`;
}

/** The condition of an `If-Match` header. */
export interface VersionCondition {
  isMetBy(version: number): boolean;
}

/**
 * Reads an `If-Match` header; `undefined` means that the call has no condition. A weak tag never matches, as the RFC
 * requires, and neither does a tag in a different form.
 */
export function versionCondition(header: string | undefined): VersionCondition | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const tags = new Set(header.split(',').map((tag) => tag.trim()));
  return { isMetBy: (version) => tags.has(versionTag(version)) };
}

/** @throws DomainError 412 `precondition_failed` unless the stored version meets the condition */
export function assertMeets(condition: VersionCondition | undefined, version: number): void {
  if (condition === undefined || condition.isMetBy(version)) return;
  throw preconditionFailed(version);
}

function preconditionFailed(version: number): DomainError {
  return httpErrors.precondition_failed(
    `If-Match does not name the stored version, which is ${versionTag(version)}. Nothing was saved. Read the resource again and repeat your change.`,
    { extensions: { currentVersion: version }, headers: { ETag: versionTag(version) } },
  );
}

const LONGEST_WAIT_SECONDS = 60;

/**
 * The seconds of `Prefer: wait=N` (RFC 7240), at most 60; `null` without the preference. One that is not a number from 1
 * on is ignored, as the RFC says.
 */
export function preferredWait(header: string | string[] | undefined): number | null {
  for (const preference of String(header ?? '').split(',')) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;|$)/i.exec(preference) ?? [];
    if (seconds !== undefined && Number(seconds) > 0) return Math.min(Number(seconds), LONGEST_WAIT_SECONDS);
  }
  return null;
}

/*
 * What caches may keep (RFC 9111).
 */

/** Answers with data of the installation. Pages, assets and the documentation state their own rules. */
const WITH_DATA = /^\/(API|queues|metrics|health)(\/|$)/i;

/** Middleware: no cache keeps an answer with data, unless its route says otherwise. */
export function cachingDefaults({ path }: Request, response: Response, next: NextFunction): void {
  if (WITH_DATA.test(path)) response.setHeader('Cache-Control', 'no-store');
  next();
}

/**
 * The caller may keep the answer, but asks each time whether it is still true. Express computes the `ETag` from the
 * answer, and answers 304 to a caller that has the same one.
 */
export const Revalidated = () =>
  applyDecorators(
    Header('Cache-Control', 'private, no-cache'),
    ApiHeader({ name: 'If-None-Match', required: false, description: 'The ETag of an earlier answer' }),
    ApiResponse({ status: 304, description: 'The answer with this ETag is still true' }),
  );
