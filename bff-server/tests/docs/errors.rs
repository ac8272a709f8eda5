//! `reference/errors.md`: the codes of problem documents and of error pages.

use std::fmt::Write as _;

use authtool_bff::error_pages;
use authtool_contract::ProblemCode;

use crate::{cell, keep};

/// What somebody who meets the code does about it.
fn advice(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::NoSession => {
            "Nobody is logged in, or no longer: the one code that means *log in*. `isUnauthorized(error)` in the client."
        }
        ProblemCode::InvalidToken => {
            "A client without a session brought a bearer token that is forged, has expired, or is for somebody else. The log says \
             what is wrong with it (`bearer_token_refused`). [Machines and browsers behind one gateway](../guides/machines.md)"
        }
        ProblemCode::ForbiddenContext => {
            "The request comes from where it may not: another site, a subresource, a browser at `/token` in `bff` mode, a \
             gateway without its credential. `detail` says which."
        }
        ProblemCode::InvalidRequest => {
            "A parameter or header is missing, doubled, too long or malformed; `detail` names it."
        }
        ProblemCode::NotFound => {
            "Nothing is at this path. Look at `server.apiPrefix`, and at which of the two listeners was asked."
        }
        ProblemCode::MethodNotAllowed => "The header `Allow` lists the methods that are.",
        ProblemCode::ContentTooLarge => "Our endpoints take at most 32 KiB.",
        ProblemCode::HeadersTooLarge => "Too many cookies, usually: 32 KiB of headers are the limit.",
        ProblemCode::UpstreamUnavailable => "The API behind `server.proxy` does not answer.",
        ProblemCode::StoreUnavailable => {
            "The session may well be alive: retry after `Retry-After`. [503 after a failover](../operations/incidents.md#503-after-a-failover)"
        }
        ProblemCode::ProviderUnavailable => {
            "The token has expired and the provider does not answer: retry after `Retry-After`. The session stays."
        }
        ProblemCode::Internal => "A defect of ours. The correlation id finds it in the log.",
    }
}

#[test]
fn every_error_code_is_in_the_reference_and_nothing_else_is() {
    let mut page = "\
# Errors

This page is made from the code.

## Problem documents

What a `fetch` is answered when it is refused, as `application/problem+json` (RFC 9457). `code` is stable; `title` and `detail` are
for people. `correlation_id`, also in the header `x-correlation-id`, finds the request in the log.

<!-- test: problem -->
```json
{
  \"type\": \"urn:authtool:problem:no_session\",
  \"title\": \"You are not logged in\",
  \"status\": 401,
  \"code\": \"no_session\",
  \"correlation_id\": \"5f0c6c0e7d8b4b52\"
}
```

| code | status | title | what it means |
|---|---|---|---|
".to_owned();
    for code in ProblemCode::ALL {
        let (name, status, title) = (code.as_str(), code.status(), code.title());
        writeln!(
            page,
            "| <span id=\"{name}\"></span>`{name}` | {status} | {title} | {} |",
            cell(advice(code))
        )
        .unwrap();
    }
    page.push_str("
## Error pages

What a person sees when a login goes wrong: a page of the server's own, or yours. With `session.errorRedirects` set, the browser
goes there with `error` (the code) and `correlation_id` in the query, and the page can say it in your words.

| code | status | what happened | what the page advises |
|---|---|---|---|
");
    for error in error_pages() {
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            error.code,
            error.status,
            cell(error.title),
            cell(error.advice)
        )
        .unwrap();
    }
    page.push_str("
## `login_error`

A [silent login](../login.md#is-somebody-logged-in-at-the-provider-silent-login) that brought nobody comes back to the app with
`login_error` in the query: `login_required`, `consent_required`, `interaction_required`, `account_selection_required`, or one of
the codes above.
");
    keep("errors.md", &page);
    // The list that the page is made of has every variant that there is a text for.
    let source = include_str!("../../src/http/page.rs");
    assert_eq!(error_pages().count(), source.matches("=> text(").count(), "PageCode::ALL lacks a code");
}
