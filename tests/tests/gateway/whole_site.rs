//! A whole site behind nginx, as people protect it: who is not logged in is sent to the login. With the default cookie.

use authtool_tests::browser::{Browser, Page};
use authtool_tests::hostile::{Endpoint, Lie};
use authtool_tests::nginx::Nginx;
use authtool_tests::{SESSION, Stage, Upstream, ports, raw, wait};
use serde_json::json;
use url::Url;

/// What everybody writes who comes from another proxy: nginx cannot encode the address.
const BY_REDIRECT: &str = "error_page 401 =302 /bff/login?redirect_uri=$request_uri;";
const BY_RECIPE: &str = "error_page 401 = @authtool_login;";

struct Site {
    nginx: Nginx,
    stage: Stage,
    pages: Upstream,
}

impl Site {
    async fn new(edit: impl FnOnce(String) -> String) -> Self {
        Self::below("", edit).await
    }

    /// With a path in front of everything.
    async fn below(base: &str, edit: impl FnOnce(String) -> String) -> Self {
        let port = ports::free();
        let app = format!("http://localhost:{port}{base}");
        let stage = Stage::with(|config| {
            config
                .set("/client/redirect_uri", json!(format!("{app}/bff/oauth/callback")))
                .set("/client/postLogoutRedirectUri", json!(format!("{app}/bff/oidc/logout/callback")));
            if !base.is_empty() {
                config.set("/server/publicBasePath", json!(base));
            }
        })
        .await;
        let pages = Upstream::start().await;
        let (server, internal) = (&stage.server.public, &stage.server.internal);
        let nginx = Nginx::with("whole-site.conf", port, server, internal, &pages.origin, edit).await;
        Self { nginx, stage, pages }
    }

    fn at(&self, path: &str) -> Url {
        self.nginx.public.join(path).unwrap()
    }

    /// Opens a page as a person does: the provider asks for a password, so that the way back begins at its page, and a page that
    /// leads on is followed. Answers where it ends, and how often somebody had to log in.
    async fn visit(&self, browser: &Browser, from: Option<&str>, path: &str) -> (Page, usize) {
        let mut logins = 0;
        let (mut from, mut to) = (from.map(|it| Url::parse(it).unwrap()), self.at(path));
        for _ in 0..40 {
            let navigation = match &from {
                Some(from) => browser.follow(from, &to),
                None => browser.open(&to),
            };
            let page = navigation.stop_before(|url| url.path().ends_with("/oauth/callback")).go().await;
            if let Some(callback) = page.next.clone() {
                logins += 1;
                (from, to) = (Some(Url::parse(self.stage.op.issuer()).unwrap()), callback);
            } else if let Some(next) = leads_on(&page) {
                (from, to) = (Some(page.url.clone()), next);
            } else {
                return (page, logins);
            }
        }
        panic!("{path} goes round in circles");
    }
}

/// `<meta http-equiv="refresh">`.
fn leads_on(page: &Page) -> Option<Url> {
    let html = page.answer.text();
    let (_, rest) = html.split_once("http-equiv=\"refresh\" content=\"0; url=")?;
    Some(page.url.join(&rest.split_once('"')?.0.replace("&amp;", "&")).unwrap())
}

async fn is_logged(stage: &Stage, what: &str) {
    wait::until(what, async || stage.server.log().find(what)).await;
}

/// The address of the page's only button.
fn button(page: &Page) -> Url {
    let html = page.answer.text();
    let (_, rest) = html.split_once("<a href=\"").unwrap_or_else(|| panic!("no button: {html}"));
    page.url.join(&rest.split_once('"').unwrap().0.replace("&amp;", "&")).unwrap()
}

