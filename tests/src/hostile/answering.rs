//! Correct answers, and where the lies come in.

use super::grants::{Authorization, canary};
use super::id_token::{IdTokenDraft, at_hash, now};
use super::lie::Part;
use super::oddity::{Oddity, TOKEN_CHARACTERS};
use super::transport::Closed;
use super::{CLIENT_ID, CLIENT_SECRET, Endpoint, KEYED_CLIENT_ID, OTHER_CLIENT_ID, OpState, Received};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use url::{Url, form_urlencoded};

/// A correct answer, before the lies.
enum Draft {
    Json(StatusCode, Value),
    /// Send the browser back, with these parameters in the query.
    Return(String, Vec<(String, String)>),
    /// A page that posts these parameters to where the browser came from (OAuth 2.0 Form Post Response Mode).
    Post(String, Vec<(String, String)>),
    Text(StatusCode, &'static str),
}

pub(super) async fn answer(state: &OpState, request: Request<Body>) -> Result<Response<Body>, Closed> {
    let received = receive(request).await;
    state.received.lock().unwrap().push(received.clone());
    let mut abandoned = CountIfDropped(Some(&state.abandoned));
    let parts = take_lies(state, received.endpoint);

    // Held back before anything is decided: a gate stands for a provider that has not come to it yet.
    for part in &parts {
        match part {
            Part::Delay(delay) => tokio::time::sleep(*delay).await,
            Part::Gate(gate) => gate.pass().await,
            _ => {}
        }
    }

    let draft = match received.endpoint {
        Endpoint::Discovery => Draft::Json(StatusCode::OK, metadata(&state.issuer, &state.for_browsers)),
        Endpoint::Jwks => Draft::Json(StatusCode::OK, json!({"keys": [state.oddities.signing_key().jwk()]})),
        Endpoint::Push => push(state, &received),
        Endpoint::Authorization => authorize(state, &received),
        Endpoint::CodeExchange | Endpoint::Refresh => token(state, &received, &parts),
        Endpoint::UserInfo => user_info(state, &received),
        Endpoint::EndSession => end_session(&received),
        Endpoint::Revocation => {
            let whole_session = state.oddities.has(Oddity::OneGrantPerSession);
            let token = received.form_value("token").unwrap_or_default();
            state.grants.lock().unwrap().revoke(&token, whole_session);
            Draft::Text(StatusCode::OK, "")
        }
        Endpoint::Elsewhere => Draft::Text(StatusCode::NOT_FOUND, "nothing here"),
    };
    let answer = send(state, &received, draft, &parts).await;
    abandoned.0 = None;
    state.answered.fetch_add(1, Ordering::SeqCst);
    answer
}

/// A connection that its client closes drops what was being done for it.
struct CountIfDropped<'a>(Option<&'a AtomicUsize>);

impl Drop for CountIfDropped<'_> {
    fn drop(&mut self) {
        if let Some(counter) = self.0 {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn receive(request: Request<Body>) -> Received {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let is_form = head.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.to_str().is_ok_and(|value| value.starts_with("application/x-www-form-urlencoded"))
    });
    let form = if is_form { form_urlencoded::parse(&body).into_owned().collect() } else { Vec::new() };
    let query =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    Received {
        endpoint: Endpoint::of(head.uri.path(), &form),
        method: head.method,
        uri: head.uri,
        query,
        headers: head.headers,
        form,
        at: Instant::now(),
    }
}

fn take_lies(state: &OpState, about: Endpoint) -> Vec<Part> {
    let mut lies = state.lies.lock().unwrap();
    let mut parts = Vec::new();
    for lie in lies.iter_mut().filter(|lie| lie.about == about) {
        match &mut lie.remaining {
            Some(0) => continue,
            Some(remaining) => *remaining -= 1,
            None => {}
        }
        parts.extend(lie.parts.iter().cloned());
    }
    parts
}

fn metadata(issuer: &str, for_browsers: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{for_browsers}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "end_session_endpoint": format!("{issuer}/end_session"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
    })
}

fn push(state: &OpState, request: &Received) -> Draft {
    if !authenticates(state, request) {
        return Draft::Json(StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}));
    }
    let request_uri = format!("urn:ietf:params:oauth:request_uri:{}", canary("request"));
    state.pushed.lock().unwrap().insert(request_uri.clone(), request.form.clone());
    Draft::Json(StatusCode::CREATED, json!({"request_uri": request_uri, "expires_in": 60}))
}

