//! The handle that an app works with.

use authtool_client::rules::navigation;
use authtool_client::rules::state::{Failure, FailureKind, Session, State, Status};
use authtool_contract::endpoint::{LOGIN, LOGOUT};
use leptos::prelude::*;
use serde::de::DeserializeOwned;

use crate::way_back::way_back;
use crate::{LoginOptions, Occurrence};

#[cfg(target_family = "wasm")]
pub(crate) type Manager = authtool_client::manager::Manager<authtool_client::browser::Browser>;

/// Whether somebody is logged in, as signals, and the ways to change that.
///
/// It is `Copy`: closures take it as they take a signal. Get it with [`use_authtool`].
#[derive(Clone, Copy)]
pub struct Authtool {
    /// What is known: see [`Status`].
    pub status: Signal<Status>,
    /// The session. Through an outage of the server it is the last one that was seen, until its end.
    pub session: Signal<Option<Session>>,
    /// Why the session is not known; there exactly when the status is [`Status::Unavailable`].
    pub failure: Signal<Option<Failure>>,
    base: StoredValue<String>,
    #[cfg(target_family = "wasm")]
    manager: StoredValue<Manager, LocalStorage>,
    #[cfg(target_family = "wasm")]
    leaving: RwSignal<bool>,
}

/// The [`Authtool`] that [`provide_authtool`](crate::provide_authtool) has provided.
///
/// On the server it is there as well, with what the request's cookie says; nothing changes there, and nothing leaves.
///
/// # Panics
///
/// Without [`provide_authtool`](crate::provide_authtool) further up.
pub fn use_authtool() -> Authtool {
    #[allow(clippy::panic, reason = "a mistake in the program, found by its first run")]
    match use_context() {
        Some(authtool) => authtool,
        None => {
            panic!("use_authtool() needs provide_authtool(…) in a component further up, such as your App")
        }
    }
}

impl Authtool {
    pub(crate) fn new(
        state: RwSignal<State>,
        base: String,
        #[cfg(target_family = "wasm")] manager: Manager,
    ) -> Self {
        Self {
            status: Memo::new(move |_| state.with(|state| state.status)).into(),
            session: Memo::new(move |_| state.with(|state| state.session.clone())).into(),
            failure: Memo::new(move |_| state.with(|state| state.failure.clone())).into(),
            base: StoredValue::new(base),
            #[cfg(target_family = "wasm")]
            manager: StoredValue::new_local(manager),
            #[cfg(target_family = "wasm")]
            leaving: RwSignal::new(false),
        }
    }

    /// The user, as your own struct, from the claims that the server's `session.userClaims` selects. See
    /// [`use_user`](crate::use_user).
    pub fn user<T>(&self) -> Signal<Option<T>>
    where
        T: DeserializeOwned + PartialEq + Send + Sync + 'static,
    {
        let session = self.session;
        // The end of a session moves with every use of it, and its claims hardly ever.
        let claims = Memo::new(move |_| {
            session.with(|session| session.as_ref().map(|session| session.claims.clone()))
        });
        Memo::new(move |_| {
            claims.with(|claims| match serde_json::from_str(claims.as_deref()?) {
                Ok(user) => Some(user),
                Err(error) => {
                    leptos::logging::error!(
                        "authtool: the claims are no {}: {error}; select the claim in session.userClaims, or make the field an Option",
                        std::any::type_name::<T>(),
                    );
                    None
                }
            })
        })
        .into()
    }

    /// The address of the login, for a link. [`LoginLink`](crate::LoginLink) is one.
    ///
    /// It returns to the current page, unless the options say otherwise. A link of your own needs `rel="external"`:
    /// the router takes all others for pages of the app.
    pub fn login_url(&self, options: &LoginOptions) -> String {
        let back = options.redirect_uri.clone().or_else(way_back).or_else(here);
        self.base.with_value(|base| {
            navigation::with_return(base, LOGIN, back.as_deref(), options.parameters.as_query())
        })
    }

    /// The address of the logout, for a form with `method="post"`. [`LogoutForm`](crate::LogoutForm) is one.
    pub fn logout_url(&self) -> String {
        self.base.with_value(|base| navigation::endpoint(base, LOGOUT))
    }

    /// Leaves for the login.
    ///
    /// Calls that are not the consequence of a click or a key are counted: the third within thirty seconds makes the
    /// status [`Status::Unavailable`] instead, so that a browser that keeps no cookies does not go round in circles.
    ///
    /// Does nothing on the server.
    pub fn login(&self, options: &LoginOptions) {
        #[cfg(target_family = "wasm")]
        {
            use authtool_client::manager::Destination;

            let back = options.redirect_uri.clone().or_else(way_back);
            self.manager.with_value(|manager| {
                if manager.leave(Destination::Login, back.as_deref(), &options.parameters).is_err() {
                    leptos::logging::error!(
                        "authtool: the redirect_uri {back:?} is no address; use a path such as \"/invoices\""
                    );
                }
            });
        }
        #[cfg(not(target_family = "wasm"))]
        let _ = options;
    }

