import { init } from '@authtool/client';

const manager = init({ baseUrl: '/bff' });
const show = () => {
  document.getElementById('status').textContent = `${manager.state.status} ${manager.state.session?.user.name}`;
};
manager.subscribe(show);
show();
