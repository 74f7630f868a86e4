import { refuseLookAlike } from './upload-reader.js';

const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const refused = (bytes: Buffer): string | null => {
  try {
    refuseLookAlike(bytes);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a file that is no table', () => {
  /** Break it: leave out one of the signatures. */
  it.each([
    ['ID;PWXL;N;E\r\nC;Y1;X1;K"Name"\r\nE\r\n', 'a SYLK file (.slk)'],
    ['TABLE\r\n0,1\r\n"EXCEL"\r\n', 'a DIF file'],
    ['MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="x"\r\n', 'a web archive or a mail'],
    ['BEGIN:VCARD\r\nVERSION:3.0\r\n', 'a contact or calendar file'],
    ['BEGIN:VCALENDAR\nVERSION:2.0\n', 'a contact or calendar file'],
  ])('is refused by its name: %j', (text, name) => {
    expect(refused(Buffer.from(text))).toContain(name);
  });

  it.each(['ID;PLZ;Ort\r\n1;10115;Berlin\r\n', 'TABLE;SEATS\n1;4\n', 'Begin,End\n1,2\n'])(
    'is not what only begins alike: %j',
    (text) => {
      expect(refused(Buffer.from(text))).toBeNull();
    },
  );

  /** Break it: in `utf16Without`, look only for text that is mostly Latin. */
  it('is not UTF-16 without a byte order mark, whatever its script', () => {
    const text = 'Имя;Фамилия\r\nЮрий;Иванов\r\nОльга;Петрова\r\n';
    expect(refused(utf16(text))).toBeNull();
    expect(refused(utf16(text).swap16())).toBeNull();
    expect(refused(Buffer.concat([utf16(text), Buffer.from([0, 0, 1, 0, 2, 0])]))).toContain('a binary file');
  });
});
