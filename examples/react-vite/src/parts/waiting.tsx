/** Shown for the moment in which it is not known yet whether somebody is logged in. */
export function Waiting() {
  return (
    <section className="waiting" aria-busy="true">
      <h1 className="visually-hidden">Looking for your session</h1>
      <div className="bone wide" />
      <div className="bone" />
      <div className="bone button-sized" />
    </section>
  );
}
