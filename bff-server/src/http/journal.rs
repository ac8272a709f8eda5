//! What happened at the last logins, step by step, for a developer: `GET /-/dev` on the internal listener.
//!
//! There is one only in development mode, which no configuration file can ask for. It answers this machine alone, keeps
//! a few logins in memory, and what it tells is no more secret than the log.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{StatusCode, header, uri::Authority};
use url::Url;

use super::{
    App, answer,
    correlation::CorrelationId,
    page::{self, PageCode, escape},
};
use crate::domain::{metadata::is_loopback, time::UnixSeconds};

const MAX_LOGINS: usize = 20;
const MAX_STEPS: usize = 12;
const MAX_TEXT_CHARS: usize = 400;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    Bad,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    outcome: Outcome,
    what: String,
    fix: Option<&'static str>,
    reference: String,
}

impl Step {
    pub(crate) fn good(what: impl Into<String>, id: &CorrelationId) -> Self {
        Self::new(Outcome::Good, what.into(), None, id)
    }

    pub(crate) fn bad(what: impl Into<String>, fix: &'static str, id: &CorrelationId) -> Self {
        Self::new(Outcome::Bad, what.into(), Some(fix), id)
    }

    fn new(outcome: Outcome, what: String, fix: Option<&'static str>, id: &CorrelationId) -> Self {
        let what = what.chars().take(MAX_TEXT_CHARS).collect();
        Self { outcome, what, fix, reference: id.as_str().to_owned() }
    }
}

/// A step, and when it was.
struct Taken {
    step: Step,
    at: Instant,
    times: usize,
}

struct Login {
    /// The flow's name in its cookie; empty where there is none.
    flow: String,
    began: UnixSeconds,
    started: Instant,
    steps: Vec<Taken>,
    /// Whether the app has had its session.
    arrived: bool,
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Journal {
    logins: Mutex<VecDeque<Login>>,
}

impl Journal {
    /// A login begins, or fails to.
    pub(crate) fn begin(&self, flow: &str, now: UnixSeconds, step: Step) {
        let at = Instant::now();
        let login = Login {
            flow: flow.to_owned(),
            began: now,
            started: at,
            steps: vec![Taken { step, at, times: 1 }],
            arrived: false,
        };
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.truncate(MAX_LOGINS - 1);
        logins.push_front(login);
    }

    /// A login goes on; one that nobody has seen begin is an entry of its own.
    pub(crate) fn go_on(&self, flow: &str, now: UnixSeconds, step: Step) {
        {
            let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(login) = logins.iter_mut().find(|login| !flow.is_empty() && login.flow == flow) {
                login.take(step);
                return;
            }
        }
        self.begin(flow, now, step);
    }

    /// What follows the latest login, whoever's it was: there is one developer.
    pub(crate) fn follow(&self, step: Step) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(login) = logins.front_mut() else { return };
        let is_good = step.outcome == Outcome::Good;
        // An app that asks before it is over, or after a logout, says nothing about it.
        if login.steps.len() > 1 && (is_good || !login.arrived) {
            login.arrived |= is_good;
            login.take(step);
        }
    }

    fn html(&self) -> String {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let mut html = String::new();
        if logins.is_empty() {
            html.push_str("<p class=none>Nobody has logged in yet. Open the app and do; this page follows by itself.</p>");
        }
        for login in logins.iter() {
            login.write(&mut html);
        }
        html
    }
}

impl Login {
    fn take(&mut self, step: Step) {
        let same = |taken: &&mut Taken| taken.step.what == step.what;
        if let Some(last) = self.steps.last_mut().filter(same) {
            last.times += 1;
        } else if self.steps.len() < MAX_STEPS {
            self.steps.push(Taken { step, at: Instant::now(), times: 1 });
        }
    }

