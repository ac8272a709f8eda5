//! The recipes of `docs/providers`: each is a configuration that loads, fits the provider's documented metadata
//! (`fixtures/metadata`), and logs in at a provider that announces just that.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use authtool_bff::Config;
use authtool_bff::domain::metadata::{ProviderMetadata, Transport};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, Endpoint, HostileOp, Lie, Team};
use authtool_tests::{Server, ServerConfig, Stage};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use url::Url;

/// The tenant that the hostile provider's users belong to where there are several.
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

struct Recipe {
    name: String,
    page: String,
    config: Value,
    /// Documented, unless the provider has none.
    metadata: Option<Value>,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the workspace").to_owned()
}

fn recipes() -> Vec<Recipe> {
    let mut recipes = Vec::new();
    for entry in std::fs::read_dir(workspace().join("docs/providers")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "index" {
            continue;
        }
        let page = std::fs::read_to_string(&path).unwrap();
        let block = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
        let config = serde_json::from_str(block.unwrap_or_else(|| panic!("{name} has no configuration")));
        let metadata = std::fs::read(workspace().join(format!("tests/fixtures/metadata/{name}.json")));
        recipes.push(Recipe {
            config: config.unwrap_or_else(|error| panic!("{name}: {error}")),
            metadata: metadata.ok().map(|text| serde_json::from_slice(&text).unwrap()),
            name,
            page,
        });
    }
    recipes.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(recipes.len() > 10, "some recipes are missing");
    recipes
}

impl Recipe {
    /// The configuration with the secrets that its reader provides.
    fn loaded(&self) -> Config {
        let mut config = self.config.clone();
        if self.signs_its_secret() {
            config["client"]["credentials"] = Team::new().credentials();
        } else {
            config["client"]["credentials"]["secret"] = json!("a secret of the provider's making");
        }
        config["session"]["signingKey"] = json!("0123456789abcdefghijklmnopqrstuv");
        config["session"]["encryptionKey"] = json!("vutsrqponmlkjihgfedcba9876543210");
        Config::from_json(&config.to_string()).unwrap_or_else(|problems| panic!("{}: {problems}", self.name))
    }

    /// Apple's way.
    fn signs_its_secret(&self) -> bool {
        !self.client("credentials")["teamId"].is_null()
    }

    fn client(&self, key: &str) -> &Value {
        &self.config["client"][key]
    }

