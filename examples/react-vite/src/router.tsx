import { createBrowserRouter } from 'react-router';

import { Layout } from './layout.tsx';
import { Account } from './pages/account.tsx';
import { Home } from './pages/home.tsx';
import { NotFound } from './pages/not-found.tsx';
import { Orders } from './pages/orders.tsx';
import { Trouble } from './pages/trouble.tsx';
import { Protected } from './protected.tsx';

export const router = createBrowserRouter([
  {
    element: <Layout />,
    errorElement: <Trouble />,
    children: [
      { path: '/', element: <Home /> },
      {
        element: <Protected />,
        children: [
          { path: '/account', element: <Account /> },
          { path: '/orders', element: <Orders /> },
        ],
      },
      { path: '*', element: <NotFound /> },
    ],
  },
]);
