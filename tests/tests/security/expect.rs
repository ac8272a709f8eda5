//! Expectations that several chapters share.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, HostileOp, Lie};
use authtool_tests::{Answer, Server, ServerConfig, Stage};
use url::Url;

/// A callback that was refused: an error page or a redirect, and no session.
#[track_caller]
pub(crate) fn refused(what: &str, answer: &Answer) {
    assert!(!answer.sets_session(), "{what}: a session was handed out: {answer:?}");
    let status = answer.status.as_u16();
    assert!(matches!(status, 302 | 303 | 400 | 403 | 414 | 431 | 502 | 503), "{what}: {answer:?}");
}

/// A callback that was accepted: a redirect, with a session.
#[track_caller]
pub(crate) fn accepted(what: &str, answer: &Answer) {
    assert!(answer.sets_session(), "{what}: no session was handed out: {answer:?}");
    assert!(matches!(answer.status.as_u16(), 302 | 303), "{what}: {answer:?}");
}

/// A navigation or fetch that was refused because of where it came from.
#[track_caller]
pub(crate) fn forbidden(what: &str, answer: &Answer) {
    assert!(matches!(answer.status.as_u16(), 400 | 403), "{what}: {answer:?}");
    assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
    assert!(answer.header("location").is_empty(), "{what}: {answer:?}");
}

/// Logs a fresh browser in while the provider tells one lie, and nothing else.
pub(crate) async fn login_with(stage: &Stage, lie: Lie) -> (Browser, Answer) {
    stage.op.tells_the_truth();
    stage.op.lies(lie);
    let outcome = stage.callback_answer().await;
    stage.op.tells_the_truth();
    outcome
}

/// The answer of `/login` to somebody who typed it into the address bar.
pub(crate) async fn login_answer(server: &Server) -> Answer {
    Browser::new().open(server.bff("/login")).first_hop().go().await.answer
}

/// A server whose provider tells a lie about its metadata from the beginning. It comes back as soon as the
/// server has asked for the metadata a second time: only a server that refused the first answer does.
pub(crate) async fn server_that_refuses_metadata(lie: Lie) -> (HostileOp, Server) {
    let op = HostileOp::start().await;
    op.lies(lie);
    let server = Server::start_unready(ServerConfig::new(op.issuer())).await;
    op.has_received(Endpoint::Discovery, 2).await;
    (op, server)
}

/// The authorisation request that `/login` redirects to.
pub(crate) fn authorization_request(answer: &Answer) -> Url {
    let location = answer.header("location");
    Url::parse(location).unwrap_or_else(|error| panic!("the Location {location:?}: {error}; {answer:?}"))
}

/// All values of a query parameter.
pub(crate) fn values(url: &Url, name: &str) -> Vec<String> {
    url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// The one value of a query parameter.
#[track_caller]
pub(crate) fn value(url: &Url, name: &str) -> String {
    let values = values(url, name);
    assert_eq!(values.len(), 1, "{name} in {url}");
    values.into_iter().next().unwrap_or_default()
}

/// A URL with a query parameter replaced, or removed.
pub(crate) fn with_parameter(url: &Url, name: &str, value: Option<&str>) -> Url {
    let kept: Vec<_> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(kept);
    if let Some(value) = value {
        changed.query_pairs_mut().append_pair(name, value);
    }
    changed
}

/// The cookies that are neither the session's, nor say that a login has just succeeded: those of open logins.
pub(crate) fn flow_cookies(browser: &Browser) -> Vec<authtool_tests::browser::Cookie> {
    let mut cookies = browser.jar().all();
    cookies
        .retain(|cookie| cookie.name != authtool_tests::SESSION && cookie.name != "__Host-authtool_returned");
    cookies
}