    fn announces(&self, member: &str) -> Vec<&str> {
        let list = self.metadata.as_ref().and_then(|it| it[member].as_array());
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

#[test]
fn every_recipe_is_a_configuration_that_loads() {
    let index = std::fs::read_to_string(workspace().join("docs/providers/index.md")).unwrap();
    for recipe in recipes() {
        assert_eq!(recipe.loaded().warnings, Vec::<String>::new(), "{}", recipe.name);
        assert!(index.contains(&format!("({}.md)", recipe.name)), "the index lacks {}", recipe.name);
    }
}

#[test]
fn every_recipe_fits_the_providers_documented_metadata() {
    for recipe in recipes() {
        let name = &recipe.name;
        let config = recipe.loaded();
        let issuer = &config.provider.issuers[0];
        let Some(document) = &recipe.metadata else {
            let made =
                ProviderMetadata::of_configuration(&issuer.endpoints, &issuer.issuer, Transport::Encrypted);
            assert!(made.is_ok(), "{name} has no metadata, and is not configured whole: {made:?}");
            continue;
        };
        let metadata = ProviderMetadata::parse(
            document.to_string().as_bytes(),
            &issuer.endpoints,
            &issuer.issuer,
            Transport::Encrypted,
        )
        .unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_eq!(json!(metadata.token_endpoint.as_str()), document["token_endpoint"], "{name}");
        assert!(metadata.jwks_uri.is_some(), "{name}");
        assert_eq!(
            metadata.silent_about_pkce,
            recipe.page.contains("**PKCE** is supported, but the metadata does not say so"),
            "{name}: the page tells what the log will say about PKCE"
        );
        let logs_out = !recipe.client("postLogoutRedirectUri").is_null();
        assert_eq!(metadata.end_session_endpoint.is_some(), logs_out, "{name}");
        if let Some(usage) = recipe.client("userinfo").as_str() {
            assert!(usage == "never" || metadata.userinfo_endpoint.is_some(), "{name}");
        }
        assert!(recipe.announces("id_token_signing_alg_values_supported").contains(&"RS256"), "{name}");
        let methods = recipe.announces("token_endpoint_auth_methods_supported");
        let method = if recipe.signs_its_secret() { "client_secret_post" } else { "client_secret_basic" };
        assert!(methods.contains(&method), "{name}: {methods:?}");
        if let Some(mode) = recipe.client("responseMode").as_str() {
            assert!(recipe.announces("response_modes_supported").contains(&mode), "{name}");
        }
        let scopes = recipe.announces("scopes_supported");
        let asked = recipe.client("scope").as_str().unwrap();
        // Those of one's own APIs are not the provider's to announce.
        for scope in asked.split(' ').filter(|it| !it.contains(':')) {
            assert!(scopes.contains(&scope), "{name}: {scope} is not one of {scopes:?}");
        }
    }
}

/// The hostile provider, made to announce what a provider does, with endpoints of its own; and the recipe's
/// configuration for it.
async fn stage(recipe: &Recipe) -> Stage {
    let op = HostileOp::start().await;
    let here = |path: &str| json!(format!("{}{path}", op.issuer()));
    let endpoints = [
        ("authorization", "authorization_endpoint", "/authorize"),
        ("token", "token_endpoint", "/token"),
        ("jwks", "jwks_uri", "/jwks"),
        ("userinfo", "userinfo_endpoint", "/userinfo"),
        ("endSession", "end_session_endpoint", "/end_session"),
        ("revocation", "revocation_endpoint", "/revoke"),
        ("pushedAuthorizationRequest", "pushed_authorization_request_endpoint", "/par"),
    ];
    // The issuer keeps its path, and its slash if it ends with one.
    let moved = |url: &Value| {
        let text = url.as_str().expect("a URL");
        let host = Url::parse(text).unwrap()[..url::Position::BeforePath].to_owned();
        here(text.strip_prefix(&host).unwrap_or_default())
    };
    let mut client = recipe.config["client"].clone();
    let issuer = moved(&client["issuer"]);
    client["issuer"] = issuer.clone();
    if !client["metadataUrl"].is_null() {
        client["metadataUrl"] = moved(&client["metadataUrl"]);
    }
    for (name, _, path) in endpoints {
        if !client["endpoints"][name].is_null() {
            client["endpoints"][name] = here(path);
        }
    }
    let mut config = ServerConfig::new(op.issuer());
    client["clientId"] = json!(CLIENT_ID);
    client["credentials"] = json!({"secret": CLIENT_SECRET});
    if recipe.signs_its_secret() {
        let team = Team::new();
        client["credentials"] = team.credentials();
        op.takes_secrets_signed_by(&team);
    }
    for key in ["redirect_uri", "postLogoutRedirectUri"] {
        if let Some(text) = recipe.client(key).as_str() {
            client[key] = json!(text.replace("https://app.example.com", &config.app()));
        }
    }
    client.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    config.set("/client", client);
    config.set("/session/userClaims", recipe.config["session"]["userClaims"].clone());

    let says_who_answers = match &recipe.metadata {
        None => false,
        Some(document) => {
            let mut document = document.clone();
            document["issuer"] = issuer.clone();
            for (_, member, path) in endpoints {
                if !document[member].is_null() {
                    document[member] = here(path);
                }
            }
            let flag = document["authorization_response_iss_parameter_supported"] == true;
            op.lies(Lie::about(Endpoint::Discovery).json(move |it| *it = document.clone()));
            flag
        }
    };
    let name = issuer.as_str().unwrap().to_owned();
    let posts_the_name = recipe.signs_its_secret();
    op.lies(Lie::about(Endpoint::Authorization).parameters(move |parameters| {
        parameters.retain(|(name, _)| name != "iss");
        if posts_the_name {
            let user =
                json!({"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "ada@example.com"});
            parameters.push(("user".to_owned(), user.to_string()));
        }
        if says_who_answers {
            parameters.push(("iss".to_owned(), name.clone()));
        }
    }));
    op.lies(id_token(recipe, issuer.as_str().unwrap()));
    op.logs_in("ada", &json!({"id": 1815, "login": "ada"}));
    Stage { server: Server::start(config).await, op }
}

/// What is particular about the provider's token answers.
fn id_token(recipe: &Recipe, issuer: &str) -> Lie {
    let lie = Lie::about(Endpoint::CodeExchange)
        .claim("iss", json!(issuer.replace("{tenantid}", TENANT)))
        .claim("tid", json!(TENANT));
    let scope = recipe.client("scope").as_str().unwrap_or_default();
    if !scope.split(' ').any(|it| it == "openid") {
        return lie.without("id_token").without("expires_in").without("refresh_token");
    }
    let lie = if recipe.signs_its_secret() { lie.id_token(|token| token.without("name")) } else { lie };
    let lie = match recipe.client("idTokenFurtherAudiences").as_array() {
        Some(further) => {
            let mut audience = further.clone();
            audience.push(json!(CLIENT_ID));
            lie.claim("aud", json!(audience)).claim("azp", json!(CLIENT_ID))
        }
        None => lie,
    };
    let lie = match recipe.client("allowIdTokensWithoutNonce").as_bool() {
        Some(true) => lie.id_token(|token| token.without("nonce")),
        _ => lie,
    };
    if recipe.client("userinfo").is_null() {
        return lie;
    }
    lie.id_token(|token| {
        token.without("name");
        token.without("email");
    })
}

#[tokio::test]
async fn every_recipe_logs_in_at_a_provider_that_announces_just_that() {
    for recipe in recipes() {
        let name = &recipe.name;
        let stage = stage(&recipe).await;
        let browser = stage.logged_in().await;
        let session = stage.session(&browser).await;
        assert_eq!(session.status, 200, "{name}: {session:?}");
        assert_eq!(session.json()["name"], "Ada Lovelace", "{name}: {session:?}");
        assert_eq!(stage.token(&browser).await.status, 200, "{name}");
        let pushes =
            recipe.metadata.as_ref().is_some_and(|it| !it["pushed_authorization_request_endpoint"].is_null());
        assert_eq!(stage.op.count(Endpoint::Push) > 0, pushes, "{name}");
        logs_out(&recipe, &stage, &browser).await;
    }
}

/// The logout goes where the page says, with what the page says.
async fn logs_out(recipe: &Recipe, stage: &Stage, browser: &Browser) {
    let name = &recipe.name;
    let location: Url = stage.log_out(browser).await.header("location").parse().unwrap();
    let sent: Vec<String> = location.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let expected: Vec<&str> =
        match (recipe.client("postLogoutRedirectUri"), recipe.client("endSessionParameters")) {
            (Value::Null, _) => Vec::new(),
            (_, Value::Object(own)) => own.keys().map(String::as_str).collect(),
            _ => vec!["client_id", "id_token_hint", "post_logout_redirect_uri", "state"],
        };
    assert_eq!(sent, expected, "{name}: {location}");
    assert_eq!(stage.session(browser).await.status, 401, "{name}");
}
