import type { Response } from 'express';

/** What a form did: where to go on, or the page that says why not. */
export type FormAnswer = { path: string } | { status: number; html: string };

/** After a write the browser goes on by GET, so that a reload does not send the form again. */
export function sendFormAnswer(response: Response, answer: FormAnswer): void {
  response.set('Cache-Control', 'no-store');
  if ('path' in answer) response.redirect(303, answer.path);
  else response.status(answer.status).type('html').send(answer.html);
}