    /// Leaves for the logout: ends the session, here and at the provider. The other tabs notice.
    ///
    /// Does nothing on the server.
    pub fn logout(&self) {
        #[cfg(target_family = "wasm")]
        self.manager.with_value(|manager| {
            use authtool_client::manager::Destination;

            // Without an address to return to there is none that could be wrong.
            let _ = manager.leave(Destination::Logout, None, &crate::LoginParameters::default());
        });
    }

    /// Looks for the session now: after a `503` of your own API, say, or on a button that says "try again".
    pub fn check(&self) {
        #[cfg(target_family = "wasm")]
        self.manager.with_value(Manager::check);
    }

    /// Says that something may have extended the session: a call of an API, for one.
    pub fn touch(&self) {
        #[cfg(target_family = "wasm")]
        self.manager.with_value(Manager::touch);
    }

    /// A currently valid access token, in `tokenExchange` mode: the one in memory, or a new one. However many ask,
    /// there is one request. It is for an `Authorization` header; keep it nowhere.
    ///
    /// The error's kind is [`FailureKind::Unauthorized`] only when nobody is logged in. On the server it is
    /// always [`FailureKind::Inactive`]: server functions have `server::access_token()`.
    pub async fn access_token(&self) -> Result<String, Failure> {
        self.token(None).await
    }

    /// [`access_token`](Self::access_token), after an API has refused `rejected` with a 401. Ask once, then give up.
    pub async fn access_token_after(&self, rejected: &str) -> Result<String, Failure> {
        self.token(Some(rejected)).await
    }

    async fn token(&self, rejected: Option<&str>) -> Result<String, Failure> {
        #[cfg(target_family = "wasm")]
        if let Some(token) = self.manager.try_with_value(|manager| manager.access_token(rejected)) {
            return token.await;
        }
        #[cfg(not(target_family = "wasm"))]
        let _ = (rejected, std::future::ready(()).await);
        Err(Failure::of(FailureKind::Inactive))
    }

    /// Calls `listener` for everything that [happens](Occurrence) to the session, until the component that this is
    /// called in goes away.
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// use authtool_leptos::{Occurrence, use_authtool};
    ///
    /// #[component]
    /// fn Warning() -> impl IntoView {
    ///     let soon = RwSignal::new(false);
    ///     use_authtool().on(move |occurrence| soon.set(occurrence == Occurrence::Expiring));
    ///     view! { <p hidden=move || !soon.get()>"You will be logged out soon."</p> }
    /// }
    /// ```
    pub fn on(&self, listener: impl Fn(Occurrence) + 'static) {
        #[cfg(target_family = "wasm")]
        self.listen(move |notice| {
            if let authtool_client::manager::Notice::Occurred(occurrence) = notice {
                listener(occurrence);
            }
        });
        #[cfg(not(target_family = "wasm"))]
        drop(listener);
    }
}

#[cfg(target_family = "wasm")]
impl Authtool {
    fn listen(&self, listener: impl Fn(authtool_client::manager::Notice) + 'static) {
        let manager = self.manager;
        if let Some(id) = manager.try_with_value(|manager| manager.listen(move |_, notice| listener(notice)))
        {
            on_cleanup(move || {
                let _ = manager.try_with_value(|manager| manager.unlisten(id));
            });
        }
    }

    /// Leaves for the login whenever it is known that nobody is logged in.
    pub(crate) fn require_login(self, options: LoginOptions) {
        // Back from the provider through the back/forward cache, the state is what it was: a look that is over counts too.
        let looks = RwSignal::new(0_u32);
        self.listen(move |notice| {
            if notice == authtool_client::manager::Notice::Settled {
                looks.update(|looks| *looks = looks.wrapping_add(1));
            }
        });
        let Self { status, leaving, .. } = self;
        Effect::new(move |_| {
            looks.track();
            // Several at once (nested guards) want one and the same login, and the guard counts.
            if status.get() == Status::Unauthenticated && !leaving.get_untracked() {
                leaving.set(true);
                set_timeout(
                    move || {
                        let _ = leaving.try_set(false);
                    },
                    std::time::Duration::ZERO,
                );
                self.login(&options);
            }
        });
    }
}

/// Where the page is, where no route says so.
#[cfg_attr(target_family = "wasm", allow(clippy::unnecessary_wraps, reason = "the server does not know"))]
fn here() -> Option<String> {
    #[cfg(target_family = "wasm")]
    return Some(authtool_client::browser::here());
    #[cfg(not(target_family = "wasm"))]
    None
}