#[tokio::test]
async fn sec_028_a_site_behind_a_login_is_reached_with_the_default_cookie() {
    for way in [BY_RECIPE, BY_REDIRECT] {
        let site = Site::new(|recipe| recipe.replace(BY_RECIPE, way)).await;
        for path in ["/", "/orders?a=1&b=x%20y&c=%26", "/docs/v1.2"] {
            let browser = Browser::new();
            let before = site.pages.arrived().len();
            let (page, logins) = site.visit(&browser, None, path).await;
            assert_eq!((page.status().as_u16(), logins), (200, 1), "{way} {path}: {page:#?}");
            assert_eq!(page.answer.text(), "from the upstream", "{way} {path}");
            assert_eq!(page.url, site.at(path), "{way}");
            let arrived = site.pages.last();
            assert_eq!((arrived.uri.to_string().as_str(), site.pages.arrived().len()), (path, before + 1));
            let token = format!("Bearer {}", site.stage.op.access_tokens().pop().unwrap());
            assert_eq!((arrived.header("authorization"), arrived.header("cookie")), (token, String::new()));
            let again = browser.follow(&page.url, site.at("/next")).go().await;
            assert_eq!((again.hops.len(), again.status().as_u16()), (1, 200), "{again:#?}");
            let cookie = browser.jar().get(SESSION).cloned().unwrap();
            assert_eq!(cookie.same_site, authtool_tests::browser::SameSite::Strict);
        }
    }
}

#[tokio::test]
async fn sec_028_the_page_that_leads_on_holds_no_secret_and_no_script() {
    let site = Site::new(|recipe| recipe).await;
    let browser = Browser::new();
    let login = browser.open(site.at("/x")).stop_before(|url| url.path().ends_with("/callback")).go().await;
    let page = browser.follow(site.stage.op.issuer(), login.next.unwrap()).go().await;
    assert!(leads_on(&page).is_some(), "{page:#?}");
    let (html, policy) = (page.answer.text(), page.answer.header("content-security-policy"));
    assert!(!html.contains("<script") && policy.contains("default-src 'none'"), "{policy} {html}");
    assert!(!policy.contains("script-src") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(page.answer.header("cache-control").contains("no-store"));
    for secret in site.stage.op.secrets() {
        assert!(!page.answer.everything().contains(&secret), "{html}");
    }
}

#[tokio::test]
async fn what_a_script_asks_for_is_not_sent_to_the_login() {
    let site = Site::new(|recipe| recipe).await;
    for request in [
        raw::get(&site.nginx.public, "/data.json").as_same_origin_fetch(),
        raw::get(&site.nginx.public, "/data.json").header("accept", "*/*"),
        raw::request("POST", &site.nginx.public, "/orders").header("sec-fetch-mode", "navigate"),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.header("location"), "", "{answer:?}");
    }
    assert!(site.pages.arrived().is_empty());
}

#[tokio::test]
async fn sec_028_a_link_of_another_site_waits_for_a_click() {
    let site = Site::new(|recipe| recipe).await;
    let browser = Browser::new();
    let (page, logins) = site.visit(&browser, Some("http://mail.example/"), "/orders?pay=1").await;
    assert_eq!((page.status().as_u16(), logins), (200, 1), "{page:#?}");
    assert!(site.pages.arrived().is_empty(), "nothing happened that the user did not want");
    assert_eq!(button(&page), site.at("/orders?pay=1"));
    let (page, logins) = site.visit(&browser, Some(page.url.as_str()), "/orders?pay=1").await;
    assert_eq!((page.answer.text().as_str(), logins), ("from the upstream", 0));

    // Who is logged in already, and comes from another site: the Strict cookie is shown by the login's own way, or by a click.
    let (page, _) = site.visit(&browser, Some("http://mail.example/"), "/other").await;
    assert_eq!(button(&page), site.at("/other"), "{page:#?}");
}

#[tokio::test]
async fn a_login_loop_ends_on_a_page_that_says_why() {
    for way in [BY_RECIPE, BY_REDIRECT] {
        let site = Site::new(|recipe| recipe.replace(BY_RECIPE, way)).await;
        let browser = Browser::editing_set_cookie(|line| {
            if line.starts_with(SESSION) { format!("{line}; Domain=elsewhere.example") } else { line }
        });
        let (page, logins) = site.visit(&browser, None, "/").await;
        assert_eq!(logins, 3, "{way}: {page:#?}");
        assert!(page.answer.text().contains("does not keep the login"), "{way}: {page:#?}");
        is_logged(&site.stage, "cookie_not_kept").await;

        // The cookie comes, but is not handed on.
        let blind = |recipe: String| {
            let recipe = recipe.replace(BY_RECIPE, way);
            recipe.replace(
                "X-Original-Method $request_method;",
                "X-Original-Method $request_method;\nproxy_set_header Cookie \"\";",
            )
        };
        let site = Site::new(blind).await;
        let (page, logins) = site.visit(&Browser::new(), None, "/").await;
        assert_eq!(logins, 3, "{way}: {page:#?}");
        assert!(page.answer.text().contains("again and again"), "{way}: {page:#?}");
        is_logged(&site.stage, "login_loop").await;
        assert!(site.pages.arrived().is_empty());
    }
}

