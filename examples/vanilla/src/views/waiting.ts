import { element } from '../element.ts';

/** Shown for the moment in which it is not known yet whether somebody is logged in. */
export function waiting(): HTMLElement {
  return element(
    'section',
    { class: 'waiting', 'aria-busy': 'true' },
    element('h1', { class: 'visually-hidden' }, 'Looking for your session'),
    element('div', { class: 'bone wide' }),
    element('div', { class: 'bone' }),
    element('div', { class: 'bone button-sized' }),
  );
}

/** The first check did not get an answer, so there is nothing to show but that. */
export function unknown(): HTMLElement {
  return element(
    'section',
    { class: 'hero' },
    element('h1', {}, 'One moment, please.'),
    element('p', { class: 'lead' }, 'As soon as the login server answers, this page shows who you are.'),
  );
}
