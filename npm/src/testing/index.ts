/**
 * For the tests of an app: a manager in any state, without a server and without WebAssembly.
 *
 * ```tsx
 * import { createFakeManager } from '@authtool/client/testing';
 *
 * test('the button logs out', async () => {
 *   const manager = createFakeManager({ user: { name: 'Ada' } });
 *   render(<AuthtoolProvider manager={manager}><Header /></AuthtoolProvider>);
 *   await userEvent.click(screen.getByRole('button', { name: 'Log out' }));
 *   expect(manager.calls.logout).toHaveLength(1);
 *
 *   act(() => manager.expire());
 *   expect(screen.getByText('Please log in')).toBeVisible();
 * });
 * ```
 *
 * @packageDocumentation
 */
export { createFakeManager, type FakeCalls, type FakeManager, type FakeManagerOptions } from './fake-manager.js';
