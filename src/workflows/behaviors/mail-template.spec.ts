import { mailTemplate, renderMail } from './template.js';

const values: Record<string, string> = {
  'First Name': 'Ada <script>alert(1)</script> & "Co"',
  Notes: 'one\ntwo',
};
const rendered = (template: string) => renderMail(mailTemplate('Hi', template), (name) => values[name] ?? '');

describe('a mail', () => {
  it('is text, exactly as written, where the template has no element', () => {
    expect(rendered('Dear {{First Name}},\n3 < 4 & so on')).toEqual({
      subject: 'Hi',
      text: 'Dear Ada <script>alert(1)</script> & "Co",\n3 < 4 & so on',
      html: null,
    });
  });

  it('is HTML where the template has elements, and no value adds another', () => {
    expect(rendered('<p title="{{First Name}}">Dear <b>{{First Name}}</b>,</p>').html).toBe(
      '<p title="Ada &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Co&quot;">' +
        'Dear <b>Ada &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Co&quot;</b>,</p>',
    );
  });

  it('keeps the lines of a value', () => {
    expect(rendered('<p>{{Notes}}</p>')).toMatchObject({ html: '<p>one<br>\ntwo</p>', text: 'one\ntwo' });
  });

  it('is text as well, without the elements of the template but with all of each value', () => {
    expect(rendered('<p>Dear&nbsp;<b>{{First Name}}</b> &amp; all,</p><p>welcome<br>here</p>').text).toBe(
      'Dear Ada <script>alert(1)</script> & "Co" & all,\nwelcome\nhere',
    );
  });
});
