//! `reference/openapi.json` and `reference/endpoints.md`: every endpoint, from the contract's names and types.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use authtool_bff::{Bff, Config};
use authtool_contract::{
    PROBLEM_MEDIA_TYPE, Problem, ProblemCode, SessionAnswer, TokenAnswer, endpoint, endpoint::param, header,
};
use axum::body::{Body, HttpBody as _};
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::{cell, keep};

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listener {
    /// `server.port`, below `server.apiPrefix`.
    Public,
    /// `server.internal`.
    Internal,
}

struct Operation {
    listener: Listener,
    path: &'static str,
    method: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Value>,
    form: Vec<(&'static str, bool, &'static str)>,
    answers: Vec<Answer>,
}

struct Answer {
    status: u16,
    text: &'static str,
    content: Option<(&'static str, Value)>,
}

fn answer(status: u16, text: &'static str) -> Answer {
    Answer { status, text, content: None }
}

fn json_answer(text: &'static str, schema: Value) -> Answer {
    Answer { status: 200, text, content: Some(("application/json", schema)) }
}

fn page(status: u16, text: &'static str) -> Answer {
    Answer { status, text, content: Some(("text/html", json!({"type": "string"}))) }
}

fn problem(code: ProblemCode, text: &'static str) -> Answer {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    Answer { status: code.status(), text, content: Some((PROBLEM_MEDIA_TYPE, schema)) }
}

fn query(name: &str, text: &str) -> Value {
    json!({"name": name, "in": "query", "description": text, "schema": {"type": "string"}})
}

fn header_parameter(name: &str, text: &str) -> Value {
    json!({"name": name, "in": "header", "description": text, "schema": {"type": "string"}})
}

fn component(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn gateway_credential() -> Vec<Value> {
    vec![header_parameter(
        header::GATEWAY_CREDENTIAL,
        "The gateway's credential, where `server.gatewayCredential` asks for one.",
    )]
}

fn ext_authz_answers() -> Vec<Answer> {
    vec![
        answer(
            200,
            "It may, with `Authorization`, `Cookie`, `DPoP` and `grpc-timeout` of this answer in place of its own, and without those that `x-envoy-auth-headers-to-remove` lists.",
        ),
        problem(ProblemCode::NoSession, NEITHER_SESSION_NOR_TOKEN),
        problem(ProblemCode::ForbiddenContext, NOT_FROM_HERE),
        problem(ProblemCode::StoreUnavailable, RETRY),
    ]
}

const NEITHER_SESSION_NOR_TOKEN: &str = "Nobody is logged in; or, with the code `invalid_token`, the client brought a token of its own that is not good (`server.machineClients`).";
const NO_SESSION: &str = "Nobody is logged in.";
const NOT_FROM_HERE: &str = "The request comes from where it may not.";
const RETRY: &str = "The store or the provider cannot be reached; the session may be alive. `Retry-After` says when to ask again.";

#[allow(clippy::too_many_lines, reason = "a list")]
fn operations() -> Vec<Operation> {
    use Listener::{Internal, Public};
    let back =
        "Where in the app to return to: a path, or a URL of an origin in `server.allowedReturnOrigins`.";
    let token_parameters = || {
        vec![
            header_parameter(
                header::GATEWAY_CREDENTIAL,
                "The gateway's credential, where `server.gatewayCredential` asks for one.",
            ),
            header_parameter(
                header::DPOP_METHOD,
                "With `client.dpop`: the method of the request that the token is for.",
            ),
            header_parameter(
                header::DPOP_URL,
                "With `client.dpop`: that request's URL, as the API knows it.",
            ),
            header_parameter(header::DPOP_NONCE, "With `client.dpop`: the API's latest `DPoP-Nonce`."),
        ]
    };
    let token_answers = || {
        vec![
            json_answer("A token that is valid now.", component("TokenAnswer")),
            problem(ProblemCode::NoSession, NO_SESSION),
            problem(ProblemCode::ForbiddenContext, NOT_FROM_HERE),
            problem(ProblemCode::StoreUnavailable, RETRY),
        ]
    };
    let none = Vec::new;
    let csrf = || {
        header_parameter(
            header::CSRF,
            "`1`, where a browser sends no `Sec-Fetch-Site`: the app's own script.",
        )
    };
    vec![
        Operation {
            listener: Public,
            path: endpoint::SESSION,
            method: "get",
            id: "getSession",
            summary: "Is there a session, and whose",
            description: "For the app's own `fetch`. The claims that `session.userClaims` selects are at the top level.",
            parameters: vec![csrf()],
            form: none_form(),
            answers: vec![
                json_answer("Somebody is logged in.", component("SessionAnswer")),
                problem(ProblemCode::NoSession, NO_SESSION),
                problem(ProblemCode::ForbiddenContext, NOT_FROM_HERE),
                problem(ProblemCode::StoreUnavailable, RETRY),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::LOGIN,
            method: "get",
            id: "login",
            summary: "Start a login",
            description: "A navigation. The parameters but the first two count only on a navigation from one of the app's own pages.",
            parameters: vec![
                query(param::REDIRECT_URI, back),
                query(param::CLIENT, "Which of several `client.clients`, by its `name` or `clientId`."),
                query(param::PROMPT, "`login`, `consent`, `select_account`, `create`, or `none` alone."),
                query(param::LOGIN_HINT, "Who is likely to log in."),
                query(param::ACR_VALUES, "How strongly to authenticate, the best first."),
                query(param::MAX_AGE, "How many seconds ago the user may have authenticated; 0 asks anew."),
                query(param::UI_LOCALES, "Languages, the best first."),
                header_parameter(
                    "x-original-uri",
                    "Where to return to, as a gateway says that hands a refused request over.",
                ),
            ],
            form: none_form(),
            answers: vec![
                answer(303, "To the provider."),
                page(
                    200,
                    "This browser has just logged in for this: the page from which it goes on, so that the Strict cookie comes along.",
                ),
                page(
                    400,
                    "A parameter is malformed, there is no such client, or the browser does not keep the session's cookie.",
                ),
                page(403, "Not a navigation, or logins follow one another and lead nowhere."),
                page(503, "The provider cannot be reached."),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::OAUTH_CALLBACK,
            method: "get",
            id: "loginCallback",
            summary: "Finish a login",
            description: "Where the provider sends the browser back to. With several issuers each has a segment of its own behind it: \
                          `/oauth/callback/{name}`.",
            parameters: none(),
            form: none_form(),
            answers: vec![
                answer(303, "To the app, with the session cookie."),
                page(400, "The answer is malformed, late, or belongs to no login of this browser."),
                page(403, "The provider, or the user there, said no."),
                page(502, "The provider did not accept our request."),
                page(503, "The provider or the store cannot be reached."),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::OAUTH_CALLBACK,
            method: "post",
            id: "loginCallbackByForm",
            summary: "Finish a login whose answer is posted",
            description: "Where a client has `responseMode: \"form_post\"`. A navigation: the provider's page posts the form.",
            parameters: none(),
            form: vec![
                ("state", true, "Which login it is."),
                ("code", false, "The code."),
                ("error", false, "Why there is none."),
                ("iss", false, "Who answers (RFC 9207)."),
                ("user", false, "Apple's: the user's name, unsigned."),
            ],
            answers: vec![
                answer(303, "To the page that goes on to the app, with the session cookie."),
                page(400, "The answer is malformed, late, or belongs to no login of this browser."),
                page(403, "The provider, or the user there, said no; or it is not a navigation."),
                problem(ProblemCode::MethodNotAllowed, "No client asks for answers by `form_post`."),
                problem(ProblemCode::ContentTooLarge, "The form is larger than 32 KiB."),
                page(502, "The provider did not accept our request."),
                page(503, "The provider or the store cannot be reached."),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::OAUTH_CONTINUE,
            method: "get",
            id: "loginContinue",
            summary: "Go on to the app",
            description: "With `session.sameSiteReturn`, and after an answer that was posted: the page from which the browser goes on, so that the \
                          Strict cookie comes along.",
            parameters: vec![query(param::REDIRECT_URI, back)],
            form: none_form(),
            answers: vec![
                page(200, "The page."),
                page(403, "Not a navigation."),
                problem(
                    ProblemCode::NotFound,
                    "`session.sameSiteReturn` is off, and no client has `responseMode: \"form_post\"`.",
                ),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::LOGOUT,
            method: "get",
            id: "logoutByLink",
            summary: "End the session",
            description: "A navigation from the app's own pages, or from the address bar; a link on another site ends nothing. \
                          `session.disableLogoutOnGet` turns it off.",
            parameters: vec![query(param::REDIRECT_URI, back)],
            form: none_form(),
            answers: vec![
                answer(303, "To the provider's logout, or back to the app."),
                page(403, "Not a navigation."),
                problem(ProblemCode::MethodNotAllowed, "`session.disableLogoutOnGet` is on."),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::LOGOUT,
            method: "post",
            id: "logout",
            summary: "End the session",
            description: "A form post from the app's own pages, as the client's `logout()` makes it.",
            parameters: vec![query(param::REDIRECT_URI, back)],
            form: none_form(),
            answers: vec![
                answer(303, "To the provider's logout, or back to the app."),
                page(403, NOT_FROM_HERE),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::LOGOUT_CALLBACK,
            method: "get",
            id: "logoutCallback",
            summary: "Finish a logout",
            description: "Where the provider sends the browser back to after a logout.",
            parameters: none(),
            form: none_form(),
            answers: vec![answer(303, "To the app."), page(403, "Not a navigation.")],
        },
        Operation {
            listener: Public,
            path: endpoint::BACK_CHANNEL_LOGOUT,
            method: "post",
            id: "backChannelLogout",
            summary: "A user logged out at the provider",
            description: "From server to server (OpenID Connect Back-Channel Logout 1.0).",
            parameters: none(),
            form: vec![(param::LOGOUT_TOKEN, true, "The signed report.")],
            answers: vec![
                answer(200, "Whatever sessions the report is about have ended."),
                problem(ProblemCode::InvalidRequest, "The report breaks a rule; nothing has ended."),
                problem(ProblemCode::ForbiddenContext, "A browser sent it."),
                problem(ProblemCode::StoreUnavailable, "Sessions may still be alive: report it again."),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::FRONT_CHANNEL_LOGOUT,
            method: "get",
            id: "frontChannelLogout",
            summary: "A user logged out at the provider, says the browser",
            description: "With `client.frontChannelLogout` (OpenID Connect Front-Channel Logout 1.0): the provider loads it in a frame. No cookie is \
                          needed. Ends sessions here alone: nothing is revoked. With several clients each has a segment of its own behind \
                          it: `/oidc/logout/frontchannel/{name}`.",
            parameters: vec![
                query(param::SID, "The session at the provider. Required."),
                query(param::ISS, "The issuer. Where it is there, it must be the client's."),
            ],
            form: none_form(),
            answers: vec![
                page(200, "Whatever sessions belonged to it have ended; the same if there were none."),
                problem(
                    ProblemCode::InvalidRequest,
                    "`sid` is missing or malformed, or `iss` is another's; nothing has ended.",
                ),
                problem(
                    ProblemCode::NotFound,
                    "No client has this path, or its `frontChannelLogout` is off.",
                ),
                problem(
                    ProblemCode::StoreUnavailable,
                    "Sessions may still be alive, or too many reports come at once.",
                ),
            ],
        },
        Operation {
            listener: Public,
            path: endpoint::TOKEN,
            method: "get",
            id: "getToken",
            summary: "The session's access token",
            description: "In `bff` mode for a gateway, and for no browser; in `tokenExchange` mode also for the app's own `fetch`. \
                          `server.publicToken: \"closed\"` takes it off this listener.",
            parameters: [vec![csrf()], token_parameters()].concat(),
            form: none_form(),
            answers: token_answers(),
        },
        Operation {
            listener: Public,
            path: endpoint::CLIENT_KEYS,
            method: "get",
            id: "getClientKeys",
            summary: "The public keys of our clients",
            description: "For the `jwks_uri` of a client with `credentials.privateKey` (RFC 7517).",
            parameters: none(),
            form: none_form(),
            answers: vec![json_answer(
                "A JSON Web Key Set.",
                json!({
                    "type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
                }),
            )],
        },
        Operation {
            listener: Internal,
            path: endpoint::TOKEN,
            method: "get",
            id: "getTokenForGateway",
            summary: "The session's access token, for a gateway",
            description: "Also below `server.apiPrefix`. The gateway sends the browser's session cookie.",
            parameters: token_parameters(),
            form: none_form(),
            answers: token_answers(),
        },
        Operation {
            listener: Internal,
            path: endpoint::FORWARD_AUTH,
            method: "get",
            id: "forwardAuth",
            summary: "May this request go on, and with which token",
            description: "For nginx `auth_request`, Traefik `ForwardAuth` and Caddy `forward_auth`: the request's own headers, and its method.",
            parameters: vec![
                query(
                    param::MACHINES,
                    "A prefix of `server.machineClients`, where clients may bring a token of their own: part of the gateway's configuration.",
                ),
                header_parameter("x-original-method", "The request's method, as nginx is told to name it."),
                header_parameter("x-forwarded-method", "The same, as Traefik and Caddy name it."),
                header_parameter(
                    "x-forwarded-uri",
                    "The request's path and query, for the link of a page that says to log in.",
                ),
                header_parameter(
                    header::GATEWAY_CREDENTIAL,
                    "The gateway's credential, where `server.gatewayCredential` asks for one.",
                ),
            ],
            form: none_form(),
            answers: vec![
                answer(
                    200,
                    "It may, with `Authorization`, `Cookie` and `DPoP` of this answer in place of its own.",
                ),
                problem(ProblemCode::NoSession, NEITHER_SESSION_NOR_TOKEN),
                problem(ProblemCode::ForbiddenContext, NOT_FROM_HERE),
                problem(
                    ProblemCode::InvalidRequest,
                    "The gateway does not say which method the request has, or names a prefix that is not configured.",
                ),
                problem(ProblemCode::StoreUnavailable, RETRY),
            ],
        },
        Operation {
            listener: Internal,
            path: endpoint::EXT_AUTHZ,
            method: "get",
            id: "extAuthz",
            summary: "The same, for Envoy's `ext_authz` over HTTP",
            description: "The prefix of the request's own path, with its own method (any) and headers.",
            parameters: gateway_credential(),
            form: none_form(),
            answers: ext_authz_answers(),
        },
        Operation {
            listener: Internal,
            path: endpoint::EXT_AUTHZ_ANONYMOUS,
            method: "get",
            id: "extAuthzAnonymous",
            summary: "The same, where nobody must be logged in",
            description: "A request without a session goes on without a token.",
            parameters: gateway_credential(),
            form: none_form(),
            answers: ext_authz_answers(),
        },
        Operation {
            listener: Internal,
            path: endpoint::EXT_AUTHZ_GRPC,
            method: "post",
            id: "extAuthzGrpc",
            summary: "The same, over gRPC",
            description: "`envoy.service.auth.v3.Authorization`, in HTTP/2: a `CheckRequest`, answered by a `CheckResponse`. A route where nobody must be logged in has `context_extensions: {session: optional}`.",
            parameters: gateway_credential(),
            form: none_form(),
            answers: vec![answer(200, "What becomes of the request, with `grpc-status` in the trailers.")],
        },
        Operation {
            listener: Internal,
            path: endpoint::END_SESSIONS,
            method: "post",
            id: "endSessions",
            summary: "End all sessions of a user",
            description: "For operators; with `Authorization: Bearer …` where `server.internal.operatorCredential` asks for it.",
            parameters: none(),
            form: vec![
                (param::SUBJECT, true, "Whose, by `sub`."),
                (param::ISSUER, false, "At which issuer; without it, at all that are configured."),
            ],
            answers: vec![
                json_answer(
                    "How many have ended, and whether these are known to be all. `complete` is `false` where the store may have \
                     evicted what finds a user's sessions, and looking through all of them was not possible or took too long.",
                    json!({
                        "type": "object", "required": ["ended", "complete"],
                        "properties": {"ended": {"type": "integer", "minimum": 0}, "complete": {"type": "boolean"}},
                    }),
                ),
                problem(ProblemCode::InvalidRequest, "A field is missing or malformed."),
                problem(ProblemCode::ForbiddenContext, "A browser asked, or the credential is missing."),
                problem(ProblemCode::StoreUnavailable, RETRY),
            ],
        },
        Operation {
            listener: Internal,
            path: endpoint::HEALTHZ,
            method: "get",
            id: "healthz",
            summary: "The process is alive",
            description: "Looks at nothing else: a store that is down is no reason to restart the server. The public listener answers it too, at the same \
                          path (not below `server.apiPrefix`), with the status and an empty body.",
            parameters: none(),
            form: none_form(),
            answers: vec![json_answer(
                "It is.",
                json!({"type": "object", "properties": {"status": {"const": "ok"}}}),
            )],
        },
        Operation {
            listener: Internal,
            path: endpoint::READY,
            method: "get",
            id: "ready",
            summary: "Would a login work",
            description: "Names the part that is missing. The public listener answers it too, at the same path (not below `server.apiPrefix`), with the status and \
                          an empty body, from a probe that is at most five seconds old: however many ask there, they cause no more work.",
            parameters: none(),
            form: none_form(),
            answers: vec![
                json_answer("It would.", component("Readiness")),
                Answer {
                    status: 503,
                    text: "It would not.",
                    content: Some(("application/json", component("Readiness"))),
                },
            ],
        },
        Operation {
            listener: Internal,
            path: endpoint::METRICS,
            method: "get",
            id: "metrics",
            summary: "Metrics",
            description: "In the text format of Prometheus: see [Metrics](metrics.md).",
            parameters: none(),
            form: none_form(),
            answers: vec![Answer {
                status: 200,
                text: "All of them.",
                content: Some(("text/plain", json!({"type": "string"}))),
            }],
        },
        Operation {
            listener: Internal,
            path: endpoint::DEVELOPMENT,
            method: "get",
            id: "development",
            summary: "The last logins, step by step",
            description: "For a developer: only of `authtool-bff dev`, and only to this machine.",
            parameters: none(),
            form: none_form(),
            answers: vec![Answer {
                status: 200,
                text: "A page.",
                content: Some(("text/html", json!({"type": "string"}))),
            }],
        },
    ]
}

fn none_form() -> Vec<(&'static str, bool, &'static str)> {
    Vec::new()
}

/// Whether the public listener answers there as well, outside of the prefix and with a status alone.
fn on_both(operation: &Operation) -> bool {
    [endpoint::HEALTHZ, endpoint::READY].contains(&operation.path)
}

/// The document, in version 3.1 of its format.
fn document(operations: &[Operation]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = match operation.listener {
            // The two listeners share one name; a document cannot have a path twice.
            Listener::Internal if operation.path == endpoint::TOKEN => format!("/bff{}", operation.path),
            Listener::Public | Listener::Internal => operation.path.to_owned(),
        };
        let mut answers = Map::new();
        for answer in &operation.answers {
            let mut described = json!({
                "description": answer.text,
                "headers": {header::CORRELATION_ID: {"$ref": "#/components/headers/CorrelationId"}},
            });
            if let Some((media_type, schema)) = &answer.content {
                described["content"] = json!({*media_type: {"schema": schema}});
            }
            if answer.status == 303 {
                described["headers"]["location"] = json!({"schema": {"type": "string", "format": "uri"}});
            }
            let before = answers.insert(answer.status.to_string(), described);
            assert!(before.is_none(), "{} answers {} twice", operation.id, answer.status);
        }
        let mut described = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "description": operation.description,
            "tags": [match operation.listener { Listener::Public => "public", Listener::Internal => "internal" }],
            "responses": answers,
        });
        described["servers"] = match operation.listener {
            Listener::Public => {
                json!([{"url": "https://app.example.com/bff", "description": "server.port, below server.apiPrefix"}])
            }
            Listener::Internal if on_both(operation) => json!([
                {"url": "http://127.0.0.1:3001", "description": "server.internal"},
                {"url": "https://app.example.com", "description": "server.port: a status alone"},
            ]),
            Listener::Internal => json!([{"url": "http://127.0.0.1:3001", "description": "server.internal"}]),
        };
        if !operation.parameters.is_empty() {
            described["parameters"] = operation.parameters.iter().cloned().collect();
        }
        if !operation.form.is_empty() {
            let properties: Map<_, _> = operation
                .form
                .iter()
                .map(|(name, _, text)| ((*name).to_owned(), json!({"type": "string", "description": text})))
                .collect();
            let required: Vec<_> =
                operation.form.iter().filter(|(_, required, _)| *required).map(|(name, ..)| name).collect();
            described["requestBody"] = json!({
                "required": true,
                "content": {"application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "properties": properties, "required": required},
                }},
            });
        }
        // Who asks for what: the browser by its cookie, an operator by a credential, everybody else by where they are.
        described["security"] = match operation.path {
            endpoint::SESSION
            | endpoint::TOKEN
            | endpoint::FORWARD_AUTH
            | endpoint::EXT_AUTHZ
            | endpoint::LOGOUT => {
                json!([{"session": []}])
            }
            endpoint::EXT_AUTHZ_ANONYMOUS => json!([{"session": []}, {}]),
            endpoint::END_SESSIONS => json!([{"operator": []}, {}]),
            _ => json!([{}]),
        };
        paths.entry(path).or_insert_with(|| json!({}))[operation.method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "authtool-bff",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Login for browser apps, with the tokens kept on the server",
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": "https://app.example.com/bff", "description": "server.port, below server.apiPrefix"}],
        "tags": [
            {"name": "public", "description": "For browsers and, at a few places, the provider. Each path also answers with a slash at its end."},
            {"name": "internal", "description": "For gateways, platforms and operators: `server.internal`, never to be reached from outside."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "headers": {"CorrelationId": {"description": "Names the request in the server's log.", "schema": {"type": "string"}}},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": format!("__Host-{}", header::SESSION_COOKIE)},
                "operator": {"type": "http", "scheme": "bearer"},
            },
        },
    })
}

fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    let mut add = |name: &str, mut schema: Value| {
        let object = schema.as_object_mut().unwrap();
        object.remove("$schema");
        for (name, inner) in object.remove("$defs").unwrap_or_default().as_object().into_iter().flatten() {
            all.insert(name.clone(), moved(inner.clone()));
        }
        all.insert(name.to_owned(), moved(schema));
    };
    add("SessionAnswer", schemars::schema_for!(SessionAnswer).to_value());
    add("TokenAnswer", schemars::schema_for!(TokenAnswer).to_value());
    add("Problem", schemars::schema_for!(Problem).to_value());
    let part = json!({
        "type": "object", "required": ["status"],
        "properties": {"status": {"enum": ["ok", "degraded", "unavailable"]}, "reason": {"type": "string"}},
    });
    add(
        "Readiness",
        json!({
            "type": "object", "required": ["status", "provider", "store"],
            "properties": {"status": {"enum": ["ready", "not_ready"]}, "provider": part, "store": part},
        }),
    );
    all
}

/// References to definitions inside a schema, as those of the document.
fn moved(schema: Value) -> Value {
    serde_json::from_str(&schema.to_string().replace("#/$defs/", "#/components/schemas/")).unwrap()
}

fn reference(operations: &[Operation]) -> String {
    let mut page = "\
# Endpoints

This page is made from the code, as is [openapi.json](openapi.json), the same as OpenAPI 3.1.

The public listener (`server.port`) is for browsers: its paths are below `server.apiPrefix`, and each also answers with a slash at
its end. The internal one (`server.internal`, by default 127.0.0.1 and the next port) is for gateways, platforms and operators.
Errors are [problem documents](errors.md) where a `fetch` asks, and pages where a person is. Every answer has `x-correlation-id`.
".to_owned();
    for (listener, title) in
        [(Listener::Public, "Public listener"), (Listener::Internal, "Internal listener")]
    {
        write!(page, "\n## {title}\n").unwrap();
        for operation in operations.iter().filter(|it| it.listener == listener) {
            let prefix = if listener == Listener::Public { "{apiPrefix}" } else { "" };
            let method = operation.method.to_uppercase();
            write!(
                page,
                "\n### `{method} {prefix}{}`\n\n{}. {}\n\n",
                operation.path, operation.summary, operation.description
            )
            .unwrap();
            if !operation.parameters.is_empty() || !operation.form.is_empty() {
                page.push_str("| parameter | in | meaning |\n|---|---|---|\n");
                let text = |value: &Value| cell(value.as_str().unwrap_or_default());
                for it in &operation.parameters {
                    writeln!(
                        page,
                        "| `{}` | {} | {} |",
                        text(&it["name"]),
                        text(&it["in"]),
                        text(&it["description"])
                    )
                    .unwrap();
                }
                for (name, required, meaning) in &operation.form {
                    let required = if *required { " Required." } else { "" };
                    writeln!(page, "| `{name}` | form | {}{required} |", cell(meaning)).unwrap();
                }
                page.push('\n');
            }
            page.push_str("| status | when |\n|---|---|\n");
            for answer in &operation.answers {
                writeln!(page, "| {} | {} |", answer.status, cell(answer.text)).unwrap();
            }
        }
    }
    page.push_str("
## Answers

`GET {apiPrefix}/session`: durations are seconds from the moment of the answer, since a browser's clock is not to be trusted.

<!-- test: session -->
```json
{ \"email\": \"ada@example.com\", \"name\": \"Ada\", \"session\": { \"expires_in\": 604799 } }
```

`GET {apiPrefix}/token`:

<!-- test: token -->
```json
{ \"access_token\": \"eyJhbGciOiJSUzI1NiJ9.e30.c2ln\", \"token_type\": \"Bearer\", \"expires_in\": 293 }
```
");
    page
}

#[test]
fn every_endpoint_is_in_the_reference_and_nothing_else_is() {
    let operations = operations();
    let text = serde_json::to_string_pretty(&document(&operations)).unwrap();
    keep("openapi.json", &format!("{text}\n"));
    keep("endpoints.md", &reference(&operations));

    let source = include_str!("../../../contract/src/endpoint.rs");
    let known: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = \"")?.1.strip_suffix("\";"))
        .collect();
    let documented: BTreeSet<&str> = operations.iter().map(|it| it.path).collect();
    assert_eq!(known, documented, "the contract's endpoints, and those of the reference");

    // And their parameters.
    let names: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| {
            line.strip_prefix("    pub const ")?.split_once(": &str = \"")?.1.strip_suffix("\";")
        })
        .collect();
    let missing: Vec<_> = names
        .into_iter()
        .filter(|it| *it != param::LOGIN_ERROR && !text.contains(&format!("\"{it}\"")))
        .collect();
    assert!(missing.is_empty(), "parameters that the reference does not know: {missing:?}");
}

#[tokio::test]
async fn the_server_has_the_endpoints_of_the_reference_with_their_methods() {
    let config = json!({
        "client": {
            // Nobody listens there: what is tested here needs no provider.
            "issuer": "http://127.0.0.1:9", "clientId": "app", "redirect_uri": "https://app.example/bff/oauth/callback",
            "credentials": {"secret": "secret"}, "scope": "openid", "responseMode": "form_post", "frontChannelLogout": true,
        },
        "session": {
            "mode": {"type": "bff"}, "sameSiteReturn": true,
            "signingKey": "0123456789abcdefghijklmnopqrstuv", "encryptionKey": "vutsrqponmlkjihgfedcba9876543210",
        },
        "server": {"apiPrefix": "/bff"},
    });
    let bff = Bff::start(&Config::from_json(&config.to_string()).unwrap()).unwrap();
    for operation in operations() {
        let (router, path) = match operation.listener {
            Listener::Public => (bff.public_router(), format!("/bff{}", operation.path)),
            // Those of the process, and of development, are added where it is one.
            Listener::Internal if [endpoint::METRICS, endpoint::DEVELOPMENT].contains(&operation.path) => {
                continue;
            }
            // Those take the method of the request that they are asked about.
            Listener::Internal
                if [endpoint::EXT_AUTHZ, endpoint::EXT_AUTHZ_ANONYMOUS].contains(&operation.path) =>
            {
                continue;
            }
            Listener::Internal => (bff.internal_router(), operation.path.to_owned()),
        };
        let request = Request::builder().method("PATCH").uri(&path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = response.headers()[http::header::ALLOW].to_str().unwrap().to_lowercase();
        assert!(
            allowed.split(", ").any(|it| it == operation.method),
            "{path} takes {allowed}, not {}",
            operation.method
        );
        if on_both(&operation) {
            let request = Request::builder().uri(&path).body(Body::empty()).unwrap();
            let response = bff.public_router().oneshot(request).await.unwrap();
            assert_ne!(response.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(response.into_body().size_hint().exact(), Some(0), "{path}");
        }
    }
}
