import type { UserClaims } from '@authtool/client';

/** The best name that the claims offer. */
export function displayName(user: UserClaims): string {
  for (const claim of ['name', 'preferred_username', 'email', 'sub']) {
    const value = user[claim];
    if (typeof value === 'string' && value !== '') return value;
  }
  return 'somebody';
}
