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
