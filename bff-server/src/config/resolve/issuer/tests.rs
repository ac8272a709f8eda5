//! One authorization server or several, and how they are described.

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, ConfigProblems};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn client(changes: Value) -> Value {
    let mut client = json!({
        "clientId": "app",
        "redirect_uri": "https://app.example/oauth/callback",
        "credentials": {"secret": "s3cret"},
        "scope": "openid",
    });
    merge(&mut client, changes);
    client
}

fn merge(into: &mut Value, changes: Value) {
    for (name, value) in changes.as_object().unwrap() {
        into[name] = value.clone();
    }
}

/// A file whose `client` is this.
fn file(client: &Value) -> Result<Config, ConfigProblems> {
    let file = json!({
        "client": client,
        "connections": {"here": {"type": "embedded"}},
        "session": {
            "signingKey": "0123456789abcdefghijklmnopqrstuv",
            "encryptionKey": "vutsrqponmlkjihgfedcba9876543210",
            "authorizationFlowCache": {"connectionName": "here"},
        },
    });
    Config::from_json(&file.to_string())
}

/// A client inline, at an issuer described like this.
fn inline(changes: Value) -> Result<Config, ConfigProblems> {
    let mut inline = client(json!({"issuer": "https://op.example/realm"}));
    merge(&mut inline, changes);
    file(&inline)
}

/// Several clients, beside what else there is.
fn several(shared: Value, clients: Value) -> Result<Config, ConfigProblems> {
    let mut section = shared;
    section["clients"] = clients;
    file(&section)
}

#[track_caller]
fn refused(outcome: Result<Config, ConfigProblems>, key: &str) {
    let problems = outcome.expect_err(&format!("nothing is wrong with {key}"));
    assert!(problems.0.iter().any(|it| it.key == key), "{key}: {problems}");
    assert!(problems.0.iter().all(|it| !it.fix.is_empty()), "{problems}");
}

fn places_of(config: &Config) -> Vec<&str> {
    match &config.provider.issuers[0].metadata {
        MetadataSource::At(places) => places.iter().map(Url::as_str).collect(),
        MetadataSource::Configuration => Vec::new(),
    }
}

#[test]
fn metadata_is_looked_for_where_the_specifications_put_it() {
    for (description, places) in [
        (json!({}), vec!["https://op.example/realm/.well-known/openid-configuration"]),
        (json!({"issuerMetadataSegment": "/.meta"}), vec!["https://op.example/realm/.meta"]),
        (
            json!({"issuerMetadataSegment": "/.well-known/oauth-authorization-server"}),
            vec![
                "https://op.example/realm/.well-known/oauth-authorization-server",
                "https://op.example/.well-known/oauth-authorization-server/realm",
            ],
        ),
        (
            json!({
                "issuer": "https://op.example",
                "issuerMetadataSegment": "/.well-known/oauth-authorization-server",
            }),
            vec!["https://op.example/.well-known/oauth-authorization-server"],
        ),
        (json!({"metadataUrl": "https://op.example/x?app=1"}), vec!["https://op.example/x?app=1"]),
    ] {
        assert_eq!(places_of(&inline(description.clone()).unwrap()), places, "{description}");
    }
}

#[test]
fn two_endpoints_are_enough_to_fetch_no_metadata() {
    let endpoints = json!({
        "authorization": "https://op.example/authorize",
        "token": "https://op.example/token",
        "jwks": "https://op.example/jwks",
    });
    let config = inline(json!({"endpoints": endpoints})).unwrap();
    let issuer = &config.provider.issuers[0];
    assert_eq!(issuer.metadata, MetadataSource::Configuration);
    assert_eq!(issuer.endpoints["token_endpoint"], "https://op.example/token");
    refused(
        inline(json!({"endpoints": endpoints, "metadataUrl": "https://op.example/x"})),
        "client.metadataUrl",
    );
    let mut keyless = endpoints.clone();
    keyless.as_object_mut().unwrap().remove("jwks");
    refused(inline(json!({"endpoints": keyless})), "client.endpoints.jwks");
    assert!(inline(json!({"endpoints": keyless, "scope": "read:user"})).is_ok());
    let asking = json!({"endpoints": keyless, "scope": "read:user", "userinfo": "always"});
    refused(inline(asking), "client.endpoints.userinfo");
    let own = client(json!({"issuer": "https://b.example", "endpoints": keyless}));
    refused(several(json!({}), json!([own])), "client.clients[0].endpoints.jwks");
    let one = inline(json!({"endpoints": {"endSession": "https://op.example/logout"}})).unwrap();
    assert_eq!(places_of(&one).len(), 1, "the rest is still fetched");
}

