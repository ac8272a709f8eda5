import './style.css';

import { createAuthtool } from '@authtool/client/vue';
import { createApp } from 'vue';

import App from './App.vue';

createApp(App).use(createAuthtool({ baseUrl: '/bff' })).mount('#app');
