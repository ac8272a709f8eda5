import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { toLatin1Literal } from '../scripts/latin1.mjs';

const decode = (literal) => Uint8Array.from(new Function(`return ${literal}`)(), (character) => character.charCodeAt(0));

test('every byte comes back, before and after every other', () => {
  const pairs = new Uint8Array(256 * 256 * 2);
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) pairs.set([first, second], (first * 256 + second) * 2);
  }
  const literal = toLatin1Literal(pairs);
  // Through a file and back: what a server sends is UTF-8.
  assert.deepEqual(decode(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(literal, 'utf8'))), pairs);
});

test('nothing in the literal ends an inline script', () => {
  const literal = toLatin1Literal(Buffer.from('</script><!-- \0'));
  assert.ok(!/<\/|<!|\0/.test(literal), literal);
  assert.equal(Buffer.from(decode(literal)).toString(), '</script><!-- \0');
});

for (const file of ['index.js', 'index.cjs']) {
  test(`dist/${file} is valid UTF-8 without NUL or CR`, () => {
    const bytes = readFileSync(new URL(`../dist/${file}`, import.meta.url));
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    assert.ok(!text.includes('\0'));
    assert.ok(!text.includes('\r'));
  });
}
