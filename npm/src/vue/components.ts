import { defineComponent, onMounted, onUnmounted, type PropType, type SlotsType } from 'vue';
import type { LoginOptions, Unsubscribe } from '../manager.js';
import { requireLogin } from '../require-login.js';
import type { Session, SessionState } from '../state.js';
import { useAuthtool } from './authtool.js';

type AuthenticatedSlots = SlotsType<{
  /** For somebody who is logged in. */
  default?: Session;
  /** For as long as that is not known, or not so. */
  fallback?: SessionState;
}>;

/**
 * Shows its content while there is a session, and keeps it through an outage of the server.
 *
 * ```vue
 * <Authenticated v-slot="{ user }">Hello {{ user.name }}</Authenticated>
 * ```
 */
export const Authenticated = defineComponent({
  name: 'Authenticated',
  slots: {} as AuthenticatedSlots,
  setup: (_props, { slots }) => {
    const { state } = useAuthtool();
    return () => (state.value.session ? slots.default?.(state.value.session) : slots.fallback?.(state.value));
  },
});

/** Shows its content when it is known that nobody is logged in. */
export const Unauthenticated = defineComponent({
  name: 'Unauthenticated',
  setup: (_props, { slots }) => {
    const { status } = useAuthtool();
    return () => (status.value == 'unauthenticated' ? slots['default']?.() : undefined);
  },
});

/**
 * Shows its content to somebody who is logged in, and sends everybody else to the login, `login` being its options.
 *
 * A browser that keeps coming back without a session is not sent again: the state becomes `unavailable` with the error
 * `login_loop`, which the slot `fallback` is given.
 *
 * ```vue
 * <RequireAuth>
 *   <RouterView />
 *   <template #fallback="{ error }">{{ error ? 'Please try again later.' : 'One moment ...' }}</template>
 * </RequireAuth>
 * ```
 */
export const RequireAuth = defineComponent({
  name: 'RequireAuth',
  props: { login: Object as PropType<LoginOptions> },
  slots: {} as AuthenticatedSlots,
  setup: (props, { slots }) => {
    const { manager, state } = useAuthtool();
    let release: Unsubscribe | undefined;
    onMounted(() => {
      release = requireLogin(manager, props.login);
    });
    onUnmounted(() => release?.());
    return () => (state.value.session ? slots.default?.(state.value.session) : slots.fallback?.(state.value));
  },
});
