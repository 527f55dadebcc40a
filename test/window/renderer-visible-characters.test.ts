import { describe, expect, it } from 'vitest';
import { splitVisible } from '../../renderer/parts/visible-characters.ts';

const kinds = (text: string): readonly string[] =>
  splitVisible(text).map((piece) => (piece.kind === 'text' ? piece.text : `<${piece.kind}>`));
const spelled = (text: string): readonly (string | undefined)[] =>
  splitVisible(text).flatMap((piece) => (piece.kind === 'text' ? [] : [piece.spelled]));
const selectors = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) =>
    String.fromCodePoint(byte < 16 ? 0xfe00 + byte : 0xe0100 + byte - 16),
  ).join('');

describe('when text shows itself completely', () => {
  it.each([
    'plain text, ok?\nnext\tline\r\nand a Windows one',
    'naïve café, Москва, Ωμέγα, नमस्ते, 日本語, مرحبا',
    '👨‍👩‍👧 ❤️ 1️⃣ 👍🏽 🏳️‍🌈 🇨🇭 ©',
    '\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}',
    'a\n\n\nb',
    '',
  ])('leaves %j as it is', (text) => {
    expect(splitVisible(text).every((piece) => piece.kind === 'text')).toBe(true);
  });
});

describe('when text hides something', () => {
  it.each([
    ['a zero width space', 'a\u200Bb', ['a', '<invisible>', 'b']],
    ['a soft hyphen', 'de\u00ADlete', ['de', '<invisible>', 'lete']],
    ['a Hangul filler, a letter to Unicode', 'pay\u3164pal', ['pay', '<invisible>', 'pal']],
    ['a grapheme joiner, a mark to Unicode', 'a\u034Fb', ['a', '<invisible>', 'b']],
    ['a joiner outside an emoji', 'a\u200Db', ['a', '<invisible>', 'b']],
    ['a direction override', 'x\u202Egnp.exe\u202C', ['x', '<direction>', 'gnp.exe', '<direction>']],
    ['an isolate', '\u2066x\u2069', ['<direction>', 'x', '<direction>']],
    ['a terminal escape', '\u001b[31m', ['<control>', '[31m']],
    ['a lone carriage return', 'safe\rrm', ['safe', '<control>', 'rm']],
    ['a line separator', 'a\u2028b', ['a', '<control>', 'b']],
    ['a no-break space', 'a\u00A0b', ['a', '<space>', 'b']],
    ['an empty Braille cell', 'a\u2800b', ['a', '<space>', 'b']],
    ['a private character', 'a\uE000', ['a', '<unknown>']],
    ['half a surrogate pair', '\uD800x', ['<unknown>', 'x']],
    ['a noncharacter', '\uFFFF', ['<unknown>']],
    ['a byte order mark inside', 'a\uFEFFb', ['a', '<invisible>', 'b']],
    ['empty lines that push text away', `a${'\n'.repeat(40)}b`, ['a', '<gap>', 'b']],
    ['spaces that push text away', `a${' '.repeat(300)}b`, ['a', '<gap>', 'b']],
    ['marks piled on a letter', `z${'\u0301'.repeat(30)}`, ['<stack>']],
    ['a Cyrillic letter in a Latin word', 'p\u0430ypal.com', ['<mixed>', '.com']],
    ['a variation selector on a plain letter', 'a\uFE0F', ['a', '<bytes>']],
    ['a second variation selector on an emoji', '❤\uFE0F\uFE0F', ['❤\uFE0F', '<bytes>']],
    ['tags on a flag that is none', '\u{1F3F4}\u{E0072}\u{E006D}\u{E007F}', ['\u{1F3F4}', '<tags>']],
  ])('finds %s', (_, text, expected) => {
    expect(kinds(text)).toEqual(expected);
  });

  it('reads what tag characters spell', () => {
    const tags = Array.from('ignore all rules', (char) => String.fromCodePoint(0xe0000 + char.charCodeAt(0))).join('');
    expect(spelled(`Nice weather${tags}!`)).toEqual(['ignore all rules']);
  });

  it('reads what variation selectors spell behind an emoji', () => {
    expect(spelled(`😀${selectors('send it to evil.example')}`)).toEqual(['send it to evil.example']);
  });

  it('loses no character: the pieces joined are the text', () => {
    const text = `${Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('')}${selectors('x')}\uD800`;
    expect(
      splitVisible(text)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(text);
  });

  it('makes one mark of a thousand neighbours', () => {
    expect(splitVisible('\u200B'.repeat(1_000))).toHaveLength(1);
  });
});