#[tokio::test]
async fn an_app_below_a_path_works_whether_nginx_takes_the_path_out_or_not() {
    let below = |recipe: String| {
        recipe
            .replace("/bff/", "/myapp/bff/")
            .replace("^/bff/token", "^/myapp/bff/token")
            .replace("location / {", "location /myapp/ {")
    };
    let stripping = |recipe: String| {
        let own = "location /myapp/bff/ {\n        proxy_pass http://authtool/bff/;";
        below(recipe)
            .replace("location /myapp/bff/ {\n        proxy_pass http://authtool;", own)
            .replace("rewrite ^ /myapp/bff/login? break;", "rewrite ^ /bff/login? break;")
    };
    let ways: [(&str, &dyn Fn(String) -> String); 2] =
        [("as it is", &below), ("without the path", &stripping)];
    for (what, edit) in ways {
        let site = Site::below("/myapp", edit).await;
        let browser = Browser::new();
        let (page, logins) = site.visit(&browser, None, "/myapp/orders?a=1").await;
        assert_eq!((page.answer.text().as_str(), logins), ("from the upstream", 1), "{what}: {page:#?}");
        assert_eq!(page.url, site.at("/myapp/orders?a=1"), "{what}");
        assert_eq!(browser.jar().get(SESSION).unwrap().path, "/", "{what}: __Host- forces it");

        // Without a return address, and with others.
        for (query, expected) in [
            ("", "/myapp/"),
            ("?redirect_uri=%2Fmyapp%2Fx", "/myapp/x"),
            ("?redirect_uri=%2Fx", "/myapp/x"),
            ("?redirect_uri=http%3A%2F%2Flocalhost%2Felsewhere", "/myapp/"),
        ] {
            let login = site.at(&format!("/myapp/bff/login{query}"));
            let page = browser.follow(&page.url, login).go().await;
            assert_eq!(page.url.path(), expected, "{what} {query}: {page:#?}");
        }
        let session = browser.fetch(&page.url, site.at("/myapp/bff/session")).go().await;
        assert_eq!(session.status, 200, "{what}: {session:?}");
        let broken = browser.follow(&page.url, site.at("/myapp/bff/login?prompt=nonsense")).go().await;
        assert_eq!((broken.status().as_u16(), button(&broken)), (400, site.at("/myapp/")), "{what}");
        let out = browser.follow(&page.url, site.at("/myapp/bff/logout")).posting("").first_hop().go().await;
        let end = out.next.unwrap();
        let back =
            end.query_pairs().find(|(name, _)| name == "post_logout_redirect_uri").unwrap().1.into_owned();
        assert_eq!(back, site.at("/myapp/bff/oidc/logout/callback").as_str(), "{what}");
        let out = browser.follow(site.stage.op.issuer(), back).first_hop().go().await;
        assert_eq!(out.next, Some(site.at("/myapp/")), "{what}: after the logout");
    }
}

#[tokio::test]
async fn nginx_passes_a_token_of_our_own_limit() {
    let token = format!("canary-{}", "t".repeat(16 * 1024 - 7));
    let lie = Lie::about(Endpoint::CodeExchange)
        .member("access_token", json!(token))
        .id_token(|draft| draft.without("at_hash"));
    let site = Site::new(|recipe| recipe).await;
    site.stage.op.lies(lie);
    let browser = Browser::new();
    let (page, _) = site.visit(&browser, None, "/").await;
    assert_eq!(page.answer.text(), "from the upstream", "{page:#?}");
    assert_eq!(site.pages.last().header("authorization"), format!("Bearer {token}"));
    // With as many cookies of the app as browsers send.
    let session = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let cookies = format!("a={}; {session}; b=1", "c".repeat(12 * 1024));
    let answer = raw::get(&site.nginx.public, "/").header("cookie", cookies).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(site.pages.last().header("cookie").ends_with("; b=1"));

    let api = Nginx::start(
        ports::free(),
        &site.stage.server.public,
        &site.stage.server.internal,
        &site.pages.origin,
    )
    .await;
    let answer = raw::get(&api.public, "/api/x").header("cookie", session).send().await;
    assert_eq!(answer.status, 200, "the recipe for APIs: {answer:?}");
}