#[test]
fn sec_131_configured_endpoints_are_as_strict_as_those_of_metadata() {
    let names = [
        "authorization",
        "token",
        "jwks",
        "userinfo",
        "endSession",
        "revocation",
        "pushedAuthorizationRequest",
    ];
    for name in names {
        for url in ["http://op.example/x", "/x", "https://a:b@op.example", "https://op.example#x", ""] {
            refused(inline(json!({"endpoints": {name: url}})), &format!("client.endpoints.{name}"));
        }
    }
    refused(inline(json!({"metadataUrl": "http://op.example/x"})), "client.metadataUrl");
    refused(
        inline(json!({"endpoints": {"authorisation": "https://op.example"}})),
        "client.endpoints.authorisation",
    );
    let plain = json!({"allowInsecureHttp": true, "endpoints": {"revocation": "http://op.example/x"}});
    assert!(inline(plain).is_ok());
}

#[test]
fn sec_038_a_tenant_placeholder_needs_the_tenants_it_may_stand_for() {
    let entra = |tenants: Value| {
        inline(json!({
            "issuer": "https://login.example/{tenantid}/v2.0",
            "metadataUrl": "https://login.example/organizations/v2.0/.well-known/openid-configuration",
            "allowedTenants": tenants,
        }))
    };
    let config = entra(json!([TENANT.to_uppercase()])).unwrap();
    let expected = &config.provider.clients[0].id_token_issuer;
    assert_eq!(expected.known().unwrap(), [format!("https://login.example/{TENANT}/v2.0")]);
    assert!(entra(json!(["*"])).is_ok());
    for (tenants, key) in [
        (json!(null), "client.allowedTenants"),
        (json!([]), "client.allowedTenants"),
        (json!(["contoso.com"]), "client.allowedTenants[0]"),
        (json!([TENANT, "*"]), "client.allowedTenants[1]"),
        (json!(["common"]), "client.allowedTenants[0]"),
    ] {
        refused(entra(tenants), key);
    }
    refused(inline(json!({"allowedTenants": [TENANT]})), "client.allowedTenants");
    let template = json!({"issuer": "https://login.example/{tenantid}", "allowedTenants": [TENANT]});
    refused(inline(template), "client.issuer");
    let other = json!({
        "idTokenValidationIssuer": "https://login.example/{tenantid}/v2.0", "allowedTenants": [TENANT],
    });
    assert!(inline(other).is_ok(), "the metadata's issuer may be another one");
}

#[test]
fn clients_may_have_an_issuer_of_their_own_or_share_the_sections() {
    let shared = json!({"issuer": "https://a.example", "idTokenSigningAlgorithms": ["ES256"]});
    let own = client(json!({
        "name": "b", "issuer": "https://b.example", "redirect_uri": "https://app.example/oauth/callback/b",
    }));
    let config = several(shared.clone(), json!([client(json!({})), own])).unwrap();
    let issuers: Vec<_> = config.provider.issuers.iter().map(|it| it.issuer.as_str()).collect();
    assert_eq!(issuers, ["https://a.example", "https://b.example"]);
    let algorithms: Vec<_> =
        config.provider.clients.iter().map(|it| format!("{:?}", it.id_token_algorithms)).collect();
    assert_eq!(algorithms, ["Some([ES256])", "None"], "what describes one issuer does not describe another");
    let config = several(json!({}), json!([own])).unwrap();
    assert_eq!(config.provider.clients[0].name, "b");
    refused(several(json!({}), json!([own, client(json!({}))])), "client.issuer");
}

#[test]
fn what_describes_an_issuer_stands_beside_it() {
    let shared = json!({"issuer": "https://a.example"});
    for (name, value) in [
        ("issuerMetadataSegment", json!("/x")),
        ("metadataUrl", json!("https://a.example/x")),
        ("endpoints", json!({"token": "https://a.example/x"})),
        ("allowInsecureHttp", json!(true)),
        ("allowLogoutTokensWithoutExp", json!(true)),
    ] {
        let stray = several(shared.clone(), json!([client(json!({name: value.clone()}))]));
        refused(stray, &format!("client.clients[0].{name}"));
        let own = json!({"issuer": "https://b.example"});
        refused(several(json!({name: value}), json!([client(own)])), &format!("client.{name}"));
    }
    for (name, value) in [("name", json!("x")), ("allowedTenants", json!([TENANT]))] {
        let mut shared = shared.clone();
        shared[name] = value;
        refused(several(shared, json!([client(json!({}))])), &format!("client.{name}"));
    }
}

