//! Clients that bring an access token of their own, beside browsers with their sessions: one table for every gateway.

use crate::behind::{AUDIENCE, Behind, OPAQUE, each};
use authtool_tests::browser::Browser;
use authtool_tests::caddy::Caddy;
use authtool_tests::hostile::{CLIENT_ID, Endpoint, HostileOp, IdTokenDraft, Lie, Signer, SigningKey, now};
use authtool_tests::nginx::Nginx;
use authtool_tests::raw::RawRequest;
use authtool_tests::{Answer, SESSION, ServerConfig, Stage, Upstream, ports, raw};
use serde_json::json;
use url::Url;

/// Its lines are what the tests put into the recipes.
const GUIDE: &str = include_str!("../../../docs/guides/machines.md");

/// A line of the guide.
fn of_the_guide(line: &str) -> &str {
    assert!(GUIDE.contains(line), "the guide does not say {line}");
    line
}

/// `/api` is for both, `/browsers` for sessions alone.
fn configured(config: &mut ServerConfig) {
    config.set("/server/machineClients", json!([{"prefix": "/api", "audiences": [AUDIENCE]}]));
}

/// A machine client's token, changed by `edit`.
fn token(op: &HostileOp, edit: impl FnOnce(&mut IdTokenDraft)) -> String {
    let key = SigningKey::provider();
    let mut token = IdTokenDraft {
        header: json!({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}),
        claims: json!({
            "iss": op.issuer(), "aud": AUDIENCE, "sub": "batch", "client_id": "batch", "exp": now() + 600, "iat": now(),
        }),
        signer: Signer::Key(key),
        payload: None,
        protected: None,
        compact: None,
    };
    edit(&mut token);
    token.serialise()
}

/// An untyped token with claims of its own, as most providers sign them.
fn untyped(op: &HostileOp, claims: serde_json::Value) -> String {
    token(op, |token| {
        token.header["typ"] = json!("JWT");
        for (name, value) in claims.as_object().unwrap() {
            token.claims[name] = value.clone();
        }
    })
}

/// What must never reach an API.
fn bad_tokens(op: &HostileOp) -> Vec<(&'static str, String)> {
    let by_stranger = |kid: &str| {
        token(op, |token| {
            token.sign_with(SigningKey::attacker(), "RS256");
            token.header["kid"] = json!(kid);
        })
    };
    let claim =
        |name: &'static str, value: serde_json::Value| token(op, move |token| token.claims[name] = value);
    vec![
        ("an unknown key's", by_stranger("attacker-1")),
        ("a forged one", by_stranger(&SigningKey::provider().kid)),
        ("one without a signature's bytes", token(op, |token| token.signer = Signer::Bytes(vec![7; 256]))),
        ("alg none", token(op, |token| token.header["alg"] = json!("none"))),
        (
            "a public key as a secret",
            token(op, |token| {
                token.header["alg"] = json!("HS256");
                token.signer = Signer::Hs256(SigningKey::provider().public_pem().into_bytes());
            }),
        ),
        ("an expired one", claim("exp", json!(now() - 60))),
        ("an endless one", token(op, |token| token.without("exp"))),
        ("one that is not good yet", claim("nbf", json!(now() + 600))),
        ("another issuer's", claim("iss", json!("https://evil.example"))),
        ("another API's", claim("aud", json!("https://other.example"))),
        ("one for nobody", token(op, |token| token.without("aud"))),
        ("an ID token", untyped(op, json!({"aud": CLIENT_ID, "nonce": "n", "at_hash": "x"}))),
        (
            "an ID token that names the API too",
            untyped(op, json!({"aud": [CLIENT_ID, AUDIENCE], "azp": CLIENT_ID})),
        ),
        ("an ID token for the API", untyped(op, json!({"nonce": "n"}))),
        ("Keycloak's ID token for the API", untyped(op, json!({"typ": "ID"}))),
        ("an ID token by its type", token(op, |token| token.header["typ"] = json!("id_token+jwt"))),
        ("one that is bound to a key", claim("cnf", json!({"jkt": "x"}))),
        ("no token at all", "junk".into()),
        ("no JWT", "a.b.c".into()),
    ]
}

/// A gateway, a server and an API.
struct Front<'a> {
    gateway: &'a Url,
    stage: &'a Stage,
    api: &'a Upstream,
    /// Whether refusals have the server's body: nginx has its own.
    has_bodies: bool,
}

