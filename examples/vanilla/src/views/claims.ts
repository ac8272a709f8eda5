import { element } from '../element.ts';

/** Names and values, the values as text whatever they contain. */
export function claimsTable(claims: Readonly<Record<string, unknown>>, label: string): HTMLElement {
  const rows = Object.entries(claims).map(([name, value]) =>
    element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, readable(name, value))),
  );
  return element('table', { class: 'claims', 'aria-label': label }, element('tbody', {}, ...rows));
}

const TIMES = new Set(['exp', 'iat', 'nbf', 'auth_time']);

function readable(name: string, value: unknown): string {
  if (typeof value === 'number' && TIMES.has(name)) return new Date(value * 1000).toLocaleString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}