#[test]
fn sec_005_clients_that_could_be_taken_for_each_other_are_refused() {
    let at = |issuer: &str, name: Value, callback: &str| {
        client(json!({
            "issuer": issuer, "name": name,
            "redirect_uri": format!("https://app.example/oauth/callback{callback}"),
        }))
    };
    let (a, b) = ("https://a.example", "https://b.example");
    let both = |one: Value, other: Value| several(json!({}), json!([one, other]));
    assert!(both(at(a, json!("a"), "/a"), at(b, json!("b"), "/b")).is_ok());
    assert!(both(at(a, json!(null), "/a"), at(b, json!("b"), "/b")).is_ok());
    refused(both(at(a, json!(null), "/a"), at(b, json!(null), "/b")), "client.clients[1].name");
    refused(both(at(a, json!("a"), "/a"), at(b, json!("a"), "/b")), "client.clients[1].name");
    refused(both(at(a, json!("a"), "/a"), at(a, json!("b"), "/b")), "client.clients[1].clientId");
    for (one, other) in
        [("", ""), ("?idp=a", "?idp=b"), ("", "/"), ("/a", "/%61"), ("-a", "-b"), ("-a", "/b")]
    {
        let alike = both(at(a, json!("a"), one), at(b, json!("b"), other));
        refused(alike, "client.clients[1].redirect_uri");
    }
    let mut elsewhere = at(b, json!("b"), "/a");
    merge(&mut elsewhere, json!({"redirect_uri": "https://other.example/x/oauth/callback/a"}));
    refused(both(at(a, json!("a"), "/a"), elsewhere), "client.clients[1].redirect_uri");
    assert!(both(at(a, json!("a"), ""), at(b, json!("b"), "/b")).is_ok());
    refused(both(at(a, json!(""), "/a"), at(b, json!("b"), "/b")), "client.clients[0].name");
    let mut differently = at(a, json!("b"), "/b");
    merge(&mut differently, json!({"clientId": "other", "allowInsecureHttp": true}));
    refused(both(at(a, json!("a"), "/a"), differently), "client.clients[1].issuer");
}

#[test]
fn sec_049_users_of_one_issuer_are_identified_in_one_way() {
    let issuer = json!({"issuer": "https://a.example"});
    let of = |name: &str, changes: Value| {
        let mut client = client(json!({"name": name, "clientId": name}));
        merge(&mut client, changes);
        client
    };
    let by_id = json!({"scope": "user", "userinfo": "always", "userinfoSubjectClaim": "id"});
    let by_login = json!({"scope": "user", "userinfo": "always", "userinfoSubjectClaim": "login"});
    let both = |one: &Value, other: &Value| {
        several(issuer.clone(), json!([of("a", one.clone()), of("b", other.clone())]))
    };
    refused(both(&json!({}), &by_id), "client.clients[1].scope");
    refused(both(&by_id, &by_login), "client.clients[1].scope");
    assert!(both(&by_id, &by_id).is_ok());
    assert!(both(&json!({}), &json!({"scope": "api"})).is_ok(), "nobody is identified there");
    let mut elsewhere = by_id.clone();
    merge(
        &mut elsewhere,
        json!({"issuer": "https://b.example", "redirect_uri": "https://app.example/oauth/callback/b"}),
    );
    assert!(both(&json!({}), &elsewhere).is_ok());
}

#[test]
fn sec_016_what_only_an_id_token_shows_is_not_asked_for_without_one() {
    let base = json!({"scope": "user"});
    let with = |changes: Value| {
        let mut all = base.clone();
        merge(&mut all, changes);
        inline(all)
    };
    let names = |config: &Config| -> Vec<_> {
        config.provider.clients[0].login_policy.parameters.iter().map(|it| it.name()).collect()
    };
    assert_eq!(names(&with(json!({})).unwrap()), ["prompt", "login_hint", "ui_locales"]);
    assert_eq!(names(&inline(json!({})).unwrap()).len(), 5);
    refused(with(json!({"loginParameters": ["prompt", "max_age"]})), "client.loginParameters[1]");
    refused(with(json!({"extra": {"max_age": 60}})), "client.extra.max_age");
    assert!(inline(json!({"extra": {"max_age": 60}})).is_ok());
}
