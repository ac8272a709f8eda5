import { Link } from 'react-router';

/** For addresses that lead nowhere. */
export function NotFound() {
  return (
    <section className="hero">
      <title>Not found · authtool demo</title>
      <h1>There is no such page.</h1>
      <p className="lead">The address may be mistyped, or out of date.</p>
      <Link className="button primary" to="/">
        To the start
      </Link>
    </section>
  );
}
