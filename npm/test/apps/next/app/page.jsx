// A server component: the core is imported here, too, and does nothing.
import { init } from '@authtool/client';
import { Status } from './status';

export default function Page() {
  return (
    <>
      <a id="login" href={init({ baseUrl: '/bff' }).client.loginUrl('/').pathname}>Log in</a>
      <Status />
    </>
  );
}
