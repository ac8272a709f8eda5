const TIMES = new Set(['exp', 'iat', 'nbf', 'auth_time']);

/** Names and values, the values as text whatever they contain. */
export function Claims({ of, label }: { of: Readonly<Record<string, unknown>>; label: string }) {
  return (
    <table className="claims" aria-label={label}>
      <tbody>
        {Object.entries(of).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{readable(name, value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function readable(name: string, value: unknown): string {
  if (typeof value === 'number' && TIMES.has(name)) return new Date(value * 1000).toLocaleString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}