    fn write(&self, html: &mut String) {
        let failed = self.steps.iter().any(|taken| taken.step.outcome == Outcome::Bad);
        let (class, state) = match (failed, self.steps.len()) {
            (true, _) => ("bad", "went wrong"),
            (false, 1) => ("open", "is at the provider"),
            (false, _) => ("good", "worked"),
        };
        // Writing into a string does not fail.
        let _infallible = write!(
            html,
            "<section class={class}><h2>The login of <time>{}</time> {state}</h2><ol>",
            clock(self.began)
        );
        for Taken { step, at, times } in &self.steps {
            let (class, mark) = match step.outcome {
                Outcome::Good => ("good", "✓"),
                Outcome::Bad => ("bad", "✗"),
            };
            let after = seconds(at.duration_since(self.started));
            let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
            let fix = step.fix.map(|fix| format!("<p class=fix>{}</p>", escape(fix))).unwrap_or_default();
            let _infallible = write!(
                html,
                "<li class={class}><span class=mark>{mark}</span><div><p>{}{times}</p>{fix}\
                 <p class=more>+{after} · reference {}</p></div></li>",
                escape(&step.what),
                escape(&step.reference)
            );
        }
        html.push_str("</ol></section>");
    }
}

/// What to do about a login that ended on an error page.
pub(crate) fn fix(code: PageCode) -> &'static str {
    match code {
        PageCode::AccessDenied => {
            "nothing, if it was you; otherwise see the provider's rules for this client"
        }
        PageCode::ConsentRequired | PageCode::InteractionRequired => {
            "log in once without prompt=none, so that the provider can ask"
        }
        PageCode::ForbiddenContext => {
            "open it as a page (a link, or location.assign(manager.client.loginUrl())), not by fetch and not in a frame"
        }
        PageCode::InvalidRequest => {
            "see which parameter the log names; a link that was cut or typed by hand is the usual one"
        }
        PageCode::CookieNotKept => {
            "see in the browser's tools why it does not keep or send the session's cookie: its name, path and domain, and https"
        }
        PageCode::LoginLoop => {
            "see who answers 401: a gateway that does not forward the cookie, or an API that refuses the token"
        }
        PageCode::LoginNotFresh => {
            "the provider ignores max_age, or cannot ask this user again; ask with prompt=login beside it, or see its documentation"
        }
        PageCode::LoginPageExpired => {
            "the provider forgot the login twice; close other tabs with its login page, and begin again"
        }
        PageCode::LoginExpired => "a login has ten minutes; begin again",
        PageCode::LoginNotStartedHere => {
            "open the app by the host that redirect_uri has (localhost and 127.0.0.1 are two), in a browser that keeps \
             Secure cookies there (Safari does not on http://localhost), and with one server on that host and port"
        }
        PageCode::LoginFailed => {
            "the reason names the check that failed; compare issuer, clock and algorithms with the provider's, or run \
             `authtool-bff doctor`"
        }
        PageCode::ProviderMisconfigured => {
            "compare client.issuer with the `issuer` of the provider's metadata, to the letter; /-/ready and the doctor say more"
        }
        PageCode::ProviderRefused => {
            "compare client id, secret, redirect URI and scopes with the registration, or run `authtool-bff doctor`, which \
             finds out which it is"
        }
        PageCode::ProviderUnavailable => "see whether the provider runs and is reached from here",
        PageCode::StoreUnavailable => "see whether the session store runs and is reached from here",
        PageCode::TooWeak => {
            "the provider did not authenticate as strongly as acr_values asks; configure it there"
        }
        PageCode::OtherUser => "log out first, or log in as the same user",
        PageCode::UnknownClient => "use the name or clientId of a client in the configuration",
        PageCode::Internal => "this is a defect: the log has more under the reference",
    }
}

/// The page.
pub(crate) async fn page(State(app): State<Arc<App>>, id: CorrelationId, request: Request) -> Response {
    let Some(journal) = app.journal.as_ref().filter(|_| is_for_this_machine(&request)) else {
        return answer::problem(authtool_contract::ProblemCode::NotFound, &id);
    };
    let app_url = escape(app.return_urls.default_page().as_str());
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"3\"><title>The last logins</title><style>{STYLE}</style></head>\
         <body><main><header><h1>The last logins</h1><p>Development mode. The newest comes first; times are UTC. \
         A reference finds the lines of a request in the log. <a href=\"{app_url}\">Open the app</a></p></header>{}</main>\
         </body></html>",
        journal.html()
    );
    page::document_with(html, StatusCode::OK, STYLE)
}

