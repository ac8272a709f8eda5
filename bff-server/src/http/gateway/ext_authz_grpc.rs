//! Envoy's `ext_authz` over gRPC, on the internal listener: `envoy.service.auth.v3.Authorization/Check`.
//!
//! A route where nobody must be logged in says so by `context_extensions: {session: optional}`.

use std::sync::Arc;

use authtool_contract::{ProblemCode, header::CORRELATION_ID};
use axum::{
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::{
    App, CorrelationId, ProofFor, Question, Session, decide,
    ext_authz::OF_ENVOY,
    ext_authz_messages::{
        self as messages, AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HttpRequest,
        HttpResponse, HttpStatus, OVERWRITE, OkHttpResponse, Status,
    },
    problem_in_detail,
    unary::{self, Failure},
};
use crate::http::{caller, headers};

/// Headers, which Envoy limits to about 60 KiB, and what Envoy says about the connection.
const MAX_QUESTION_BYTES: usize = 256 * 1024;
/// Our own problem documents.
const MAX_REFUSAL_BYTES: usize = 16 * 1024;
/// The route's own word for [`Session::Optional`].
const SESSION: &str = "session";
const OPTIONAL: &str = "optional";
/// `google.rpc.Code`
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

/// See the [module](self).
pub(in crate::http) async fn check(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    if let Some(detail) = caller::gateway_refusal(app.gateway_credential.as_ref(), &head.headers) {
        return unary::failure(Failure::PermissionDenied, detail);
    }
    let question = unary::receive::<CheckRequest>(&head.headers, body, MAX_QUESTION_BYTES).await;
    let asked = question.map(CheckRequest::into_http);
    match asked {
        Ok(Some((request, session))) => unary::answer(&answer(&app, &request, session, &id).await),
        Ok(None) => unary::failure(Failure::InvalidArgument, "there is no HTTP request to decide about"),
        Err(failure) => unary::failure(failure, "this is no CheckRequest"),
    }
}

impl CheckRequest {
    fn into_http(self) -> Option<(HttpRequest, Session)> {
        let AttributeContext { request, context_extensions } = self.attributes?;
        let optional = context_extensions.get(SESSION).is_some_and(|it| it == OPTIONAL);
        Some((request?.http?, if optional { Session::Optional } else { Session::Required }))
    }
}

/// The headers in a `CheckRequest`, for the fuzz target.
#[cfg(feature = "fuzzing")]
pub(crate) fn headers_of_check_request(bytes: &[u8]) -> Option<HeaderMap> {
    let (request, _) = <CheckRequest as prost::Message>::decode(bytes).ok()?.into_http()?;
    request.sent_headers()
}

async fn answer(app: &App, request: &HttpRequest, session: Session, id: &CorrelationId) -> CheckResponse {
    let (Ok(method), Some(sent), Ok(path)) =
        (Method::from_bytes(&request.method), request.sent_headers(), std::str::from_utf8(&request.path))
    else {
        let detail = "the method, a header or the path is not one";
        return denied(problem_in_detail(ProblemCode::InvalidRequest, Some(detail), id), id).await;
    };
    let question = Question {
        method,
        headers: &sent,
        session,
        proof: ProofFor::Path(path),
        path: Some(path),
        // Of the path as Envoy has it, and not as a client describes it.
        machines: app.machine_access(path),
        of_the_gateway: &OF_ENVOY,
    };
    match decide(app, &question, id).await {
        Ok(changes) => CheckResponse {
            status: Some(Status { code: OK }),
            http_response: Some(HttpResponse::Ok(OkHttpResponse {
                headers: changes.set.iter().map(|(name, value)| option(name, value)).collect(),
                headers_to_remove: changes.remove.iter().map(|name| name.as_str().to_owned()).collect(),
            })),
        },
        Err(refusal) => denied(refusal, id).await,
    }
}

impl HttpRequest {
    /// As they came, or as Envoy joined them. `None` if one of them is no header.
    fn sent_headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        let mut append = |name: &[u8], value: &Bytes| {
            // Pseudo-headers are told apart as method and path.
            if name.starts_with(b":") {
                return Some(());
            }
            let name = HeaderName::from_bytes(name).ok()?;
            headers.try_append(name, HeaderValue::from_maybe_shared(value.clone()).ok()?).ok()?;
            Some(())
        };
        for (name, value) in &self.headers {
            append(name.as_bytes(), value)?;
        }
        for header in self.header_map.iter().flat_map(|map| &map.headers) {
            let value = if header.raw_value.is_empty() { &header.value } else { &header.raw_value };
            append(&header.key, value)?;
        }
        Some(headers)
    }
}

fn option(name: &HeaderName, value: &HeaderValue) -> messages::HeaderValueOption {
    let bytes = Bytes::copy_from_slice(value.as_bytes());
    let (value, raw_value) =
        if std::str::from_utf8(&bytes).is_ok() { (bytes, Bytes::new()) } else { (Bytes::new(), bytes) };
    messages::HeaderValueOption {
        header: Some(messages::HeaderValue {
            key: Bytes::copy_from_slice(name.as_str().as_bytes()),
            value,
            raw_value,
        }),
        append_action: OVERWRITE,
    }
}

/// An answer for the client, within the answer for Envoy.
async fn denied(refusal: Response, id: &CorrelationId) -> CheckResponse {
    let (head, body) = headers::hardened(refusal).into_parts();
    let code = match head.status {
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        status if status.is_server_error() => UNAVAILABLE,
        _ => PERMISSION_DENIED,
    };
    let mut headers: Vec<_> = head.headers.iter().map(|(name, value)| option(name, value)).collect();
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.push(option(&HeaderName::from_static(CORRELATION_ID), &id));
    }
    let body = Limited::new(body, MAX_REFUSAL_BYTES).collect().await.map(http_body_util::Collected::to_bytes);
    CheckResponse {
        status: Some(Status { code }),
        http_response: Some(HttpResponse::Denied(DeniedHttpResponse {
            status: Some(HttpStatus { code: head.status.as_u16().into() }),
            headers,
            body: body.unwrap_or_default(),
        })),
    }
}
