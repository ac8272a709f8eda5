/** Shown instead of the whole app when it has a defect. */
export function Trouble() {
  return (
    <main>
      <section className="hero" role="alert">
        <title>Something broke · authtool demo</title>
        <h1>Something broke.</h1>
        <p className="lead">It is a defect of this page, not something you did. Your session is untouched.</p>
        <a className="button primary" href="/">
          Start again
        </a>
      </section>
    </main>
  );
}
