// Everybody has an account: the login name decides who they are.

const FULL_NAMES = {
  ada: 'Ada Lovelace',
  alan: 'Alan Turing',
  barbara: 'Barbara Liskov',
  edsger: 'Edsger Dijkstra',
  grace: 'Grace Hopper',
  katherine: 'Katherine Johnson',
  margaret: 'Margaret Hamilton',
  radia: 'Radia Perlman',
};

/** Filled in on the login page, so that one click logs in. */
export const SUGGESTED_LOGIN = 'ada';

/** Longer names are refused: they would make cookies and tokens that no server accepts. */
export const MAX_LOGIN_LENGTH = 128;

/** "ada" is Ada Lovelace, "mary.shelley" is Mary Shelley, and markup stays markup. */
function fullName(login) {
  const known = FULL_NAMES[login.toLowerCase()];
  if (known !== undefined) return known;
  if (!/^[\p{L}\p{N}._ -]+$/u.test(login)) return login;
  const words = login.split(/[._ -]+/).filter(Boolean);
  return words.map((word) => word[0].toUpperCase() + word.slice(1)).join(' ') || login;
}

/** oidc-provider's `findAccount`: the account whose subject identifier is `sub`. */
export async function findAccount(_ctx, sub) {
  return {
    accountId: sub,
    async claims() {
      const name = fullName(sub);
      const [given, ...rest] = name.split(' ');
      return {
        sub,
        name,
        given_name: given,
        family_name: rest.join(' ') || undefined,
        preferred_username: sub,
        email: `${sub}@example.com`,
        email_verified: true,
      };
    },
  };
}
