import './style.css';

import { AuthtoolProvider } from '@authtool/client/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router';

import { API, MODE } from './api.ts';
import { router } from './router.tsx';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <AuthtoolProvider baseUrl="/bff" mode={MODE} allowedOrigins={[API]}>
      <RouterProvider router={router} />
    </AuthtoolProvider>
  </StrictMode>,
);