impl Front<'_> {
    fn ask(&self, method: &str, path: &str) -> RawRequest {
        raw::request(method, self.gateway, path)
    }

    fn arrived(&self) -> usize {
        self.api.arrived().len()
    }

    fn expect_refused(&self, what: &str, code: &str, answer: &Answer) {
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        if code == "invalid_token" {
            assert!(
                answer.header("www-authenticate").contains("error=\"invalid_token\""),
                "{what}: {answer:?}"
            );
        }
        if self.has_bodies {
            assert_eq!(answer.problem_code(), code, "{what}: {answer:?}");
        }
    }

    async fn cookie(&self) -> String {
        let browser = Browser::new();
        browser.follow(self.gateway.clone(), self.gateway.join("/bff/login").unwrap()).go().await;
        format!("{SESSION}={}", browser.cookie(SESSION).expect("the login succeeded"))
    }

    /// The table: what a client has, and what reaches the API.
    async fn expect_machines_and_browsers(&self) {
        let session = self.cookie().await;
        let elsewhere = self.ask("GET", "/browsers/x").header("cookie", &session).send().await;
        assert_eq!(elsewhere.status, 200, "{elsewhere:?}");
        let of_session = self.api.last().header("authorization");
        let good = token(&self.stage.op, |_| {});
        let bearer = format!("Bearer {good}");
        assert_ne!(of_session, bearer);
        self.expect_to_go_on(&bearer, &session, &of_session).await;
        let before = self.arrived();
        for (what, bad) in bad_tokens(&self.stage.op) {
            let answer =
                self.ask("GET", "/api/x").header("authorization", format!("Bearer {bad}")).send().await;
            self.expect_refused(what, "invalid_token", &answer);
        }
        self.expect_no_session(&bearer, &session).await;
        self.expect_no_way_around(&good).await;
        assert_eq!(self.arrived(), before, "nothing else reached the API");
    }

    async fn expect_to_go_on(&self, bearer: &str, session: &str, of_session: &str) {
        let lower = bearer.replacen("Bearer", "bearer", 1);
        for (what, request, arrives) in [
            ("a token alone", self.ask("GET", "/api/x").header("authorization", bearer), bearer),
            ("in lower case", self.ask("GET", "/api/x").header("authorization", &lower), bearer),
            (
                "beside the app's cookies",
                self.ask("GET", "/api/x").header("authorization", bearer).header("cookie", "a=1"),
                bearer,
            ),
            // Without a header of ours, and from a page of another site: that page has the token, and could send it without
            // this browser. Nothing is added that the attacker does not have.
            (
                "a change, from anywhere",
                self.ask("POST", "/api/x")
                    .header("authorization", bearer)
                    .header("origin", "https://evil.example")
                    .header("sec-fetch-site", "cross-site"),
                bearer,
            ),
            ("a session alone", self.ask("GET", "/api/x").header("cookie", session), of_session),
            (
                "a session beside a token",
                self.ask("GET", "/api/x").header("cookie", session).header("authorization", bearer),
                of_session,
            ),
            ("a session elsewhere", self.ask("GET", "/browsers/x").header("cookie", session), of_session),
        ] {
            let answer =
                request.header("x-jwt-payload", "forged").header("x-forwarded-user", "root").send().await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            let arrived = self.api.last();
            assert_eq!(arrived.header("authorization"), arrives, "{what}");
            for name in ["x-jwt-payload", "x-forwarded-user"] {
                assert_eq!(arrived.header(name), "", "{what}: {name}");
            }
            assert!(!arrived.header("cookie").contains(SESSION), "{what}: {arrived:?}");
        }
    }

    async fn expect_no_session(&self, bearer: &str, session: &str) {
        let dead = self.cookie().await;
        let answer = self
            .ask("POST", "/bff/logout")
            .as_same_origin_fetch()
            .header("cookie", &dead)
            .header("origin", self.gateway.origin().ascii_serialization())
            .send()
            .await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let with_bearer = |path: &str| self.ask("GET", path).header("authorization", bearer);
        for (what, request) in [
            ("neither", self.ask("GET", "/api/x")),
            ("neither, and the app's cookie", self.ask("GET", "/api/x").header("cookie", "a=1")),
            ("a session that has ended, beside a token", with_bearer("/api/x").header("cookie", &dead)),
            (
                "a forged session beside a token",
                with_bearer("/api/x").header("cookie", format!("{SESSION}=x")),
            ),
            (
                "two sessions beside a token",
                with_bearer("/api/x").header("cookie", format!("{session}; {session}")),
            ),
            ("a path that is not configured", with_bearer("/browsers/x")),
            (
                "another scheme",
                self.ask("GET", "/api/x").header("authorization", bearer.replacen("Bearer", "DPoP", 1)),
            ),
        ] {
            self.expect_refused(what, "no_session", &request.send().await);
        }
    }

    async fn expect_no_way_around(&self, good: &str) {
        let bearer = format!("Bearer {good}");
        let with_bearer = |path: &str| self.ask("GET", path).header("authorization", &bearer);
        for (what, request) in [
            ("out of the prefix", with_bearer("/api/../browsers/x")),
            ("out of the prefix, encoded", with_bearer("/api/%2e%2e/browsers/x")),
            ("out of the prefix, by a slash", with_bearer("/api/..%2fbrowsers/x")),
            ("a path that only begins so", with_bearer("/browsers/api/x")),
            ("another case", with_bearer("/BROWSERS/x")),
            ("two tokens", with_bearer("/api/x").header("authorization", &bearer)),
            (
                "two tokens in one",
                self.ask("GET", "/api/x").header("authorization", format!("{bearer},{bearer}")),
            ),
            ("a token in the query", self.ask("GET", &format!("/api/x?access_token={good}"))),
            (
                "what a client says about its own path",
                with_bearer("/browsers/x")
                    .header("x-original-uri", "/api/x")
                    .header("x-forwarded-uri", "/api/x"),
            ),
        ] {
            let answer = request.send().await;
            assert!(
                answer.status.is_client_error() || !answer.text().contains("from the upstream"),
                "{what}: {answer:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_155_machines_and_browsers_share_envoy() {
    each(async |exchange| {
        let behind = Behind::for_machines(exchange, configured).await;
        behind.issues(|_| {});
        let front =
            Front { gateway: &behind.envoy.public, stage: &behind.stage, api: &behind.api, has_bodies: true };
        front.expect_machines_and_browsers().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_155_machines_and_browsers_share_the_servers_own_proxy() {
    let api = Upstream::start().await;
    let stage = Stage::with(|config| {
        configured(config);
        let route = |prefix: &str| json!({"prefix": prefix, "upstream": api.origin});
        config.set("/server/proxy", json!([route("/api"), route("/browsers")]));
    })
    .await;
    let front = Front { gateway: &stage.server.public, stage: &stage, api: &api, has_bodies: true };
    front.expect_machines_and_browsers().await;
}

/// A server whose browsers come through a gateway on this port.
async fn behind_port(port: u16) -> Stage {
    Stage::with(|config| {
        configured(config);
        config.set("/client/redirect_uri", json!(format!("http://localhost:{port}/bff/oauth/callback")));
    })
    .await
}

#[tokio::test]
async fn sec_155_machines_and_browsers_share_nginx() {
    let (port, api) = (ports::free(), Upstream::start().await);
    let stage = behind_port(port).await;
    let edit = |recipe: String| {
        // As the guide says; and a second API that stays as it was.
        let block = |head: &str| {
            let (_, rest) = recipe.split_once(head).unwrap();
            format!("{head}{}\n    }}\n", rest.split_once("\n    }\n").unwrap().0)
        };
        let browsers = [block("    location /api/ {"), block("    location = /authtool-forward-auth {")]
            .concat()
            .replace("/api/", "/browsers/")
            .replace("/authtool-forward-auth", "/authtool-for-browsers");
        let asked = "proxy_pass http://authtool_internal/-/forward-auth?machines=/api;";
        // The recipe's addresses are the test's by now; the name of the upstream is not.
        let machines = recipe.replace(&asked.replace("?machines=/api", ""), of_the_guide(asked));
        assert_ne!(machines, recipe);
        machines.replace(
            "    location @authtool_unavailable",
            &format!("{browsers}\n    location @authtool_unavailable"),
        )
    };
    let nginx =
        Nginx::with("authtool.conf", port, &stage.server.public, &stage.server.internal, &api.origin, edit)
            .await;
    let front = Front { gateway: &nginx.public, stage: &stage, api: &api, has_bodies: false };
    front.expect_machines_and_browsers().await;
}

#[tokio::test]
async fn sec_155_machines_and_browsers_share_caddy() {
    let (port, api) = (ports::free(), Upstream::start().await);
    let stage = behind_port(port).await;
    let edit = |recipe: String| {
        let (_, rest) = recipe.split_once("\t@api path").unwrap();
        let api = format!("\t@api path{}\n\t}}\n", rest.split_once("\n\t}\n").unwrap().0);
        let browsers = api.replace("/api", "/browsers").replace("@api", "@browsers");
        let machines = recipe
            .replace(
                "\trequest_header -Authorization\n",
                of_the_guide(
                    "@sessions_only not path /api /api/*\nrequest_header @sessions_only -Authorization\n",
                ),
            )
            .replace("uri /-/forward-auth", of_the_guide("uri /-/forward-auth?machines=/api"));
        machines.replace("\t@token path", &format!("{browsers}\n\t@token path"))
    };
    let caddy = Caddy::with(port, &stage.server.public, &stage.server.internal, &api.origin, edit).await;
    let front = Front { gateway: &caddy.public, stage: &stage, api: &api, has_bodies: true };
    front.expect_machines_and_browsers().await;
}

#[tokio::test]
async fn sec_155_tokens_of_every_algorithm_with_a_key_pair_are_taken_and_by_the_key_that_is_for_it() {
    let api = Upstream::start().await;
    let keys = [SigningKey::provider(), SigningKey::elliptic(), SigningKey::p521(), SigningKey::edwards()];
    let jwks = json!({"keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>()});
    let stage = Stage::lying(Lie::about(Endpoint::Jwks).json(move |body| *body = jwks.clone()), |config| {
        configured(config);
        config.set("/server/proxy", json!([{"prefix": "/api", "upstream": api.origin}]));
    })
    .await;
    let call = |token: String| {
        raw::get(&stage.server.public, "/api/x").header("authorization", format!("Bearer {token}")).send()
    };
    for key in keys {
        let alg = key.algorithm();
        let signed = token(&stage.op, |token| token.sign_with(key.clone(), alg));
        let answer = call(signed).await;
        assert_eq!(
            answer.status, 200,
            "{alg}, which the metadata does not announce for ID tokens: {answer:?}"
        );
        // The provider says what each key is for.
        let other = if alg == "RS256" { "RS512" } else { "RS256" };
        let answer = call(token(&stage.op, |token| token.sign_with(key, other))).await;
        assert_eq!(answer.status, 401, "{alg} key, {other}: {answer:?}");
    }
    let untyped = untyped(&stage.op, json!({"azp": "batch", "scope": "orders"}));
    assert_eq!(call(untyped).await.status, 200, "as Keycloak signs them");
    let unnamed = token(&stage.op, |token| {
        token.without_header("typ");
        token.without("client_id");
    });
    assert_eq!(call(unnamed).await.status, 401, "a refreshed ID token looks like this");
}

#[tokio::test]
async fn sec_155_and_189_strangers_with_junk_cause_bounded_work() {
    let api = Upstream::start().await;
    let stage = Stage::with(|config| {
        configured(config);
        config.set("/server/proxy", json!([{"prefix": "/api", "upstream": api.origin}]));
    })
    .await;
    let call = |token: String| {
        raw::get(&stage.server.public, "/api/x").header("authorization", format!("Bearer {token}")).send()
    };
    assert_eq!(call(token(&stage.op, |_| {})).await.status, 200);
    let before = stage.op.count(Endpoint::Jwks);
    let calls = (0..200).map(|i| {
        call(token(&stage.op, |token| {
            token.sign_with(SigningKey::attacker(), "RS256");
            token.header["kid"] = json!(format!("made-up-{i}"));
        }))
    });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(
            (answer.status.as_u16(), answer.problem_code().as_str()),
            (401, "invalid_token"),
            "{answer:?}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        assert!(answer.header("cache-control").contains("no-store"), "{answer:?}");
    }
    assert!(stage.op.count(Endpoint::Jwks) <= before + 1, "one look for a new key, for all of them");
    assert_eq!(call(token(&stage.op, |_| {})).await.status, 200, "and the good ones are as good as before");
    assert_eq!(stage.op.count(Endpoint::CodeExchange) + stage.op.count(Endpoint::UserInfo), 0);
}

#[tokio::test]
async fn a_provider_whose_keys_cannot_be_had_is_no_reason_to_refuse_a_token() {
    let api = Upstream::start().await;
    let stage = Stage::with(|config| {
        configured(config);
        config.set("/server/proxy", json!([{"prefix": "/api", "upstream": api.origin}]));
    })
    .await;
    stage.op.lies(Lie::about(Endpoint::Jwks).status(503));
    let of_new_key = token(&stage.op, |token| token.sign_with(SigningKey::next(), "RS256"));
    let answer = raw::get(&stage.server.public, "/api/x")
        .header("authorization", format!("Bearer {of_new_key}"))
        .send()
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem_code().as_str()),
        (503, "provider_unavailable"),
        "{answer:?}"
    );
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    assert!(api.arrived().is_empty());
}

#[tokio::test]
async fn sec_158_who_brings_a_token_means_to_be_somebody_even_where_nobody_must() {
    let stage = Stage::with(configured).await;
    let session = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
    let good = format!("Bearer {}", token(&stage.op, |_| {}));
    let expired = format!("Bearer {}", token(&stage.op, |token| token.claims["exp"] = json!(now() - 60)));
    let of_session = format!("Bearer {}", stage.op.access_tokens()[0]);
    let dead = format!("{SESSION}=forged");
    for (what, path, cookie, authorization, status, goes_on) in [
        ("a good token", "/api/x", "", &good, 200, good.as_str()),
        ("an expired one", "/api/x", "", &expired, 401, ""),
        ("a session and a token", "/api/x", &session, &good, 200, &of_session),
        ("a dead session and a token", "/api/x", &dead, &good, 401, ""),
        ("a dead session and a token elsewhere", "/x", &dead, &good, 200, ""),
        ("a token elsewhere", "/x", "", &good, 200, ""),
        ("a token at a path that leads elsewhere", "/api/..%2fx", "", &good, 400, ""),
    ] {
        let answer = raw::get(&stage.server.internal, format!("/-/ext-authz-anonymous{path}"))
            .header("cookie", cookie)
            .header("authorization", authorization)
            .send()
            .await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.header("authorization"), goes_on, "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_155_a_gateway_that_asks_by_headers_names_the_prefix_in_its_address() {
    let stage = Stage::with(|config| {
        configured(config);
        config.set("/server/publicBasePath", json!("/myapp"));
        config.set("/client/redirect_uri", json!(format!("{}/myapp/bff/oauth/callback", config.app())));
    })
    .await;
    let good = format!("Bearer {}", token(&stage.op, |_| {}));
    for (address, path, status) in [
        ("?machines=/api", "/api/x", 200),
        ("?machines=/api/", "/api/x", 200),
        ("?machines=/myapp/api", "/api/x", 200),
        // Where the gateway says nothing, the path is perhaps the client's word.
        ("", "/api/x", 401),
        // Traefik passes it on as it is.
        ("?machines=/api", "/api/..%2fadmin", 400),
        ("?machines=/other", "/api/x", 400),
        ("?machines=/api/orders", "/api/x", 400),
        ("?machines=", "/api/x", 400),
        ("?machines=/api&machines=/api", "/api/x", 400),
    ] {
        let answer = raw::get(&stage.server.internal, format!("/-/forward-auth{address}"))
            .header("authorization", &good)
            .header("x-original-method", "GET")
            .header("x-original-uri", path)
            .send()
            .await;
        assert_eq!(answer.status, status, "{address} {path}: {answer:?}");
        assert_eq!(
            answer.header("authorization"),
            if status == 200 { good.as_str() } else { "" },
            "{address}"
        );
    }
}

#[test]
fn nothing_is_printed_for_envoy_that_would_leave_a_token_unchecked() {
    let mut config = ServerConfig::new("http://127.0.0.1:9");
    configured(&mut config);
    config.set("/server/proxy", json!([{"prefix": "/api", "upstream": "http://127.0.0.1:4000"}]));
    let refusal = |arguments: &[&str]| {
        let output = config.run(&[&["envoy"], arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refusal(OPAQUE);
    assert!(said.contains("server.machineClients") && said.contains("--audience"), "{said}");
    let said = refusal(&["--audience", "https://other.example"]);
    assert!(said.contains(AUDIENCE) && said.contains("--audience"), "{said}");
    let said = refusal(&["--audience", AUDIENCE, "--audience", "https://other.example"]);
    assert!(said.contains("https://other.example is not in server.machineClients"), "{said}");
}
