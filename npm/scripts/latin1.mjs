import { brotliCompressSync, constants } from 'node:zlib';

/**
 * Bytes as the source text of a JavaScript string: one character of U+0000 to U+00FF for each byte.
 *
 * In a UTF-8 file that costs two bytes for each byte above 0x7F and one for the others, which compresses to
 * nearly the size of the compressed bytes; base64 does not, because it hides where bytes begin.
 *
 * Escaped is only what cannot stand in a string literal, and NUL, which an HTML parser would replace if the script were
 * inlined in a page. So would it end at `</script` or go astray at `<!--`.
 */
export function toLatin1Literal(bytes) {
  let text = '';
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    const next = bytes[index + 1];
    if (byte === 0) text += next >= 0x30 && next <= 0x39 ? '\\x00' : '\\0';
    else if (byte === 0x0a) text += '\\n';
    else if (byte === 0x0d) text += '\\r';
    else if (byte === 0x22) text += '\\"';
    else if (byte === 0x5c) text += '\\\\';
    else if (byte === 0x3c && (next === 0x2f || next === 0x21)) text += '\\x3c';
    else text += String.fromCharCode(byte);
  }
  return `"${text}"`;
}

/**
 * What to add to each byte, modulo 256, before it is written as a literal: the number with which the literal
 * compresses best. It moves the frequent bytes away from the ones that need an escape or two bytes of UTF-8, and is
 * worth 2 % of the download.
 *
 * The candidates are sorted out with a quick compression, and the last eight of them with the best one.
 */
export function bestShift(bytes) {
  const size = (quality) => (shift) =>
    brotliCompressSync(Buffer.from(toLatin1Literal(shifted(bytes, shift)), 'utf8'), {
      params: { [constants.BROTLI_PARAM_QUALITY]: quality },
    }).length;
  const sorted = (shifts, quality) => {
    const sizes = new Map(shifts.map((shift) => [shift, size(quality)(shift)]));
    return shifts.sort((a, b) => sizes.get(a) - sizes.get(b));
  };
  const candidates = sorted([...Array(256).keys()], 9).slice(0, 8);
  return sorted(candidates, 11)[0];
}

export const shifted = (bytes, shift) => Uint8Array.from(bytes, (byte) => byte + shift);
