// Command-line options, each with an environment variable as its fallback, so that a test can keep a
// secret out of the process list.
import { parseArgs } from 'node:util';

/**
 * Parses `process.argv` by `definitions` (the shape of `parseArgs`); an option that is absent there is
 * taken from `${prefix}_OPTION_NAME`. Ends the process with a usage line when an option is unknown.
 */
export function readOptions(prefix, definitions) {
  let values;
  try {
    ({ values } = parseArgs({ options: definitions, strict: true }));
  } catch (error) {
    const names = Object.keys(definitions).map((name) => `--${name}`);
    console.error(`${error.message}\noptions: ${names.join(' ')}`);
    process.exit(2);
  }
  for (const [name, { type, multiple }] of Object.entries(definitions)) {
    const fallback = process.env[`${prefix}_${name.toUpperCase().replaceAll('-', '_')}`];
    if (values[name] !== undefined || fallback === undefined) continue;
    if (type === 'boolean') values[name] = fallback === 'true' || fallback === '1';
    else values[name] = multiple ? fallback.split(' ').filter(Boolean) : fallback;
  }
  return values;
}

/** A whole number of at least `minimum`, or the end of the process. */
export function wholeNumber(name, text, minimum = 0) {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < minimum) {
    console.error(`--${name} must be a whole number of at least ${minimum}, not "${text}"`);
    process.exit(2);
  }
  return number;
}
