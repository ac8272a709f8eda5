import { AuthtoolProvider } from '@authtool/client/react';

export const metadata = { title: 'app', icons: { icon: 'data:,' } };

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        <AuthtoolProvider baseUrl="/bff">{children}</AuthtoolProvider>
      </body>
    </html>
  );
}
