// Building the page out of elements and text. There is no way to pass markup: whatever a claim or a
// header contains, it ends up as text.

type Child = Node | string | false | null | undefined;
type Attributes = Record<string, string | boolean | undefined>;

/** `element('p', { class: 'quiet' }, 'text', anotherElement)` */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(attribute, '');
    else if (typeof value === 'string') made.setAttribute(attribute, value);
  }
  made.append(...children.filter((child): child is Node | string => child !== false && child != null));
  return made;
}

/** A button that does something. */
export function button(label: string, style: string, onClick: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button', class: `button ${style}` }, label);
  made.addEventListener('click', onClick);
  return made;
}

/** The element of `index.html` with this id. */
export function slot(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}`);
  return found;
}
