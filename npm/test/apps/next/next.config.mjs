/** The server's addresses on the app's own origin, as in production behind one host. */
export default {
  rewrites: async () => [{ source: '/bff/:path*', destination: `${process.env.AUTHTOOL_BFF_ORIGIN}/bff/:path*` }],
};
