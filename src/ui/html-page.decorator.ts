import { applyDecorators, Header } from '@nestjs/common';

/** What a handler answers is a page: HTML that no cache keeps, since it shows what is so now, to one person. */
export const HtmlPage = () =>
  applyDecorators(Header('Content-Type', 'text/html; charset=utf-8'), Header('Cache-Control', 'no-store'));