/// A page of elsewhere must not read it by having a name of its own lead here.
fn is_for_this_machine(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|it| it.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str));
    host.and_then(|host| Url::parse(&format!("http://{host}/")).ok()).is_some_and(|url| is_loopback(&url))
}

fn clock(at: UnixSeconds) -> String {
    let second = at.get() % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1b22;--soft:#5d5b6b;--page:#f6f5f2;--card:#fff;--line:#e4e1da;--accent:#2f4bd8;\
--good:#1c7a46;--bad:#b3261e}\
@media (prefers-color-scheme:dark){:root{--ink:#eeedf2;--soft:#a5a3b3;--page:#15141a;--card:#1e1d25;--line:#33313d;\
--accent:#97a8ff;--good:#6cd49a;--bad:#ff9c92}}\
*{box-sizing:border-box}\
body{margin:0;padding:2rem 1rem;background:var(--page);color:var(--ink);\
font:1rem/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{max-width:46rem;margin:0 auto}\
h1{margin:0 0 .25rem;font-size:1.6rem;letter-spacing:-.01em}\
header p,.none{color:var(--soft)}\
a{color:var(--accent)}\
section{margin:1.25rem 0;background:var(--card);border:1px solid var(--line);border-radius:1rem;overflow:hidden}\
h2{margin:0;padding:.9rem 1.25rem;font-size:1rem;font-weight:600;border-bottom:1px solid var(--line)}\
section.bad h2{color:var(--bad)}section.good h2{color:var(--good)}\
time{font-variant-numeric:tabular-nums}\
ol{margin:0;padding:.5rem 1.25rem;list-style:none}\
li{display:grid;grid-template-columns:1.5rem 1fr;padding:.5rem 0}\
li+li{border-top:1px dashed var(--line)}\
p{margin:0;overflow-wrap:anywhere}\
.mark{font-weight:700}li.good .mark{color:var(--good)}li.bad .mark{color:var(--bad)}\
.fix{margin:.35rem 0;padding:.5rem .75rem;border-left:3px solid var(--accent);background:var(--page);border-radius:.25rem}\
.more{font-size:.8rem;color:var(--soft);font-variant-numeric:tabular-nums}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::SystemEntropy;

    fn now() -> UnixSeconds {
        UnixSeconds::new(1_800_000_000)
    }

    fn id() -> CorrelationId {
        crate::http::CorrelationIds::new(&SystemEntropy).next()
    }

    #[test]
    fn it_stays_small_whatever_happens() {
        let journal = Journal::default();
        for login in 0..1000 {
            journal.begin(&login.to_string(), now(), Step::good("x".repeat(10_000), &id()));
            for step in 0..100 {
                journal.go_on(&login.to_string(), now(), Step::good(step.to_string(), &id()));
            }
        }
        let logins = journal.logins.lock().unwrap();
        assert_eq!(logins.len(), MAX_LOGINS);
        assert!(logins.iter().all(|login| login.steps.len() == MAX_STEPS));
        drop(logins);
        assert!(journal.html().len() < 100_000, "{}", journal.html().len());
    }

    #[test]
    fn what_is_told_is_text_and_what_repeats_is_told_once() {
        let journal = Journal::default();
        journal.begin("f", now(), Step::good("begins", &id()));
        journal.follow(Step::bad("too early", "", &id()));
        journal.go_on("f", now(), Step::bad("<script>alert(1)</script>", "do \"this\"", &id()));
        for _ in 0..3 {
            journal.follow(Step::good("asks", &id()));
        }
        journal.follow(Step::bad("after a logout", "", &id()));
        let html = journal.html();
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("too early") && !html.contains("after a logout"), "{html}");
        assert!(html.contains("asks (3 times)") && html.contains("went wrong"), "{html}");
    }
}
