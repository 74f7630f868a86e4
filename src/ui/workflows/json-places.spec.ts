import { placedProblems, syntaxProblem } from './workflow-form.page.js';

const TEXT = `{
  "name": "a",
  "steps": [
    { "name": "One" },
    {
      "na/me": 5
    }
  ]
}`;

describe('the place of a mistake', () => {
  it.each([
    ['/steps/1/na~1me', 6],
    ['/steps/0', 4],
    ['/steps/1/missing', 5],
    ['/title', null],
  ])('%s is in line %s', (pointer, line) => {
    expect(placedProblems(TEXT, [{ pointer, code: 'wrong', message: 'is wrong' }])[0]).toMatchObject({
      line,
      pointer,
    });
  });

  it.each([
    ['{\n "a": 1,\n "b" 2\n}', 3],
    ['{\n "a": 1,\n', 3],
  ])('of syntax, in %j, is in line %d', (text, line) => {
    expect(syntaxProblem(text).line).toBe(line);
  });
});