fn authorize(state: &OpState, request: &Received) -> Draft {
    // A pushed request works once (RFC 9126 §4).
    let pushed = request.query_value("request_uri").and_then(|it| state.pushed.lock().unwrap().remove(&it));
    let request = &match pushed {
        Some(form) => Received { query: form, ..request.clone() },
        None => request.clone(),
    };
    let (Some(client_id), Some(redirect_uri)) =
        (request.query_value("client_id"), request.query_value("redirect_uri"))
    else {
        return Draft::Text(StatusCode::BAD_REQUEST, "no client_id or no redirect_uri");
    };
    let user = state.policy.lock().unwrap().whoever_logs_in();
    let sid = match user.get("sub").and_then(Value::as_str) {
        Some(sub) if state.oddities.has(Oddity::OneGrantPerSession) => format!("canary-sid-of-{sub}"),
        _ => canary("sid"),
    };
    let code = state.grants.lock().unwrap().issue_code(Authorization {
        client_id,
        redirect_uri: redirect_uri.clone(),
        code_challenge: request.query_value("code_challenge").unwrap_or_default(),
        nonce: request.query_value("nonce"),
        user,
        sid,
        authenticated_at: now(),
    });
    let mut parameters = vec![("code".to_owned(), code)];
    parameters.extend(request.query_value("state").map(|value| ("state".to_owned(), value)));
    parameters.push(("iss".to_owned(), state.issuer.clone()));
    if request.query_value("response_mode").as_deref() == Some("form_post") {
        return Draft::Post(redirect_uri, parameters);
    }
    Draft::Return(redirect_uri, parameters)
}

fn token(state: &OpState, request: &Received, parts: &[Part]) -> Draft {
    if !authenticates(state, request) {
        return Draft::Json(StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}));
    }
    let form = |name| request.form_value(name).unwrap_or_default();
    let policy = state.policy.lock().unwrap().clone();
    let proof = request.dpop_proof();
    let shown = proof.as_ref().and_then(|proof| proof["nonce"].as_str());
    if policy.dpop_nonce.is_some() && shown != policy.dpop_nonce.as_deref() {
        // Before anything is spent (RFC 9449 §8).
        return Draft::Json(StatusCode::BAD_REQUEST, json!({"error": "use_dpop_nonce"}));
    }
    let mut grants = state.grants.lock().unwrap();
    let is_refresh = request.endpoint == Endpoint::Refresh;
    let authorization = if is_refresh {
        grants.redeem_refresh_token(&form("refresh_token"), policy.rotate_refresh_tokens)
    } else {
        grants.redeem_code(&form("code"), &form("redirect_uri"), &form("code_verifier"))
    };
    let oddities = &state.oddities;
    let Some(authorization) = authorization else {
        let (status, refusal) = oddities.refused_grant();
        return Draft::Json(status, refusal);
    };
    let ending = if oddities.has(Oddity::TokenCharacters) { TOKEN_CHARACTERS } else { "" };
    let access_token = grants.issue_access_token(&authorization, ending);
    let mut body = json!({
        "access_token": access_token,
        "token_type": if proof.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": policy.access_tokens.expires_in(),
        "scope": "openid profile email offline_access",
        // An authorization server's own extensions: none of them may leave the server (SEC-71).
        "session_state": canary("session-state"),
    });
    // A refresh answers an ID token only when a lie or a habit is about one (OpenID Connect Core §12.2 leaves it open).
    if !is_refresh
        || oddities.has(Oddity::RefreshesIdTokens)
        || parts.iter().any(|part| matches!(part, Part::IdToken(_)))
    {
        let claims = claims(&state.issuer, &authorization, &access_token);
        let mut draft = IdTokenDraft::new(claims, oddities.signing_key());
        if is_refresh {
            draft.without("nonce");
        }
        oddities.edit_id_token(&mut draft, is_refresh, now());
        for part in parts {
            if let Part::IdToken(edit) = part {
                edit(&mut draft);
            }
        }
        let id_token = draft.serialise();
        grants.remember_id_token(id_token.clone());
        body["id_token"] = json!(id_token);
    }
    if !is_refresh || policy.rotate_refresh_tokens {
        body["refresh_token"] = json!(grants.issue_refresh_token(authorization));
    }
    let created = oddities.has(Oddity::CreatesTokens);
    Draft::Json(if created { StatusCode::CREATED } else { StatusCode::OK }, body)
}

/// The claims of the user whose access token it is (OpenID Connect Core §5.3).
fn user_info(state: &OpState, request: &Received) -> Draft {
    let token = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let grants = state.grants.lock().unwrap();
    // A proof goes with the scheme that needs one, and with no other (RFC 9449 §7.1).
    let scheme = if request.dpop_proof().is_some() { "DPoP " } else { "Bearer " };
    match token.and_then(|value| grants.user_of(value.strip_prefix(scheme)?)) {
        Some(user) => Draft::Json(StatusCode::OK, Value::Object(user)),
        None => Draft::Json(StatusCode::UNAUTHORIZED, json!({"error": "invalid_token"})),
    }
}

fn claims(issuer: &str, authorization: &Authorization, access_token: &str) -> Value {
    let now = now();
    let mut claims = authorization.user.clone();
    claims.insert("iss".to_owned(), json!(issuer));
    claims.insert("aud".to_owned(), json!(authorization.client_id));
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + 300));
    claims.insert("auth_time".to_owned(), json!(authorization.authenticated_at));
    claims.insert("at_hash".to_owned(), json!(at_hash(access_token)));
    claims.insert("sid".to_owned(), json!(authorization.sid));
    if let Some(nonce) = &authorization.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    Value::Object(claims)
}

