import { button, element } from '../element.ts';
import type { Arrival } from '../arrival.ts';

/** A login that failed. */
export function failedLogin(arrival: Arrival, dismiss: () => void): HTMLElement {
  return element(
    'section',
    { class: 'notice warning', role: 'alert' },
    element(
      'div',
      {},
      element('strong', {}, 'That login did not go through'),
      element('p', {}, arrival.message),
      element(
        'p',
        { class: 'small' },
        'Code ',
        element('code', {}, arrival.code),
        arrival.correlationId !== null && ' · reference ',
        arrival.correlationId !== null && element('code', {}, arrival.correlationId),
      ),
    ),
    button('Dismiss', 'plain', dismiss),
  );
}

/** Whether somebody is logged in cannot be said right now, which is not the same as "nobody is". */
export function unavailable(known: boolean, retry: () => void): HTMLElement {
  return element(
    'section',
    { class: 'notice', role: 'status' },
    element(
      'div',
      {},
      element('strong', {}, 'The login server does not answer'),
      element(
        'p',
        {},
        known
          ? 'You are still shown as you were. This page keeps trying by itself.'
          : 'You may well be logged in. This page keeps trying by itself.',
      ),
    ),
    button('Try now', 'plain', retry),
  );
}
