// A backend for frontend as one would write it for Node: express-openid-connect, sessions in Redis, and a proxy that adds the
// access token.
//
// Environment: PORT, ISSUER, CLIENT_ID, CLIENT_SECRET, REDIS (port), API (origin).
import { RedisStore } from 'connect-redis';
import express from 'express';
import openid from 'express-openid-connect';
import httpProxy from 'http-proxy';
import { Agent } from 'node:http';
import { createClient } from 'redis';

const { PORT, ISSUER, CLIENT_ID, CLIENT_SECRET, REDIS, API } = process.env;

const redis = createClient({ url: `redis://127.0.0.1:${REDIS}` });
await redis.connect();

const app = express();
app.disable('x-powered-by');
app.use(
  openid.auth({
    issuerBaseURL: ISSUER,
    baseURL: `http://localhost:${PORT}`,
    clientID: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    clientAuthMethod: 'client_secret_post',
    secret: 'a secret of the bench, for its cookies alone',
    authRequired: false,
    authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' },
    // Written when something changed, not with every request.
    session: { store: new RedisStore({ client: redis }), rolling: false, absoluteDuration: 43_200 },
  }),
);
const proxy = httpProxy.createProxyServer({ target: API, agent: new Agent({ keepAlive: true }) });
app.use('/api', (request, response) => {
  const token = request.oidc.accessToken;
  if (!token || token.isExpired()) return response.sendStatus(401);
  request.headers.authorization = `Bearer ${token.access_token}`;
  delete request.headers.cookie;
  request.url = request.originalUrl;
  proxy.web(request, response);
});
app.get('/', (_, response) => response.send('the app'));
app.listen(Number(PORT), '127.0.0.1');