/// `private_key_jwt`, as far as it says who asks (RFC 7523 §3): whose key it is that signed is not looked at.
fn asserts(request: &Received) -> bool {
    let payload = request.form_value("client_assertion").and_then(|assertion| {
        let payload = assertion.split('.').nth(1)?.to_owned();
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    });
    payload.is_some_and(|claims| claims["iss"] == claims["sub"] && claims["sub"] == KEYED_CLIENT_ID)
}

/// `client_secret_basic` with its form encoding (RFC 6749 §2.3.1), or `client_secret_post`.
fn authenticates(state: &OpState, request: &Received) -> bool {
    if asserts(request) {
        return true;
    }
    let basic = request
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|value| String::from_utf8(STANDARD.decode(value).ok()?).ok());
    let (id, secret) = match basic.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((id, secret)) => (Some(form_decoded(id)), Some(form_decoded(secret))),
        None => (request.form_value("client_id"), request.form_value("client_secret")),
    };
    let (id, secret) = (id.unwrap_or_default(), secret.unwrap_or_default());
    let is_right = match &state.policy.lock().unwrap().team {
        Some(team) => team.made(&secret, &id, &state.issuer),
        None => secret == CLIENT_SECRET,
    };
    is_right && [CLIENT_ID, OTHER_CLIENT_ID].contains(&id.as_str())
}

fn form_decoded(value: &str) -> String {
    let pair = format!("v={value}");
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn end_session(request: &Received) -> Draft {
    match request.query_value("post_logout_redirect_uri") {
        Some(uri) => {
            let state = request.query_value("state").map(|value| ("state".to_owned(), value));
            Draft::Return(uri, state.into_iter().collect())
        }
        None => Draft::Text(StatusCode::OK, "you are logged out"),
    }
}

fn page_that_posts(to: &str, parameters: &[(String, String)]) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let input = |(name, value): &(String, String)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    format!(
        "<!doctype html><title>one moment</title><body onload=\"document.forms[0].submit()\">\
         <form method=\"post\" action=\"{}\">{}</form>",
        escape(to),
        parameters.iter().map(input).collect::<String>()
    )
}

async fn send(
    state: &OpState,
    request: &Received,
    draft: Draft,
    parts: &[Part],
) -> Result<Response<Body>, Closed> {
    let is_json = matches!(draft, Draft::Json(..));
    let (mut status, mut body, mut headers) = match draft {
        Draft::Json(status, mut json) => {
            state.oddities.edit_json(request.endpoint, &mut json);
            for part in parts {
                if let Part::Json(edit) = part {
                    edit(&mut json);
                }
            }
            (
                status,
                Bytes::from(json.to_string()),
                vec![(header::CONTENT_TYPE, state.oddities.json_type().to_owned())],
            )
        }
        Draft::Return(to, mut parameters) => {
            for part in parts {
                if let Part::Parameters(edit) = part {
                    edit(&mut parameters);
                }
            }
            let location = match Url::parse(&to) {
                Ok(mut url) => {
                    if !parameters.is_empty() {
                        url.query_pairs_mut().extend_pairs(parameters);
                    }
                    url.into()
                }
                Err(_) => to,
            };
            (StatusCode::SEE_OTHER, Bytes::new(), vec![(header::LOCATION, location)])
        }
        Draft::Post(to, mut parameters) => {
            for part in parts {
                if let Part::Parameters(edit) = part {
                    edit(&mut parameters);
                }
            }
            let page = page_that_posts(&to, &parameters);
            (StatusCode::OK, Bytes::from(page), vec![(header::CONTENT_TYPE, "text/html".to_owned())])
        }
        Draft::Text(status, text) => {
            (status, Bytes::from(text), vec![(header::CONTENT_TYPE, "text/plain".to_owned())])
        }
    };
    let mut transport = None;
    for part in parts {
        match part {
            Part::Status(code) => status = StatusCode::from_u16(*code).expect("a status"),
            Part::Header(name, value) => {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
                headers.retain(|(other, _)| *other != name);
                headers.push((name, value.clone()));
            }
            Part::Body(bytes) => body = bytes.clone(),
            Part::Prefix(bytes) => body = [bytes, &*body].concat().into(),
            Part::Repeat(member, value) => {
                let text = std::str::from_utf8(&body).expect("a JSON answer is text");
                body = super::id_token::with_first(text, member, value).into();
            }
            Part::Transport(how) => transport = Some(*how),
            Part::Json(_) | Part::IdToken(_) | Part::Parameters(_) | Part::Delay(_) | Part::Gate(_) => {}
        }
    }
    let (body, coding) = state.oddities.encode(&request.headers, is_json, body);
    headers.extend(coding.map(|coding| (header::CONTENT_ENCODING, coding.to_owned())));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().append(name, HeaderValue::from_str(&value).expect("a header value"));
    }
    match transport {
        Some(transport) => transport.send(response).await,
        None => Ok(response.map(Body::from)),
    }
}
